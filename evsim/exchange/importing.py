"""From a file of spikes to a recording, which evsim's own tools read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evsim import units
from evsim.errors import DataError, Fault, InputError, RecordingError
from evsim.exchange.grid import Grid, on_grid
from evsim.exchange.placing import placed
from evsim.exchange.session import Progress, silent
from evsim.recording import text
from evsim.recording.folder import MANIFEST, METRICS, RECORDING
from evsim.recording.provenance import provenance
from evsim.recording.writer import Writer
from evsim.spikefiles import SpikeFile, SpikeFileError, read


@dataclass(frozen=True)
class Imported:
    """What was imported.

    Attributes
    ----------
    path : of the run's folder.
    trials, spikes : their numbers.
    populations : their names.
    notes : what is otherwise in the recording than in the file.
    """

    path: Path
    trials: int
    spikes: int
    populations: tuple[str, ...]
    notes: tuple[str, ...]


def import_spikes(
    file: str | Path,
    out: str | Path,
    *,
    format: str | None = None,
    dt: float | None = None,
    unit: str | None = None,
    progress: Progress = silent,
) -> Imported:
    """Write the spikes and trials of a file as the folder of a run.

    Parameters
    ----------
    file : see `evsim.spikefiles`.
    out : the folder, where there is nothing.
    format : of the file; by default what it looks like.
    dt : time step of the recording, s; by default the resolution of the file's times.
    unit : that of times in a file that does not say it; by default seconds.
    progress : see `Progress`.

    Raises
    ------
    InputError : the file or a spike of it cannot be read, or the time step is not known.
    RecordingError : `out` is there.
    RunError : it cannot be written.
    """
    source, path = Path(file), Path(out)
    if path.exists():
        raise RecordingError(f"'{path}' exists; recordings are not overwritten")
    try:
        found = read(source, format)
        grid = on_grid(found, _seconds(found, unit), _step(found, dt))
    except SpikeFileError as error:
        raise DataError(f"The spikes cannot be read: {error}.") from None
    facts = {"source": str(source.resolve()), "exported": found.facts, **provenance()}
    name = found.facts.get("name", source.stem)
    with placed(path, folder=True) as fresh:
        spikes = _write(fresh / RECORDING, grid, facts, progress)
        manifest = text.to_text({"name": name, "status": "imported", **facts})
        (fresh / MANIFEST).write_text(manifest, "utf-8")
        (fresh / METRICS).touch()
    names = tuple(population.name for population in grid.layout.populations)
    return Imported(path, len(grid.phases), spikes, names, tuple(_notes(grid, spikes)))


def _step(found: SpikeFile, dt: float | None) -> float:
    step = dt or found.dt
    if step is None:
        hint = "give the recording one, such as `--dt 0.1ms`"
        raise InputError(Fault(f"'{found.path}' says no time step", hint=hint))
    return step


def _seconds(found: SpikeFile, unit: str | None) -> float:
    """Return how many seconds the unit of a file's times is."""
    if unit is None:
        return 1.0
    if found.timed:
        message = f"'{found.path}' itself says in which unit its times are"
        raise InputError(Fault(message, hint="leave `--unit` out"))
    try:
        return units.parse(unit, unit="second").value
    except units.UnitError as error:
        raise InputError(f"`--unit`: {error}") from None


def _write(path: Path, grid: Grid, facts: dict[str, object], progress: Progress) -> int:
    """Write the recording; return the number of its spikes."""
    spikes = 0
    with Writer.create(path, grid.layout, facts) as writer:
        for done, record in enumerate(grid.records(), start=1):
            writer.trial(record)
            lists = [one for phase in record.phases for one in phase.spikes.values()]
            spikes += sum(len(one.neuron) for one in lists)
            progress("trials", done, len(grid.phases))
    return spikes


def _notes(grid: Grid, spikes: int) -> list[str]:
    """Return what is otherwise in the recording than in the file."""
    found = []
    if grid.start:
        found.append(f"time 0 of each trial is {grid.start:g} s in the file")
    outside = sum(one.outside for one in grid.lists.values())
    if outside:
        found.append(f"{outside:,} spikes lie in no trial and are left out")
    merged = sum(len(one.time) for one in grid.lists.values()) - spikes
    if merged:
        step = f"steps of {grid.layout.dt:g} s"
        found.append(f"{merged:,} spikes, each in one step with another of its neuron; {step}")
    return found
