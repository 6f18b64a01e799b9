"""A network as dense PyTorch code over batches of trials: what evsim's speed is compared with.

The twin runs the statements captured in a Plan with tensors (batch, channel, row, column), all
synapses in every step, in float32. Convolutions with average pooling are computed as written, or
with pooling folded into the kernel.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as nn
from numpy.typing import NDArray

from evsim.build.code import Block, Statement
from evsim.build.plan import Plan, Projection
from evsim.build.weights import spread
from evsim.engines.base import Delivery, schedule
from evsim.errors import EngineError
from evsim.projections.conv import Conv
from evsim.projections.dense import Dense

Key = tuple[str, str]

_BINARY: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def _tensor(value: Any) -> torch.Tensor:
    return value if isinstance(value, torch.Tensor) else torch.tensor(value)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "clip": lambda x, low, high: torch.clamp(_tensor(x), low, high),
    "int": lambda x: _tensor(x).to(torch.int64),
    "abs": abs,
    "exp": lambda x: torch.exp(_tensor(x)),
    "log": lambda x: torch.log(_tensor(x)),
    "sqrt": lambda x: torch.sqrt(_tensor(x)),
    "tanh": lambda x: torch.tanh(_tensor(x)),
    "sin": lambda x: torch.sin(_tensor(x)),
    "cos": lambda x: torch.cos(_tensor(x)),
    "timestep": lambda t, dt: ((_tensor(t) + 1e-3 * dt) / dt).to(torch.int64),
}


def applies(plan: Plan) -> str | None:
    """Return why a plan has no dense twin, or None."""
    for name, projection in plan.projections.items():
        if not isinstance(projection.geometry, Conv | Dense):
            pooled = " with `max` pooling" if projection.geometry.windows is not None else ""
            kind = f"`{projection.geometry.kind}`{pooled}"
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


class TorchTwin:
    """The free-running network of a plan: neuron code, dense and convolutional projections.

    Parameters
    ----------
    parameters : as in `Plan.parameters`.
    batch : trials that run together.
    folded : whether pooling is folded into the kernels.

    Raises
    ------
    EngineError : the plan needs more than that.
    """

    def __init__(
        self, plan: Plan, parameters: Mapping[str, NDArray[Any]], batch: int, folded: bool
    ):
        reason = applies(plan)
        if reason is not None:
            raise EngineError(reason)
        self.plan, self.batch, self.folded = plan, batch, folded
        self.state: dict[Key, torch.Tensor] = {}
        self.spikes: dict[str, torch.Tensor] = {}
        self.weights = {name: self._weights(p, parameters) for name, p in plan.projections.items()}
        self.learned = {
            (rule.population, rule.variable): parameters[name]
            for name, rule in plan.rules.items()
            if rule.variable is not None
        }
        self.parts = schedule(plan)

    def begin(self, inputs: Mapping[Key, NDArray[Any]]) -> None:
        """Start trials: start state, then `inputs` (population, variable) -> (batch, neuron)."""
        with torch.inference_mode():
            self._begin(inputs)

    def _begin(self, inputs: Mapping[Key, NDArray[Any]]) -> None:
        for name, population in self.plan.populations.items():
            for key, variable in population.variables.items():
                values = variable.initial
                if (name, key) in self.learned:
                    values = spread(self.learned[name, key], population.shape, variable.share)
                if (name, key) in inputs:
                    values = inputs[name, key]
                dtype = np.float32 if variable.kind == "float" else values.dtype
                tensor = torch.from_numpy(np.array(values, dtype))
                shape = () if variable.shared else (-1, *population.shape)
                tensor = tensor.reshape(shape)
                self.state[name, key] = (
                    tensor if variable.shared else tensor.expand(self.batch, *population.shape)
                ).clone()
        self._send_values(static=True)

    def advance(self, phase: str, steps: int, first: int = 0) -> None:
        """Run `steps` steps of a phase from its step `first` on."""
        with torch.inference_mode():
            self._advance(phase, steps, first)

    def _advance(self, phase: str, steps: int, first: int) -> None:
        planned = self.plan.phases[phase]
        for step in range(first, first + steps):
            row = dict(zip(self.plan.shared, planned.shared.row(step).tolist(), strict=True))
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

    def _run(self, block: Block, row: Mapping[Key, float], clock: Mapping[str, Any]) -> None:
        names: dict[str, Any] = {}
        for name, symbol in block.symbols.items():
            if symbol.role == "literal":
                names[name] = symbol.value
            elif symbol.role == "clock":
                names[name] = clock[symbol.variable]
            elif symbol.role == "state":
                key = (block.owner, symbol.variable)
                shared = row.get(key, row.get(("", symbol.variable)))
                names[name] = self.state.get(key) if shared is None else shared
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
        self,
        block: Block,
        statement: Statement,
        names: dict[str, Any],
        fired: torch.Tensor | None,
    ) -> None:
        value = _evaluate(ast.parse(statement.expr, mode="eval").body, names)
        key = (block.owner, statement.var)
        if statement.op not in (":=", "="):
            sign = {"+=": ast.Add, "-=": ast.Sub, "*=": ast.Mult, "/=": ast.Div}[statement.op]
            value = _BINARY[sign](names[statement.var], value)
        if key in self.state and block.symbols[statement.var].role == "state":
            old = self.state[key]
            value = _tensor(value).to(old.dtype).expand(old.shape)
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
            found, key = self._forward(p, self.spikes[p.source].float()), (p.target, pathway.target)
        else:
            found, key = (
                self._backward(p, self.spikes[p.target].float()),
                (p.source, pathway.target),
            )
        self.state[key] = self.state[key] + found

    def _send_values(self, static: bool) -> None:
        """Assign weighted sums of values; of populations without dynamics once a trial."""
        sums: dict[Key, torch.Tensor] = {}
        for p in self.plan.projections.values():
            fixed = self.plan.populations[p.source].neuron is None
            if p.sends != "value" or fixed is not static:
                continue
            found = self._forward(p, self.state[p.source, p.source_variable])
            key = (p.target, p.target_variable)
            sums[key] = sums[key] + found if key in sums else found
            if p.feedback_variable:
                found = self._backward(p, self.state[p.target, p.source_variable])
                key = (p.source, p.feedback_variable)
                sums[key] = sums[key] + found if key in sums else found
        self.state |= sums

    def _weights(self, p: Projection, parameters: Mapping[str, NDArray[Any]]) -> torch.Tensor:
        values = np.asarray(parameters[p.name], np.float32)
        if isinstance(p.geometry, Conv) and self.folded:
            values = p.geometry.fold(values)
        return torch.from_numpy(np.ascontiguousarray(values))

    def _forward(self, p: Projection, sent: torch.Tensor) -> torch.Tensor:
        weights, geometry = self.weights[p.name], p.geometry
        if not isinstance(geometry, Conv):
            return (sent.flatten(1) @ weights).reshape(self.batch, *geometry.target_shape)
        if self.folded:
            return nn.conv2d(sent, weights, stride=geometry.folded_stride, padding=geometry.padding)
        found = nn.conv2d(sent, weights, stride=geometry.stride, padding=geometry.padding)
        return nn.avg_pool2d(found, geometry.pool) if geometry.pool != (1, 1) else found

    def _backward(self, p: Projection, sent: torch.Tensor) -> torch.Tensor:
        weights, geometry = self.weights[p.name], p.geometry
        if not isinstance(geometry, Conv):
            return (sent.flatten(1) @ weights.T).reshape(self.batch, *geometry.source_shape)
        if self.folded:
            return _adjoint(sent, weights, geometry, geometry.folded_stride)
        if geometry.pool != (1, 1):
            window = geometry.pool[0] * geometry.pool[1]
            sent = nn.interpolate(sent, scale_factor=geometry.pool, mode="nearest") / window
        return _adjoint(sent, weights, geometry, geometry.stride)


def _adjoint(
    sent: torch.Tensor, weights: torch.Tensor, geometry: Conv, stride: tuple[int, int]
) -> torch.Tensor:
    """Return the transposed convolution, padded to the source's shape."""
    spare = [
        geometry.source_shape[1 + axis]
        - (sent.shape[2 + axis] - 1) * stride[axis]
        + 2 * geometry.padding[axis]
        - weights.shape[2 + axis]
        for axis in (0, 1)
    ]
    found = nn.conv_transpose2d(sent, weights, stride=stride, padding=geometry.padding)
    return nn.pad(found, (0, spare[1], 0, spare[0])) if any(spare) else found


def _evaluate(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return the value of a captured expression; only what Brian2's language has."""
    match node:
        case ast.Constant():
            return node.value
        case ast.Name():
            return names[node.id]
        case ast.BinOp():
            return _BINARY[type(node.op)](_evaluate(node.left, names), _evaluate(node.right, names))
        case ast.Compare():
            return _BINARY[type(node.ops[0])](
                _evaluate(node.left, names), _evaluate(node.comparators[0], names)
            )
        case ast.UnaryOp():
            value = _evaluate(node.operand, names)
            return ~value if isinstance(node.op, ast.Not) else -value
        case ast.BoolOp():
            first, *others = (_evaluate(value, names) for value in node.values)
            for other in others:
                first = first & other if isinstance(node.op, ast.And) else first | other
            return first
        case ast.Call(func=ast.Name(id=name)):
            return _FUNCTIONS[name](*(_evaluate(argument, names) for argument in node.args))
    raise ValueError(f"the twin has no `{ast.unparse(node)}`")
