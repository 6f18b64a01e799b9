"""From a recording to a file, or a folder of files, that other tools read."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from evsim import registry
from evsim.errors import Fault, InputError
from evsim.exchange.formats.base import Format
from evsim.exchange.placing import placed
from evsim.exchange.session import Progress, Session, silent
from evsim.recording import text
from evsim.recording.folder import NETWORK, begun, manifest_beside, recording_path
from evsim.recording.parameters import ARCHIVE, Parameters, run_parameters, write_parameters
from evsim.recording.reader import Run
from evsim.spikefiles.base import MARK, facts

FORMATS = "evsim.exchange.formats"
METADATA = "metadata.json"
"""Tells a folder that was exported from others."""


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Attributes
    ----------
    path : of the file, or the folder.
    trials : their number.
    populations, signals : of which there are spikes and samples.
    left_out : what of the recording is not in there.
    """

    path: Path
    trials: int
    populations: tuple[str, ...]
    signals: tuple[str, ...]
    left_out: tuple[str, ...]


def export(
    run: Run,
    format: str,
    out: str | Path | None = None,
    *,
    trials: str | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> Exported:
    """Write trials of a recording in the format of other tools.

    Parameters
    ----------
    format : see `registry.names(FORMATS)`.
    out : file, or for `csv` and `sonata` a folder; by default beside the recording.
    trials : rows of the table of trials and splits, such as `0-99,200` or `test`; by default all of
        which something is kept.
    force : replace what an earlier export wrote to `out`.
    progress : see `Progress`.

    Raises
    ------
    InputError : no such format or trials, a library is missing, or `out` is there.
    RecordingError : nothing is kept, or the recording is damaged.
    RunError : the file cannot be written.
    """
    chosen = cast(Format, registry.load(FORMATS, format))
    folder = not chosen.SUFFIX
    name = format if folder else f"{run.path.stem}{chosen.SUFFIX}"
    path = Path(out) if out else run.path.parent / name
    if path.exists() and path.samefile(run.path):
        raise InputError(f"'{path}' is the recording itself")
    if path.exists():
        _refuse(path, force, chosen.SUFFIX)
    session = Session(run, trials, progress)
    left_out = [*_left_out(session), *chosen.left_out(session)]
    about = _facts(session, left_out)
    with placed(path, folder) as fresh:
        if folder:
            (fresh / METADATA).write_text(text.to_text(about), "utf-8")
            if session.network:
                (fresh / NETWORK).write_text(session.network, "utf-8")
        chosen.write(session, fresh, about)
    signals = tuple(signal.name for signal in session.signals)
    return Exported(path, len(session.rows), session.populations, signals, tuple(left_out))


def export_weights(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    epoch: int | None = None,
    force: bool = False,
) -> tuple[Path, Parameters]:
    """Write the weights of a run as an archive that `evsim run --weights` and `numpy.load` read.

    Parameters
    ----------
    folder : of the run.
    out : file, with the ending .npz; by default `weights.npz` in the run's folder.
    epoch : recorded weights after so many epochs; by default those learned last.
    force : replace a file that is there.

    Returns
    -------
    path : of the archive.
    parameters : what it holds, one array each.

    Raises
    ------
    InputError : `out` has another ending, or is there.
    RecordingError : the run cannot be read, or has no such weights.
    RunError : the file cannot be written.
    """
    path = Path(out) if out else recording_path(Path(folder)).parent / f"weights{ARCHIVE}"
    if path.suffix != ARCHIVE:
        hint = f"`--weights` reads archives of that ending: '{path.with_suffix(ARCHIVE)}'"
        raise InputError(Fault(f"'{path}' does not end in {ARCHIVE}", hint=hint))
    if path.exists():
        _refuse(path, force, ARCHIVE)
    found = run_parameters(Path(folder), epoch)
    with placed(path, folder=False) as fresh:
        write_parameters(fresh, found)
    return path, found


def _left_out(session: Session) -> list[str]:
    """Return what no format holds."""
    run = session.run
    found = ["weights"] if len(run.weight_epochs) else []
    found += ["metrics"] if run.metrics else []
    others = len(run.trials) - len(session.rows)
    found += [f"{others:,} trials, not chosen or without spikes and states"] if others else []
    return found


def _facts(session: Session, left_out: list[str]) -> dict[str, Any]:
    """Return what a file says of its recording besides spikes, samples and trials."""
    layout, made = session.run.layout, session.run.provenance
    manifest = manifest_beside(session.run.path)
    versions = made.get("versions", {})
    return {
        MARK: versions.get("evsim", ""),
        "name": manifest.get("name", session.run.path.stem),
        "started": _started(session.run.path).isoformat(),
        "dt": layout.dt,
        "seed": manifest.get("seed"),
        "engine": made.get("engine"),
        "versions": versions,
        "command": made.get("command"),
        "populations": {
            one.name: {"shape": list(one.shape), "size": one.size}
            for one in layout.populations
            if one.name in session.populations
        },
        "phases": [phase.name for phase in layout.phases],
        "signals": {
            signal.name: {
                "population": signal.kept.population,
                "variable": signal.variable.name,
                "neurons": "all" if signal.kept.neurons is None else list(signal.kept.neurons),
                "unit": signal.unit,
                "every": signal.kept.every,
                "when": signal.kept.when,
            }
            for signal in session.signals
        },
        "left_out": left_out,
    }


def _started(recording: Path) -> datetime:
    """Return when a run began, else when its recording was last written."""
    found = begun(recording.resolve().parent)
    return found or datetime.fromtimestamp(int(recording.stat().st_mtime), UTC)


def _refuse(path: Path, force: bool, suffix: str) -> None:
    """Refuse to replace what is there, and ever what no export of the format can have made.

    Parameters
    ----------
    suffix : of the format's files; empty where it writes folders.

    Raises
    ------
    InputError : it is not to be replaced.
    """
    if not force:
        hint = "`--force` replaces it, `--out` writes elsewhere"
        raise InputError(Fault(f"'{path}' exists", hint=hint))
    folder = not suffix
    if path.is_dir() != folder:
        kinds = ("a file", "a folder") if folder else ("a folder", "a file")
        raise InputError(f"'{path}' is {kinds[0]}, where {kinds[1]} would be written")
    if not (_exported(path) if folder else path.suffix == suffix):
        hint = "remove it yourself, or write elsewhere with `--out`"
        raise InputError(Fault(f"'{path}' was not written by `evsim export`", hint=hint))


def _exported(folder: Path) -> bool:
    with suppress(OSError, UnicodeDecodeError):
        return not any(folder.iterdir()) or bool(facts((folder / METADATA).read_text("utf-8")))
    return False
