"""Ways to keep spikes: python tests/perf/recording_formats.py [million spikes] [rounds].

The same spikes (see reading.py) are written trial by trial, as evsim's recordings and as other
tools keep them, each in a process of its own; then one trial is read, then all. `after a kill`: the
share of the first half of the trials that can still be read when the process is killed there.
Needs `pip install 'evsim[exchange]'`.
"""

from __future__ import annotations

import json
import pickle
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from reading import DIFFERENT, SHAPE, STEPS, layout, trials

import evsim
from evsim.engines.base import Spikes
from evsim.orchestrator.events import PhaseRecord, TrialRecord
from evsim.recording.writer import Writer

SIZE, DT = int(np.prod(SHAPE)), 1e-3
Events = tuple[NDArray[Any], NDArray[Any]]
"""Times in seconds and neurons of spikes."""


def events(spikes: Spikes, number: int) -> Events:
    """Return a trial's spikes on a time axis on which trials follow each other."""
    step = np.repeat(np.arange(STEPS), spikes.count) + number * STEPS
    return step * DT, spikes.neuron.astype(np.int32)


class Format:
    """Takes trials one by one; the file is complete after `end`. `needs`: what it imports."""

    needs: tuple[str, ...] = ()

    def __init__(self, path: Path):
        self.path = path

    def trial(self, spikes: Spikes, number: int) -> None:
        """Keep a trial."""

    def flush(self) -> None:
        """Bring to the disk what the format can."""

    def end(self) -> None:
        """Complete the file."""

    @staticmethod
    def read(path: Path) -> Events:
        """Return all spikes."""
        raise NotImplementedError

    @classmethod
    def read_trial(cls, path: Path, number: int) -> int:
        """Return how many spikes a trial has."""
        times, _ = cls.read(path)
        begin, end = np.array([number, number + 1]) * STEPS * DT - DT / 2
        return int(((times >= begin) & (times < end)).sum())


class Evsim(Format):
    """A recording of evsim."""

    encoding = "compact"

    def __init__(self, path: Path):
        super().__init__(path)
        self.writer = Writer.create(path, layout(self.encoding), {})  # type: ignore[arg-type]

    def trial(self, spikes: Spikes, number: int) -> None:
        phases = (PhaseRecord("free", STEPS, {"conv1": spikes}),)
        record = TrialRecord(0, "train", number, number, -1, -1, float("nan"), phases)
        self.writer.trial(record)

    def flush(self) -> None:
        self.writer.commit()

    def end(self) -> None:
        self.writer.close()

    @staticmethod
    def read(path: Path) -> Events:
        with evsim.open(path) as run:
            trains = run.spikes("conv1")
            return trains.time, trains.neuron

    @classmethod
    def read_trial(cls, path: Path, number: int) -> int:
        with evsim.open(path) as run:
            return len(run.spikes("conv1", number))


class EvsimPlain(Evsim):
    """A recording of evsim without gaps."""

    encoding = "plain"


class Pickle(Format):
    """Arrays `i` and `t`, as Brian2's SpikeMonitor holds them, pickled in the end."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.parts: list[Events] = []

    def trial(self, spikes: Spikes, number: int) -> None:
        self.parts.append(events(spikes, number))

    def end(self) -> None:
        times, neurons = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        with self.path.open("wb") as file:
            pickle.dump({"t": times, "i": neurons}, file, protocol=5)

    @staticmethod
    def read(path: Path) -> Events:
        with path.open("rb") as file:
            found = pickle.load(file)
        return found["t"], found["i"]


class Ascii(Format):
    """Lines `sender<TAB>time in ms`, as NEST's ascii recorder writes them."""

    needs = ("pandas",)

    def __init__(self, path: Path):
        super().__init__(path)
        self.file = path.open("w")

    def trial(self, spikes: Spikes, number: int) -> None:
        import pandas

        times, neurons = events(spikes, number)
        frame = pandas.DataFrame({"sender": neurons, "time_ms": times * 1e3})
        frame.to_csv(self.file, sep="\t", header=False, index=False, float_format="%.3f")

    def flush(self) -> None:
        self.file.flush()

    def end(self) -> None:
        self.file.close()

    @staticmethod
    def read(path: Path) -> Events:
        import pandas

        frame = pandas.read_csv(path, sep="\t", names=["sender", "time_ms"])
        return frame.time_ms.to_numpy() / 1e3, frame.sender.to_numpy()


class Sonata(Format):
    """Timestamps and node ids in HDF5 with gzip."""

    def __init__(self, path: Path):
        super().__init__(path)
        self.file = h5py.File(path, "w")
        group = self.file.create_group("spikes/conv1")
        more = {"maxshape": (None,), "chunks": (1 << 16,), "compression": "gzip"}
        self.times = group.create_dataset("timestamps", (0,), np.float64, **more)
        self.nodes = group.create_dataset("node_ids", (0,), np.uint64, **more)
        self.times.attrs["units"] = "ms"

    def trial(self, spikes: Spikes, number: int) -> None:
        times, neurons = events(spikes, number)
        begin, end = len(self.times), len(self.times) + len(times)
        for dataset, values in ((self.times, times * 1e3), (self.nodes, neurons)):
            dataset.resize(end, axis=0)
            dataset[begin:end] = values

    def flush(self) -> None:
        self.file.flush()

    def end(self) -> None:
        self.file.close()

    @staticmethod
    def read(path: Path) -> Events:
        with h5py.File(path) as file:
            group = file["spikes/conv1"]
            return group["timestamps"][:] / 1e3, group["node_ids"][:]


class Nwb(Pickle):
    """A table of units in NWB, written by PyNWB in the end."""

    needs = ("pynwb",)

    def end(self) -> None:
        from datetime import UTC, datetime

        from pynwb import NWBHDF5IO, NWBFile

        file = NWBFile("spikes", "one", datetime(2020, 1, 1, tzinfo=UTC))
        times, neurons = (np.concatenate(part) for part in zip(*self.parts, strict=True))
        order = np.argsort(neurons, kind="stable")
        ends = np.cumsum(np.bincount(neurons, minlength=SIZE))
        for unit in np.split(times[order], ends[:-1]):
            file.add_unit(spike_times=unit)
        with NWBHDF5IO(self.path, "w") as out:
            out.write(file)

    @staticmethod
    def read(path: Path) -> Events:
        from pynwb import NWBHDF5IO

        with NWBHDF5IO(path, "r") as file:
            units = file.read().units
            ends = units["spike_times"].data[:]
            neurons = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
            return units["spike_times"].target.data[:], neurons


FORMATS: dict[str, tuple[str, type[Format]]] = {
    "evsim": ("evsim, compact", Evsim),
    "plain": ("evsim, plain", EvsimPlain),
    "pickle": ("Brian2's monitor, pickled", Pickle),
    "ascii": ("NEST's ascii", Ascii),
    "sonata": ("SONATA, gzip", Sonata),
    "nwb": ("NWB units, PyNWB", Nwb),
}


def write(kind: type[Format], path: Path, number: int, stop: bool) -> None:
    """Write trials; print seconds and memory, or wait at the half to be killed."""
    different, _ = trials(), [import_module(name) for name in kind.needs]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    file = kind(path)
    for at in range(number):
        if stop and at == number // 2:
            file.flush()
            print("half", flush=True)
            signal.pause()
        file.trial(different[at % DIFFERENT], at)
    file.end()
    seconds = time.perf_counter() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"seconds": seconds, "MB": memory / 1e3}))


def read(kind: type[Format], path: Path, what: str, number: int) -> None:
    """Read a trial or all; print seconds and the number of spikes."""
    _ = [import_module(name) for name in kind.needs]
    begun = time.perf_counter()
    found = kind.read_trial(path, number) if what == "trial" else len(kind.read(path)[0])
    print(json.dumps({"seconds": time.perf_counter() - begun, "spikes": found}))


def ask(*words: object) -> dict[str, float]:
    """Run this script as another process; return what it printed."""
    command = [sys.executable, __file__, *map(str, words)]
    found: dict[str, float] = json.loads(
        subprocess.check_output(command, stderr=subprocess.DEVNULL)
    )
    return found


def survives(name: str, path: Path, number: int) -> float:
    """Return the share of spikes that read after a kill at the half."""
    command = [sys.executable, __file__, "write", name, str(path), str(number), "stop"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.kill()
    process.wait()
    sent = sum(len(spikes.neuron) for spikes in (trials() * number)[: number // 2])
    try:
        return ask("read", name, path, "all", number)["spikes"] / sent
    except subprocess.CalledProcessError:
        return 0.0


def main() -> None:
    """Write and read all formats in turn."""
    if sys.argv[1:2] == ["write"]:
        _, name, path, number, *stop = sys.argv[1:]
        write(FORMATS[name][1], Path(path), int(number), bool(stop))
        return
    if sys.argv[1:2] == ["read"]:
        _, name, path, what, number = sys.argv[1:]
        read(FORMATS[name][1], Path(path), what, int(number) // 2)
        return
    millions, rounds = (int(a) for a in (*sys.argv[1:], "10", "3")[:2])
    sent = len(trials()[0].neuron)
    number = max(2, round(millions * 1e6 / sent))
    found: dict[str, dict[str, list[float]]] = {name: {} for name in FORMATS}
    for _ in range(rounds):
        for name in FORMATS:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "spikes.h5"
                wrote = ask("write", name, path, number)
                one = ask("read", name, path, "trial", number)
                all_ = ask("read", name, path, "all", number)
                size = path.stat().st_size / all_["spikes"]
                kept = survives(name, Path(folder) / "killed.h5", number)
            values = (wrote["seconds"], wrote["MB"], size, one["seconds"], all_["seconds"], kept)
            for key, value in zip(HEADS, values, strict=True):
                found[name].setdefault(key, []).append(value)
    print(f"{number} trials of about {sent / 1e3:.0f} thousand spikes, {rounds} rounds in turn")
    print(f"{'':<27}" + "".join(f"{head:>16}" for head in HEADS))
    for name, (title, _) in FORMATS.items():
        cells = [statistics.median(found[name][head]) for head in HEADS]
        print(f"{title:<27}" + "".join(f"{cell:>16.3g}" for cell in cells))


HEADS = ("write s", "memory MB", "bytes a spike", "read a trial s", "read all s", "after a kill")

if __name__ == "__main__":
    main()
