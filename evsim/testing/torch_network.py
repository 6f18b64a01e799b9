"""The statements captured in a Plan, run with tensors (trial, channel, row, column)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evsim.build.code import Block, Statement
from evsim.build.plan import Plan, Projection
from evsim.engines.base import Delivery, schedule
from evsim.engines.traffic import is_static
from evsim.errors import EngineError
from evsim.testing import torch_layers
from evsim.testing.torch_code import assigned, evaluate, tensor
from evsim.testing.torch_layers import Layer

Key = tuple[str, str]
Names = dict[str, Any]
Inputs = Mapping[Key, NDArray[Any]]


def applies(plan: Plan) -> str | None:
    """Return why a plan has no dense code, or None."""
    for name, projection in plan.projections.items():
        kind = torch_layers.applies(projection.geometry)
        if kind is not None:
            return f"there is no dense code for {kind}, projection '{name}'"
        if projection.code is not None or any(p.longest for p in projection.pathways):
            return f"there is no dense code for delays or code of synapses, projection '{name}'"
    for block in plan.blocks:
        if block.event != "spike":
            return f"it knows spikes only, not the event of '{block.name}'"
    for name in plan.arrays:
        return f"it reads no values over time, such as the array '{name}'"
    for population in plan.populations.values():
        if population.replay is not None:
            return f"there is no dense code for spikes that are replayed, as '{population.name}'"
    if plan.streams:
        return f"there are no random numbers in it, which '{plan.streams[0][0]}' draws"
    return None


class DenseNetwork:
    """The network of a plan: neuron code, dense and convolutional projections.

    No tensor is changed in place, so that autograd can follow all of it.

    Parameters
    ----------
    folded : whether average pooling is folded into the kernels.
    dtype : of states.

    Attributes
    ----------
    state : (population, variable) -> (trial, *shape), or () where shared.
    spikes : population -> (trial, *shape), what its neurons sent last.
    trials : that run together.

    Raises
    ------
    EngineError : the plan needs more than that.
    """

    def __init__(self, plan: Plan, folded: bool = False, dtype: torch.dtype = torch.float32):
        reason = applies(plan)
        if reason is not None:
            raise EngineError(reason)
        self.plan, self.dtype, self.trials = plan, dtype, 0
        self.state: dict[Key, torch.Tensor] = {}
        self.spikes: dict[str, torch.Tensor] = {}
        self.parameters: dict[str, torch.Tensor] = {}
        self.kernels: dict[str, torch.Tensor] = {}
        self.kept: dict[str, dict[Key, torch.Tensor]] = {}
        self.layers = {name: Layer(p.geometry, folded) for name, p in plan.projections.items()}
        self.parts = schedule(plan)
        values = (p for p in plan.projections.values() if p.sends == "value")
        self.static = {p.name for p in values if is_static(plan, p)}

    def begin(self, inputs: Inputs, trials: int) -> None:
        """Start trials: start state, then `inputs` (population, variable) -> (trial, neuron)."""
        self.trials = trials
        for name, population in self.plan.populations.items():
            for key, variable in population.variables.items():
                values = np.array(inputs.get((name, key), variable.initial))
                found = torch.from_numpy(values)
                found = found.to(self.dtype) if variable.kind == "float" else found
                if not variable.shared:
                    found = found.reshape(-1, *population.shape).expand(trials, *population.shape)
                self.state[name, key] = found.clone()
        self.load(self.parameters)

    def load(self, parameters: Mapping[str, torch.Tensor]) -> None:
        """Take new values of parameters, from the next step on."""
        self.parameters = dict(parameters)
        self.kernels = {n: one.kernel(parameters[n]) for n, one in self.layers.items()}
        if not self.trials:
            return
        for name, rule in self.plan.rules.items():
            if rule.variable is not None:
                population = self.plan.populations[rule.population]
                share = population.variables[rule.variable].share
                values = _spread(self.parameters[name], population.shape, share)
                self.state[rule.population, rule.variable] = values.expand(
                    self.trials, *population.shape
                )
        self._send_values(static=True)

    def advance(self, phase: str, steps: int, first: int = 0) -> None:
        """Run `steps` steps of a phase from its step `first` on."""
        planned = self.plan.phases[phase]
        for step in range(first, first + steps):
            row = self.shared(phase, step)
            clock = {
                "t": (planned.first + step) * self.plan.dt,
                "dt": self.plan.dt,
                "t_in_timesteps": planned.first + step,
            }
            for part in self.parts:
                if isinstance(part, Block):
                    self._run(part, row, clock)
                elif isinstance(part, Delivery):
                    self._send_spikes(part)
                else:
                    self._send_values(static=False)

    def enter(self, phase: str) -> None:
        """Start a phase from the end of the one that it continues, or as `begin` left it."""
        planned = self.plan.phases[phase]
        if planned.start is not None:
            self.state = dict(self.kept[planned.start])
        for key, value in planned.sets.items():
            self.state[key] = torch.full_like(self.state[key], value)

    def leave(self, phase: str) -> None:
        """End a phase: keep its state for phases that start from it."""
        self.kept[phase] = dict(self.state)

    def run(self, phase: str) -> dict[Key, torch.Tensor]:
        """Run a whole phase; return what its learning code reads: states, or their averages."""
        planned = self.plan.phases[phase]
        last = min(planned.average_last, planned.steps)
        self.enter(phase)
        self.advance(phase, planned.steps - last)
        keys = [key for key in self.state if key[1] in planned.average]
        sums = {key: torch.zeros_like(self.state[key]) for key in keys}
        for step in range(planned.steps - last, planned.steps):
            self.advance(phase, 1, step)
            sums = {key: total + self.state[key] for key, total in sums.items()}
        self.leave(phase)
        return {**self.state, **{key: total / last for key, total in sums.items()}}

    def shared(self, phase: str, step: int) -> dict[Key, float]:
        """Return the values of the shared inputs in a step of a phase."""
        row = self.plan.phases[phase].shared.row(step).tolist()
        return dict(zip(self.plan.shared, row, strict=True))

    def _names(self, block: Block, row: Mapping[Key, float], clock: Mapping[str, Any]) -> Names:
        names: Names = {}
        for name, symbol in block.symbols.items():
            if symbol.role == "literal":
                names[name] = symbol.value
            elif symbol.role == "clock":
                names[name] = clock[symbol.variable]
            elif symbol.role == "state":
                key = (block.owner, symbol.variable)
                shared = row.get(key, row.get(("", symbol.variable)))
                names[name] = self.state.get(key) if shared is None else shared
        return names

    def _run(self, block: Block, row: Mapping[Key, float], clock: Mapping[str, Any]) -> None:
        names = self._names(block, row, clock)
        fired = self.spikes[block.owner] if block.template == "reset" else None
        for statement in (*block.scalar, *block.vector):
            self._assign(block, statement, names, fired)
        if block.template == "threshold":
            self.spikes[block.owner] = names["_cond"]
            if block.refractory:
                active = self.state[block.owner, "not_refractory"]
                self.state[block.owner, "not_refractory"] = active & ~names["_cond"]
                last = self.state[block.owner, "lastspike"]
                now = torch.tensor(clock["t"], dtype=last.dtype)
                self.state[block.owner, "lastspike"] = torch.where(names["_cond"], now, last)

    def _assign(
        self, block: Block, statement: Statement, names: Names, fired: torch.Tensor | None
    ) -> None:
        value = evaluate(statement.expr, names)
        value = assigned(statement.op, names.get(statement.var), value)
        key = (block.owner, statement.var)
        if key in self.state and block.symbols[statement.var].role == "state":
            old = self.state[key]
            value = tensor(value).to(old.dtype).expand(old.shape)
            guard = block.guards.get(statement.var)
            if guard is not None:
                value = torch.where(self.state[block.owner, guard], value, old)
            if fired is not None:
                value = torch.where(fired, value, old)
            self.state[key] = value
        names[statement.var] = value

    def _send_spikes(self, delivery: Delivery) -> None:
        p, pathway = delivery.projection, delivery.pathway
        if pathway.side == "pre":
            key = (p.target, pathway.target)
            found = self._forward(p, self.spikes[p.source].to(self.dtype))
        else:
            key = (p.source, pathway.target)
            found = self._backward(p, self.spikes[p.target].to(self.dtype))
        self.state[key] = self.state[key] + found

    def _send_values(self, static: bool) -> None:
        """Assign weighted sums of values: those that stay the same in a trial where `static`."""
        sums: dict[Key, torch.Tensor] = {}
        for p in self.plan.projections.values():
            if p.sends != "value" or (p.name in self.static) is not static:
                continue
            found = self._forward(p, self.state[p.source, p.source_variable])
            key = (p.target, p.target_variable)
            sums[key] = sums[key] + found if key in sums else found
            if p.feedback_variable:
                found = self._backward(p, self.state[p.target, p.source_variable])
                key = (p.source, p.feedback_variable)
                sums[key] = sums[key] + found if key in sums else found
        self.state |= sums

    def _forward(self, p: Projection, sent: torch.Tensor) -> torch.Tensor:
        return self.layers[p.name].forward(sent, self.kernels[p.name])

    def _backward(self, p: Projection, sent: torch.Tensor) -> torch.Tensor:
        return self.layers[p.name].backward(sent, self.kernels[p.name])


def _spread(values: torch.Tensor, shape: tuple[int, ...], share: str | None) -> torch.Tensor:
    """Return a learned variable's value for every neuron, see `evsim.build.weights.spread`."""
    if share == "channel":
        values = values.reshape(-1, *(1 for _ in shape[1:]))
    return values.expand(shape) if share else values.reshape(shape)
