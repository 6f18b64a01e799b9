"""The state of a trial in flat buffers, advanced by compiled code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evsim.build.plan import Phase, Plan
from evsim.build.weights import spread
from evsim.engines.base import NotFinite, Simulation, Spikes, stream_keys
from evsim.engines.fused import memory
from evsim.engines.fused.layout import Layout
from evsim.engines.fused.loaded import Loaded
from evsim.engines.fused.program import queue_room
from evsim.engines.fused.replay import pack
from evsim.engines.fused.vector import row_lanes
from evsim.engines.fused.watching import finite, moved
from evsim.engines.traffic import directions, is_static

KEPT_STEPS = 8
"""Steps in which every neuron spikes that a spike buffer holds at least."""

NUMPY = {"f": None, "d": np.float64, "n": np.int64, "b": np.bool_}
RINGS = {"e": np.int32, "s": np.int64}
"""Types of the buffers of events and starts: spikes on their way are part of a trial's state."""


class FusedSimulation(Simulation):
    """State of one trial in flat buffers; see `evsim.engines.fused.layout`."""

    def __init__(self, program: Loaded):
        self.program, self.plan = program, program.plan
        compiled, plan = program.compiled, program.plan
        layout, dtype = compiled.layout, plan.dtype
        self.layout: Layout = layout
        self.initial = _initial_state(plan, layout)
        self.state = {
            key: memory.zeros(array.size, array.dtype) for key, array in self.initial.items()
        }
        self.ends: dict[str, dict[str, NDArray[Any]]] = {}
        self.means = np.zeros(max(compiled.average_size, 1), dtype)
        self.flat = np.zeros(compiled.gradients.size, dtype)
        widest = max(grid.size for grid in layout.grids.values())
        # Of learning code: `left`, `right`, and of `left` those that count, as (index, value).
        self.terms = (
            np.zeros(widest, dtype),
            np.zeros(widest, dtype),
            np.zeros(widest, np.int32),
            np.zeros(widest, dtype),
        )
        self.draw = np.array([0, *stream_keys(plan).values()], np.uint64)
        count = len(plan.populations)
        self.counts = np.zeros(count + len(directions(plan)), np.int64)
        self.scratch = (
            np.zeros(layout.event_count + 64, np.uint8),
            self.state["e"],
            self.state["s"],
            self.counts,
            np.zeros(row_lanes(dtype.itemsize), dtype),
            np.zeros(max(grid.channels for grid in layout.grids.values()), np.uint64),
            np.zeros(2 * queue_room(layout), np.int32),
            np.zeros(layout.noise_count),
        )
        sizes = [
            g.size * KEPT_STEPS if plan.populations[n].spikes else 0
            for n, g in layout.grids.items()
        ]
        self.kept_begin = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        self.kept_end = np.cumsum(sizes).astype(np.int64)
        self.kept_at = self.kept_begin.copy()
        self.kept: NDArray[Any] = np.zeros(0, np.uint16 if widest <= 1 << 16 else np.uint32)
        self.prepared = {
            (p.target, p.target_variable) for p in plan.projections.values() if is_static(plan, p)
        }
        self.recording, self.record = False, np.zeros(count, np.bool_)
        self.unkept = np.zeros((count, 0), np.uint32)
        self.kept_counts: list[NDArray[np.uint32]] = []
        self.pieces: dict[str, list[NDArray[Any]]] = {}
        self.replay = program.replay
        self.phase: Phase | None = None
        self.learns = self.untouched = True
        self.clocks: dict[str, int] = {}
        self.first = self.done = 0

    def begin(
        self,
        inputs: Mapping[tuple[str, str], NDArray[Any]],
        trial: int = 0,
        learns: bool = True,
    ) -> None:
        self.draw[0], self.learns = trial, learns
        for buffer, array in self.initial.items():
            self.state[buffer][:] = array
        for name, projection in self.plan.projections.items():
            if projection.code is not None and projection.changes_weights:
                slot = self.layout.slots[name, "w"]
                self.state["f"][slot.offset : slot.offset + slot.size] = self.program.raw[name]
        given = {}
        for key, values in inputs.items():
            population = self.plan.populations.get(key[0])
            if population is None or population.replay is None:
                self._write(key, values)
            else:
                given[key[0]] = values
        self.replay = pack(self.plan, self.layout, given) if given else self.program.replay
        self.program.compiled.module.prepare(*self._buffers(), *self.scratch)
        self._keep("")
        self.untouched = True

    def enter(self, phase: str, attempt: int = 0) -> None:
        self.phase = self.plan.phases[phase].variant(self.learns, attempt)
        start = self.phase.start
        self.first, self.done = self.phase.first if start is None else self.clocks[start], 0
        self.shared = self.phase.shared.at(self.first, int(self.draw[0]))
        self._restore(self.phase)
        self.means[:] = 0

    def advance(self, steps: int, record: bool = False) -> None:
        phase = self._phase()
        if record != self.recording:
            self.record[:] = self.recording = record
        if record and not self.kept.size:
            self.kept = np.zeros(int(self.kept_end[-1]), self.kept.dtype)
        while True:
            average, piece = False, steps
            if phase.average:
                begin, end = phase.averaged(self.done)
                average = self.done >= begin
                piece = min(steps, (end if average else begin) - self.done)
                if self.done == begin:
                    self.means[:] = 0
            ran = self._run(piece, average)
            self.done, steps = self.done + ran, steps - ran
            if steps <= 0:
                break
        if not finite(self.state["f"]):
            self._find_not_finite(phase)

    def _run(self, steps: int, average: bool) -> int:
        """Run until a spike buffer or a piece of shared inputs ends; return the steps done."""
        begin, shared = self.shared.piece(self.done)
        steps = min(steps, begin + len(shared) - self.done)
        counts = self.unkept
        if self.recording:
            counts = np.zeros((len(self.plan.populations), max(steps, 1)), np.uint32)
        ran = int(
            self.program.compiled.module.advance(
                self.first + self.done,
                steps,
                self.done - begin,
                shared,
                average,
                self.learns,
                self.draw,
                *self._buffers(),
                *self.scratch,
                self.record,
                self.kept,
                self.kept_at,
                self.kept_end,
                counts,
                *self.replay,
            )
        )
        if self.recording:
            self.kept_counts.append(counts[:, :ran])
            if ran < steps:
                self._drain()
        return ran

    def _drain(self) -> None:
        """Make room in the spike buffers."""
        for at, (name, population) in enumerate(self.plan.populations.items()):
            if population.spikes:
                begin, end = self.kept_begin[at], self.kept_at[at]
                self.pieces.setdefault(name, []).append(self.kept[begin:end].copy())
        self.kept_at[:] = self.kept_begin

    def leave(self) -> None:
        name = self._phase().name
        if name in self.plan.snapshots:
            self.clocks[name] = self.first + self.done
            self._keep(name)

    def _keep(self, name: str) -> None:
        """Keep the state for phases that start from it, where the last trial's was."""
        if name not in self.ends:
            self.ends[name] = {key: np.empty_like(array) for key, array in self.state.items()}
        for key, kept in self.ends[name].items():
            kept[:] = self.state[key]

    def learn(self, phase: str, every_step: bool = False) -> None:
        if not every_step:
            self._collect_spiking()
        name = f"every_step_{phase}" if every_step else f"at_end_{phase}"
        module = self.program.compiled.module
        function = getattr(module, name, None)
        if function is None:
            return
        planned = self._phase()
        shared = self.shared.row(max(self.done, 1) - 1)
        means = self.means / self.means.dtype.type(max(planned.average_last, 1))
        function(
            shared,
            getattr(module, f"{name}_signs"),
            self.flat,
            *self.terms,
            *self._buffers(means),
            *self.program.synaptic.values(),
        )

    def _collect_spiking(self) -> None:
        """Add to the gradients what code at spikes has left in `g`."""
        for name, rule in self.plan.rules.items():
            if not rule.at_spikes or rule.projection is None:
                continue
            slot = self.layout.slots[rule.projection, "g"]
            changes = self.state["f"][slot.offset : slot.offset + slot.size]
            offset = self.program.compiled.gradients.offsets[name]
            _, _, weight, coefficient = self.program.synapses(rule.projection)
            size = self.plan.parameters[name].size
            self.flat[offset : offset + size] += np.bincount(weight, changes * coefficient, size)

    def get(self, owner: str, variable: str) -> NDArray[Any]:
        key = (owner, variable)
        declared = self.plan.variables(owner)[variable]
        if key in self.layout.slots:
            slot = self.layout.slots[key]
            early = key in self.prepared and self._is_at_start()
            state = self.initial if early else self.state
            values = state[slot.buffer][slot.offset : slot.offset + slot.size]
            if declared.shared:
                return np.asarray(values[0])
            if owner in self.plan.projections:
                return values.copy()
            return np.asarray(values[self.layout.grids[owner].to_declared])
        if key in self.layout.uniform:
            return np.full(declared.initial.shape, self.layout.uniform[key])
        if key in self.plan.shared:
            row = self.shared.row(max(self.done, 1) - 1)
            return np.asarray(row[self.plan.shared.index(key)])
        if owner in self.plan.projections:
            return np.asarray(self.program.raw[owner][self.program.synapses(owner).weight])
        return self._learned(owner, variable)

    def _is_at_start(self) -> bool:
        """Return whether no step has formed sums yet, although `prepare` has."""
        return self.phase is not None and self.phase.start is None and not self.done

    def _learned(self, population: str, variable: str) -> NDArray[Any]:
        """Return a learned variable's value for every neuron."""
        at, share = self.program.compiled.weights.parameters.places[population, variable]
        shape, grid = self.plan.populations[population].shape, self.layout.grids[population]
        if share is None:
            return self.program.weights[at : at + grid.size][grid.to_declared]
        size = shape[0] if share == "channel" else 1
        return spread(self.program.weights[at : at + size], shape, share)

    def watch(self, variables: Collection[str]) -> None:
        keys = [(name, v) for name in self.plan.populations for v in variables]
        self._watched = {
            key: self._values(key).copy()
            for key in keys
            if self.plan.populations[key[0]].neuron is not None and key in self.layout.slots
        }

    def moved(self) -> float:
        far = [moved(self._values(key), before) for key, before in self._watched.items()]
        return float(max(far, default=np.nan))

    def _values(self, key: tuple[str, str]) -> NDArray[Any]:
        slot = self.layout.slots[key]
        values = self.state[slot.buffer][slot.offset : slot.offset + slot.size]
        return values.view(np.int8) if slot.buffer == "b" else values

    def take_spikes(self) -> dict[str, Spikes]:
        if not self.kept_counts:
            return {}
        self._drain()
        count = np.concatenate(self.kept_counts, axis=1)
        pieces, self.pieces, self.kept_counts = self.pieces, {}, []
        return {
            name: Spikes(count[at], _joined(pieces[name]))
            for at, name in enumerate(self.plan.populations)
            if name in pieces
        }

    def take_counts(self) -> dict[str, int]:
        found = {
            name: int(self.counts[at])
            for at, (name, p) in enumerate(self.plan.populations.items())
            if p.spikes
        }
        self.counts[: len(self.plan.populations)] = 0
        return found

    def take_operations(self) -> NDArray[np.int64]:
        counts = self.counts[len(self.plan.populations) :]
        found = counts.copy()
        counts[:] = 0
        return found

    def take_gradients(
        self, out: NDArray[np.floating[Any]] | None = None
    ) -> NDArray[np.floating[Any]]:
        taken = np.empty_like(self.flat) if out is None else out
        taken[:] = self.flat
        self.flat[:] = 0
        return taken

    def _phase(self) -> Phase:
        assert self.phase is not None, "enter a phase first"
        return self.phase

    def _buffers(self, means: NDArray[Any] | None = None) -> tuple[NDArray[Any], ...]:
        state = self.state
        means = self.means if means is None else means
        program = self.program
        places = program.weights, program.links, program.arrays
        return state["f"], state["d"], state["n"], state["b"], means, *places

    def _restore(self, phase: Phase) -> None:
        if phase.start is not None or not self.untouched:
            for buffer, array in self.ends[phase.start or ""].items():
                self.state[buffer][:] = array
        self.untouched = False
        sets = dict(phase.sets)
        sets |= {(str(r.projection), "g"): 0 for r in self.plan.rules.values() if r.at_spikes}
        for key, value in sets.items():
            slot = self.layout.slots[key]
            self.state[slot.buffer][slot.offset : slot.offset + slot.size] = value

    def _write(self, key: tuple[str, str], values: NDArray[Any]) -> None:
        slot = self.layout.slots[key]
        grid = self.layout.grids.get(key[0])
        ordered = np.asarray(values).ravel()
        if grid is not None and slot.size > 1 and grid.permuted:
            ordered = ordered[grid.to_memory]
        self.state[slot.buffer][slot.offset : slot.offset + slot.size] = ordered

    def _find_not_finite(self, phase: Phase) -> None:
        """Run the phase again, step by step, to say where the first value went wrong."""
        self._restore(phase)
        self.done, self.recording, self.record[:] = 0, False, False
        for step in range(phase.steps):
            self._run(1, False)
            self.done += 1
            if not finite(self.state["f"]):
                for (population, variable), slot in self.layout.slots.items():
                    if slot.buffer == "f":
                        values = self.state["f"][slot.offset : slot.offset + slot.size]
                        bad = values[~np.isfinite(values)]
                        if bad.size:
                            raise NotFinite(population, variable, phase.name, step, float(bad[0]))
                # Only sums of a maximum's places have no variable: the next step assigns the rest.
                name = next(iter(self.layout.pools), "state")
                value = float(self.state["f"][~np.isfinite(self.state["f"])][0])
                raise NotFinite(name, "sums", phase.name, step, value)


def _joined(pieces: list[NDArray[Any]]) -> NDArray[Any]:
    """Return consecutive arrays as one, without a copy where there is one only."""
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _initial_state(plan: Plan, layout: Layout) -> dict[str, NDArray[Any]]:
    state: dict[str, NDArray[Any]] = {
        # Rows are loaded whole, up to their stride: there is room behind the last.
        key: np.zeros(size + row_lanes(plan.dtype.itemsize), NUMPY[key] or plan.dtype)
        for key, size in layout.sizes.items()
    }
    state["e"] = np.zeros(layout.event_count + 64, RINGS["e"])
    state["s"] = np.zeros(layout.start_count + 1, RINGS["s"])
    for (owner, variable), slot in layout.slots.items():
        values = plan.variables(owner)[variable].initial.ravel()
        grid = layout.grids.get(owner)
        if grid is not None and slot.size > 1 and grid.permuted:
            values = values[grid.to_memory]
        state[slot.buffer][slot.offset : slot.offset + slot.size] = values
    return state
