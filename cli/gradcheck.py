"""`evsim gradcheck FILE`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evsim import optional
from evsim.errors import EngineError, Fault, InputError
from evsim.recording.text import to_line

from . import options

if TYPE_CHECKING:
    from evsim.spec.schema import Network
    from evsim.testing.comparison import Comparison

OF_BOTH = ("seed", "precision", "data", "weights", "readout", "record")
"""Sections that a comparison reads from the network alone."""


def command(
    file: options.NetworkFile,
    set_: options.Overrides = None,
    twin: Annotated[
        list[str] | None,
        typer.Option(
            "--twin",
            metavar="FIELD=VALUE",
            help="Replace a field in the real-valued twin alone; repeatable.",
        ),
    ] = None,
    value: Annotated[
        str | None,
        typer.Option("--value", help="Variable that spikes stand for, unless the reset says it."),
    ] = None,
    weights: options.Weights = None,
    trials: Annotated[int, typer.Option("--trials", min=1, help="Training samples.")] = 32,
    figure: Annotated[
        Path | None,
        typer.Option(
            "--figure", metavar="FILE", help="Draw updates and gradients step by step: PNG or SVG."
        ),
    ] = None,
    data_dir: options.DataDir = None,
    json: options.Json = False,
) -> None:
    """Compare what equilibrium propagation learns with the gradient of a real-valued twin."""
    optional.require("torch", "Gradients need", "torch")
    import torch

    import evsim
    from evsim.analysis.style import check_ending
    from evsim.build.build import build
    from evsim.recording.parameters import read_parameters
    from evsim.simulate import open_samples
    from evsim.testing import comparison

    if figure is not None:
        check_ending(figure)
    network = evsim.load(file, set_ or ())
    plan = build(network)
    real = plan
    if twin:
        other = evsim.load(file, [*(set_ or ()), *twin])
        _require_alike(network, other)
        real = build(other)
    samples = open_samples(network, plan, data_dir, file.parent)
    parameters = {**plan.parameters, **read_parameters(weights, plan.parameters)}
    torch.set_num_threads(1)  # The same sums in the same order on every machine.
    try:
        found = comparison.compare(
            network, plan, real, samples, parameters, trials, value, figure is not None
        )
    except EngineError as error:
        raise EngineError(f"This network has no real-valued twin: {error}.") from None
    if figure is not None:
        from evsim.analysis.gradients import plot

        plot(found.curves, f"{network.name}, {found.trials} samples, step by step", figure)
    print(to_line(_figures(found)) if json else "\n".join(_table(found, weights)))


def _require_alike(network: Network, twin: Network) -> None:
    """Raise an `InputError` if the twin differs in what a comparison takes from the network."""
    for name in OF_BOTH:
        if getattr(network, name) != getattr(twin, name):
            message = f"`{name}` is the network's, which the twin shares."
            hint = f"`--set {name}...` replaces it in both"
            raise InputError(Fault(message, hint=hint))


def _table(found: Comparison, weights: Path | None) -> list[str]:
    sent = ", ".join(
        f"{name}: {m.variable}" if m.amount is None else f"{name}: {m.amount:g} of {m.variable}"
        for name, m in found.meanings.items()
    )
    lines = [
        f"weights   {weights or 'initial'}",
        f"spikes    {sent}",
        f"trials    {found.trials}",
        "",
        f"{'against the gradient':<24}{'spiking EP':>18}{'real-valued EP':>18}{'differences':>14}",
        f"{'':<24}{'cosine':>11}{'ratio':>7}{'cosine':>11}{'ratio':>7}{'error':>14}",
    ]
    for name, row in found.rows.items():
        both = "".join(f"{one.cosine:>11.3f}{one.ratio:>7.2f}" for one in (row.spiking, row.real))
        lines.append(f"{name:<24}{both}{row.differences:>14.1e}")
    lines += [
        "",
        "ratio: of the update's length to the gradient's; error: of the gradient, relative to",
        "central differences of the twin's loss",
    ]
    return lines


def _figures(found: Comparison) -> dict[str, Any]:
    """Return what the table shows."""
    return {
        "trials": found.trials,
        "spikes": {name: asdict(meaning) for name, meaning in found.meanings.items()},
        "parameters": {
            name: {
                "spiking": asdict(row.spiking),
                "real": asdict(row.real),
                "differences": row.differences,
            }
            for name, row in found.rows.items()
        },
    }
