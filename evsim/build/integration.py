"""Code by which Brian2 integrates equations, kept on disk: to derive it takes seconds.

What Brian2 derives depends on the equations, on the method, and on what the names in them are; not
on the values of variables. All of that, and the versions at work, names the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import brian2
import sympy
from brian2.core.functions import Function
from brian2.core.variables import Constant, Subexpression
from brian2.stateupdaters.base import StateUpdateMethod

from evsim.cache import cache_folder, keep

METHODS = frozenset(
    {"exact", "linear", "exponential_euler", "euler", "rk2", "rk4", "heun", "milstein"}
)
"""Methods of Brian2's own that give text."""


@contextmanager
def kept_integration() -> Iterator[None]:
    """Let Brian2 take integrations from disk, and leave new ones there."""
    derive = StateUpdateMethod.__dict__["apply_stateupdater"]
    StateUpdateMethod.apply_stateupdater = staticmethod(_kept(derive.__func__))
    try:
        yield
    finally:
        StateUpdateMethod.apply_stateupdater = derive


def _kept(derive: Callable[..., Any]) -> Callable[..., Any]:
    def apply(
        equations: Any,
        variables: Mapping[str, Any],
        method: Any,
        method_options: Any = None,
        group_name: str | None = None,
    ) -> Any:
        names = (method,) if isinstance(method, str) else tuple(method or ())
        if not names or not METHODS.issuperset(names):
            return derive(equations, variables, method, method_options, group_name)
        parts = [brian2.__version__, sympy.__version__, repr((names, method_options))]
        parts += [_equation(equations[name]) for name in sorted(equations)]
        dt = float(variables["dt"].get_value().item())
        parts += [_variable(name, variables[name], dt) for name in sorted(variables)]
        digest = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
        path = cache_folder("integration") / f"{digest[:32]}.txt"
        if path.exists():
            return path.read_text()
        found = derive(equations, variables, method, method_options, group_name)
        if isinstance(found, str):
            with suppress(OSError):  # A folder that cannot be written costs time, nothing else.
                keep(path, found)
        return found

    return apply


def _equation(equation: Any) -> str:
    text = (equation.varname, equation.type, str(equation.expr), equation.var_type)
    return repr((*text, tuple(equation.dim._dims), sorted(equation.flags)))


def _variable(name: str, variable: Any, dt: float) -> str:
    """Return all that the derivation may ask of what a name stands for."""
    kind = type(variable).__name__
    if isinstance(variable, Function):
        made = getattr(variable, "pyfunc", None)
        place = (getattr(made, "__module__", ""), getattr(made, "__qualname__", ""))
        constant = variable.is_locally_constant(dt)
        return repr((name, kind, *place, variable.stateless, constant))
    about = [name, kind, tuple(variable.dim._dims), str(variable.dtype)]
    about += [variable.scalar, variable.constant, variable.read_only]
    if isinstance(variable, Constant):
        about.append(variable.get_value())
    if isinstance(variable, Subexpression):
        about.append(variable.expr)
    return repr(about)
