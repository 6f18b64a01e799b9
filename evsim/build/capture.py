"""Take from Brian2 what it hands to a device: resolved code, variables and templates.

A device that records replaces Brian2's for the time in which a network prepares its objects.
Nothing is compiled and no state is touched. `make_statements` then gives the same scalar and
vector statements that Brian2's own targets render.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import brian2
import numpy as np
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.codegen.translation import make_statements
from brian2.core.functions import Function
from brian2.core.variables import (
    ArrayVariable,
    AuxiliaryVariable,
    Constant,
    Subexpression,
)
from brian2.devices.device import RuntimeDevice
from brian2.utils.stringtools import get_identifiers

from evsim.build.brian2_compat import CONSTANTS, COUNTS, in_order, whole
from evsim.build.code import Block, Kind, Statement, Symbol
from evsim.build.draws import kind_of, name_draws
from evsim.build.integration import kept_integration

TEMPLATES = frozenset({"stateupdate", "threshold", "reset", "synapses", "summed_variable"})
QUEUES = frozenset({"synapses_initialise_queue", "synapses_push_spikes"})
"""Templates without code of the network's: what engines do in their own way."""

CLOCK = {"t": "t", "dt": "dt", "timestep": "t_in_timesteps"}
"""Variables of Brian2's clock, and what code calls them."""


class Unsupported(Exception):
    """A Brian2 object needs code that cannot be captured; the text names the object."""


class _Described:
    """Stands for a code object that is never run."""

    def before_run(self) -> None:
        """Do nothing."""


class _Recorder(RuntimeDevice):  # type: ignore[misc]
    """Brian2's runtime device, except that code objects are described.

    `compiles` says whether they are compiled, too.
    """

    def __init__(self, base: RuntimeDevice, compiles: bool, calls: Mapping[str, str]):
        self.__dict__ = base.__dict__
        self.recorded: list[dict[str, Any]] = []
        self.compiles = compiles
        self.calls = calls

    def code_object(self, **description: Any) -> Any:
        for name, call in self.calls.items():
            _replace_call(description, name, call)
        description["draws"] = name_draws(description, COUNTS)
        self.recorded.append(description)
        if not self.compiles:
            return _Described()
        return super().code_object(**{k: v for k, v in description.items() if k != "draws"})

    def code_object_class(self, *args: Any, **keywords: Any) -> Any:
        """Spare the search for a compiler where no target ever sees the code."""
        if self.compiles:
            return super().code_object_class(*args, **keywords)
        return NumpyCodeObject


def _replace_call(description: dict[str, Any], name: str, call: str) -> None:
    """Write `call` in place of every `name()`."""
    code = description["abstract_code"]
    pattern = re.compile(rf"\b{name}\s*\(\s*\)")
    if isinstance(code, str):
        description["abstract_code"] = pattern.sub(call, code)
    else:
        description["abstract_code"] = {b: pattern.sub(call, text) for b, text in code.items()}


@contextmanager
def _recording(compiles: bool, calls: Mapping[str, str] | None = None) -> Iterator[_Recorder]:
    devices = sys.modules["brian2.devices.device"]
    active = devices.active_device
    recorder = _Recorder(active, compiles, calls or {})
    devices.active_device = recorder  # type: ignore[attr-defined]
    try:
        with kept_integration():
            yield recorder
    finally:
        devices.active_device = active  # type: ignore[attr-defined]
        for name in ("recorded", "compiles", "calls"):
            active.__dict__.pop(name, None)


def prepare(objects: Sequence[Any]) -> list[tuple[Any, list[str]]]:
    """Let Brian2 generate objects' code; return them in its order, with what they draw.

    The second item of a pair names the variables of `draws.name_draws` in the object's code.
    """
    found = []
    with _recording(compiles=True) as recorder:
        for item in in_order(objects):
            recorder.recorded.clear()
            item.before_run({})
            found.append((item, [d for r in recorder.recorded for d in r["draws"]]))
    return found


def capture(
    objects: Sequence[Any],
    failed: Callable[[str, Exception], None] | None = None,
    namespace: Mapping[str, Any] | None = None,
    calls: Mapping[str, str] | None = None,
) -> list[Block]:
    """Return the code of Brian2 objects in the order of Brian2's schedule.

    Parameters
    ----------
    objects : groups with everything they contain.
    namespace : of names that the objects' own namespaces leave open.
    calls : function without arguments -> call that stands for it.
    failed : called with an object's name and the error where Brian2 refuses its code; without it
        the error is raised.

    Raises
    ------
    Unsupported : an object uses a template that cannot be lowered.
    """
    blocks = []
    with _recording(compiles=False, calls=calls) as recorder:
        for item in in_order(objects):
            recorder.recorded.clear()
            try:
                item.before_run(dict(namespace or {}))
            except Exception as error:
                if failed is None:
                    raise
                failed(item.name, error)
                continue
            finally:
                # Synaptic pathways keep this one for good: a script may still run them.
                if hasattr(item, "_pushspikes_codeobj"):
                    item._pushspikes_codeobj = None
            blocks += [
                _block(item, description)
                for description in recorder.recorded
                if description["template_name"] not in QUEUES
            ]
    return blocks


def _block(item: Any, description: Mapping[str, Any]) -> Block:
    template = description["template_name"]
    if template not in TEMPLATES:
        raise Unsupported(f"'{item.name}' needs Brian2's template `{template}`")
    variables, indices = description["variables"], description["variable_indices"]
    code = description["abstract_code"]
    code = code if isinstance(code, str) else "\n".join(code.values())
    scalar, vector = make_statements(code, variables, np.float64, optimise=True, blockname="")
    statements = (*map(_statement, scalar), *map(_statement, vector))
    override = description.get("override_conditional_write") or ()
    keywords = description.get("template_kwds") or {}
    owner = description["owner"]
    names = {name for s in statements for name in (s.var, *get_identifiers(s.expr))}
    written = {s.var for s in statements if s.op != ":="}
    guards = _guards(written, variables, set(override))
    symbols = {
        name: _symbol(name, statements, variables, indices, owner)
        for name in sorted({*names, *guards.values()})
    }
    return Block(
        name=item.name,
        owner=whole(owner).name,
        when=item.when,
        order=item.order,
        template=template,
        code=code.strip(),
        scalar=tuple(map(_statement, scalar)),
        vector=tuple(map(_statement, vector)),
        symbols=symbols,
        guards=guards,
        refractory=bool(keywords.get("_uses_refractory")),
        event=_event(keywords),
        sums=_sums(keywords),
        part=(owner.start, owner.stop) if isinstance(owner, brian2.Subgroup) else None,
    )


def _event(keywords: Mapping[str, Any]) -> str:
    """Return the event of a threshold or reset, after which Brian2 names the list `_EVENTspace`."""
    space = keywords.get("eventspace_variable")
    return "spike" if space is None else space.name.removeprefix("_").removesuffix("space")


def _sums(keywords: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return where a sum over synapses goes: side and variable."""
    target, index = keywords.get("_target_var"), keywords.get("_index_var")
    if target is None or index is None:
        return None
    return ("pre" if index.name == "_synaptic_pre" else "post"), target.name


def _guards(written: set[str], variables: Mapping[str, Any], override: set[str]) -> dict[str, str]:
    """Conditional writes stand in the variable, not in the statements."""
    guards = {}
    for name in sorted(written):
        condition = getattr(variables.get(name), "conditional_write", None)
        if condition is not None and condition.name not in override:
            guards[name] = condition.name
    return guards


def _kind(dtype: Any) -> Kind:
    if np.issubdtype(dtype, np.bool_) or dtype is bool:
        return "boolean"
    return "integer" if np.issubdtype(dtype, np.integer) else "float"


def _statement(statement: Any) -> Statement:
    kind = _kind(statement.dtype)
    cases = (statement.boolean_simplified_expressions or {}) if kind == "float" else {}
    return Statement(
        var=statement.var,
        op=statement.op,
        expr=statement.expr,
        kind=kind,
        shared=bool(statement.scalar),
        cases=tuple((tuple(sorted(given)), expr) for given, expr in cases.items()),
    )


def _symbol(
    name: str,
    statements: Sequence[Statement],
    variables: Mapping[str, Any],
    indices: Mapping[str, str],
    owner: Any,
) -> Symbol:
    variable = variables.get(name)
    if variable is None or isinstance(variable, AuxiliaryVariable | Subexpression):
        for statement in statements:
            if statement.var == name:
                return Symbol("local", name, kind=statement.kind, shared=statement.shared)
        if name in CONSTANTS or name in ("True", "False", "inf"):
            value = {"True": True, "False": False}.get(name, getattr(np, name, None))
            return Symbol("literal", name, value=value, kind=_kind(type(value)), shared=True)
        return Symbol("function", name)
    if isinstance(variable, brian2.TimedArray):
        return Symbol("array", name)
    if isinstance(variable, Function):
        return Symbol("function", name)
    if kind_of(name):
        return Symbol("random", name)
    kind = _kind(variable.dtype)
    if isinstance(variable, Constant):
        return Symbol("literal", name, kind=kind, shared=True, value=variable.get_value())
    if not isinstance(variable, ArrayVariable):
        raise Unsupported(f"variable '{name}' has the unknown type {type(variable).__name__}")
    if variable.name in CLOCK and hasattr(variable.owner, "dt_"):
        return Symbol("clock", CLOCK[variable.name], kind=kind, shared=True)
    side = {"_presynaptic_idx": "pre", "_postsynaptic_idx": "post"}.get(indices[name], "")
    if variable.name == "i" and variable.read_only:
        if side:
            return Symbol("state", f"_synaptic_{side}", kind="integer")
        return Symbol("index", "i", kind="integer")
    if variable.scalar and isinstance(owner, brian2.Synapses):
        # Brian2 gives what is shared no index, and nested equations leave no suffix to tell.
        groups = {"": owner, "post": owner.target, "pre": owner.source}
        side = next(s for s, group in groups.items() if whole(group).name == variable.owner.name)
    return Symbol("state", variable.name, side, kind, bool(variable.scalar))
