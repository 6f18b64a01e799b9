"""`evsim bench FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evsim.errors import EngineError, Fault, InputError, nearest
from evsim.recording.text import to_line

from . import options

if TYPE_CHECKING:
    from evsim.bench import Bench, Contest, Contestant

OTHERS = ("brian2", "torch", "torch-folded")


def command(
    file: options.NetworkFile,
    set_: options.Overrides = None,
    against: Annotated[
        str, typer.Option("--against", help="Any of brian2, torch, torch-folded; or none.")
    ] = ",".join(OTHERS),
    weights: options.Weights = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Turns of each.")] = 7,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Samples in a turn.")] = 16,
    data_dir: options.DataDir = None,
    threads: options.Threads = None,
    json: options.Json = False,
) -> None:
    """Time the first phase of a network against Brian2 and dense PyTorch, in one run."""
    import evsim
    from evsim.bench import Contest
    from evsim.build.build import build
    from evsim.recording.parameters import read_parameters
    from evsim.simulate import cores, open_samples

    others = [] if against == "none" else against.split(",")
    for name in others:
        if name not in OTHERS:
            raise InputError(Fault(f"Unknown contestant '{name}'.", hint=nearest(name, OTHERS)))
    network = evsim.load(file, set_ or ())
    plan = build(network)
    samples = open_samples(network, plan, data_dir, file.parent)
    parameters = {**plan.parameters, **read_parameters(weights, plan.parameters)}
    contest = Contest(plan, samples, parameters, trials)
    everyone = threads or cores()
    for number in dict.fromkeys((1, everyone)):
        contest.add_fused(number)
    _add_others(contest, others, everyone)
    found = contest.run(rounds)
    print(to_line(_figures(found)) if json else "\n".join(_table(found, weights)))


def _add_others(contest: Contest, others: list[str], threads: int) -> None:
    from evsim.bench import BATCHES

    if "brian2" in others:
        contest.add_brian2()
    for name in ("torch", "torch-folded"):
        if name not in others:
            continue
        try:
            for number in dict.fromkeys((1, threads)):
                for batch in BATCHES:
                    contest.add_torch(number, batch, name == "torch-folded")
        except ImportError:
            print(f"Leaving out {name}: pip install 'evsim[torch]'.")
        except EngineError as error:
            print(f"Leaving out {name}: {error}.")


def _table(found: Bench, weights: Path | None) -> list[str]:
    fused = {c.threads: c for c in found.contestants if c.name.startswith("evsim")}
    activity = ", ".join(f"{name} {rate:.1%}" for name, rate in found.activity.items())
    lines = [
        f"weights   {weights or 'initial'}",
        f"activity  {activity} of neurons in a step",
        "",
        f"{'microseconds per step and trial':<44}{'best':>10}{'median':>10}{'ratio':>9}",
    ]
    for contestant in found.contestants:
        ratio = contestant.median / _rival(contestant, fused).median
        lines.append(
            f"{contestant.name:<44}{contestant.best:>10.2f}{contestant.median:>10.2f}{ratio:>8.1f}x"
        )
    return [*lines, "", "ratio: of medians, to evsim on as many threads"]


def _rival(contestant: Contestant, fused: dict[int, Contestant]) -> Contestant:
    return fused.get(contestant.threads, fused[1])


def _figures(found: Bench) -> dict[str, Any]:
    return {
        "activity": found.activity,
        "microseconds": {
            c.name: {"threads": c.threads, "best": c.best, "median": c.median, "all": c.times}
            for c in found.contestants
        },
    }
