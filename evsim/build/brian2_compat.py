"""Every touch of Brian2's objects and internals outside code capture.

Written against Brian2 2.9 to 2.11. Groups get an explicit namespace, so that nothing is looked up
in the frames of callers.
"""

from __future__ import annotations

import importlib
import logging
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

if "pylab" not in sys.modules:
    # Brian2 imports it for interactive use, which takes as long as the rest; it can do without.
    sys.modules["pylab"] = None  # type: ignore[assignment]
    import brian2

    del sys.modules["pylab"]
import brian2
import numpy as np
import sympy
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.core.functions import DEFAULT_CONSTANTS, DEFAULT_FUNCTIONS, Function
from brian2.core.variables import Constant, Subexpression
from brian2.parsing.rendering import NumpyNodeRenderer
from brian2.parsing.sympytools import str_to_sympy
from brian2.units.fundamentalunits import get_or_create_dimension
from brian2.utils.stringtools import get_identifiers
from numpy.typing import NDArray

from evsim import units
from evsim.build.code import Kind, NeuronCode, SynapseCode, TimedValues, Variable
from evsim.syntax import blank_comments

brian2.BrianLogger.suppress_hierarchy("brian2.stateupdaters.base")
logging.getLogger("brian2").setLevel(logging.ERROR)
if sys.excepthook.__module__.startswith("brian2"):
    # Brian2 would call every error that ends a script its own.
    sys.excepthook = sys.__excepthook__

BASE_UNITS = ("metre", "kilogram", "second", "amp", "kelvin", "mole", "candela")
FUNCTIONS = frozenset(DEFAULT_FUNCTIONS)
CONSTANTS = frozenset(DEFAULT_CONSTANTS)
RANDOM = frozenset({"rand", "randn", "poisson", "binomial"})
# Little optimisation, for a compiler spends far longer on such code than the code runs; none would
# leave whole powers to the C library, which rounds some of them otherwise.
STRICT_FLAGS = ["-w", "-O1", "-ffp-contract=off", "-std=c++11"]
_strict_modules: dict[Any, Any] = {}
_preferences = threading.RLock()
"""Brian2's preferences are global: one thread changes them at a time."""


def _undefined(*arguments: Any) -> Any:
    raise NotImplementedError("what runs the code says how it is computed")


COUNTS = {
    name: Function(_undefined, arg_units=[1] * count, return_unit=1, return_type="integer")
    for name, count in (("_poisson_at", 2), ("_binomial_at", 3))
}
"""Functions of a chance and of the arguments of `poisson` or `binomial`, see `draws`."""

BINOMIAL = Function(
    _undefined,
    arg_units=[1, 1],
    return_unit=1,
    return_type="integer",
    stateless=False,
    auto_vectorise=True,
)
"""`binomial(n, p)` as code calls it; Brian2's own has an n and a p that are fixed beforehand."""


def quantity(value: float | NDArray[np.float64], dimensions: tuple[float, ...]) -> Any:
    """Return a Brian2 quantity from an SI value and its dimensions."""
    return brian2.Quantity(value, dim=get_or_create_dimension(list(dimensions)))


def unit_text(dimensions: Iterable[float]) -> str:
    """Return dimensions as a product of base units that Brian2's equations accept.

    Examples
    --------
    >>> unit_text((0, 0, 1, 0, 0, 0, 0))
    'second**1'
    """
    powers = [
        f"{unit}**{power:g}" for unit, power in zip(BASE_UNITS, dimensions, strict=True) if power
    ]
    return "*".join(powers) or "1"


def dimensions_of(variable: Any) -> tuple[float, ...]:
    """Return the seven exponents of a Brian2 variable or quantity."""
    return tuple(float(d) for d in variable.dim._dims)


def identifiers(*texts: str | None) -> set[str]:
    """Return every name that occurs in code or equations, outside of comments."""
    return {name for text in texts if text for name in get_identifiers(blank_comments(text))}


def random_names(names: set[str]) -> set[str]:
    """Return those of the names that stand for random numbers: functions and the noise `xi`."""
    return {name for name in names if name in RANDOM or name == "xi" or name.startswith("xi_")}


def clock(dt: float, name: str) -> Any:
    """Return a clock with steps of `dt` seconds."""
    return brian2.Clock(dt=dt * brian2.second, name=name)


def in_order(objects: Iterable[Any]) -> list[Any]:
    """Return active objects and what they contain in the order of Brian2's schedule.

    Those that a network has run already are welcome, unlike in Brian2's `Network.add`.
    """
    network = brian2.Network()
    network.objects.update(objects)
    return [item for item in network.sorted_objects if item.active]


def whole(group: Any) -> Any:
    """Return the group that a subgroup is a part of, or the group itself."""
    return group.source if isinstance(group, brian2.Subgroup) else group


def equations_text(code: NeuronCode, extra: Iterable[str] = ()) -> str:
    """Return the equations with protocol constants as shared variables."""
    drives = [f"{name} : {unit_text(dims)} (shared)" for name, dims in code.drives.items()]
    return "\n".join([code.equations, *drives, *extra])


def declaration(variable: Variable) -> str:
    """Return the line of Brian2 equations that declares a variable."""
    unit = variable.unit if variable.kind == "float" else variable.kind
    return f"{variable.name} : {unit}" + (" (shared)" if variable.shared else "")


def time_resolution(dt: float, step: float) -> tuple[float, int]:
    """Return `epsilon` and `finer` of `TimedValues` for a clock of `step` seconds.

    Compiled code of Brian2 has `dt` with 18 decimals.
    """
    finer = importlib.import_module("brian2.input.timedarray")._find_K(step, dt)
    return float(f"{dt:.18f}") / finer, finer


def timed_array(array: TimedValues) -> Any:
    """Return Brian2's TimedArray of an array."""
    values = quantity(array.values, array.dimensions)
    return brian2.TimedArray(values, dt=array.dt * brian2.second, name=f"array_{array.name}")


def neuron_group(
    name: str, size: int, code: NeuronCode, clock: Any, extra: Iterable[str] = ()
) -> Any:
    """Return the NeuronGroup of a population, with its `run` code in Brian2's slots.

    `extra` lines are added to the equations.
    """
    group = brian2.NeuronGroup(
        size,
        equations_text(code, extra),
        threshold=code.threshold,
        reset=code.reset,
        refractory=_refractory(code),
        clock=clock,
        name=name,
        namespace={
            "binomial": BINOMIAL,
            **namespace(code.namespace),
            **{name: timed_array(array) for name, array in code.arrays.items()},
        },
        events=dict(code.events),
        **({"method": code.method} if code.method else {}),
    )
    for event, text in code.on_event.items():
        group.run_on_event(event, text)
    if group.subexpression_updater is not None:
        # Brian2 numbers this name by what else it has made; streams are named by it.
        group.subexpression_updater._name = f"{name}_subexpression_update"
    for slot, text in code.run.items():
        group.run_regularly(text, when=slot, clock=clock, name=f"{name}_{slot}")
    return group


def senders(name: str, size: int, clock: Any) -> Any:
    """Return a group of neurons that have nothing but spikes, to be connected."""
    return brian2.NeuronGroup(size, "", threshold="False", clock=clock, name=name, namespace={})


def synapses(name: str, code: SynapseCode, source: Any, target: Any, clock: Any) -> Any:
    """Return the Synapses of a projection's code, with the pathways `pre` and `post`.

    They connect nothing yet.
    """
    drives = [f"{key} : {unit_text(dims)} (shared)" for key, dims in code.drives.items()]
    made = brian2.Synapses(
        source,
        target,
        "\n".join([code.equations, *drives]),
        on_pre=code.on_pre,
        on_post=code.on_post,
        clock=clock,
        name=name,
        namespace=namespace(code.namespace),
        **({"method": code.method} if code.method else {}),
    )
    mark_connected(made)
    return made


def kind_of(variable: Any) -> Kind:
    """Return the type of a Brian2 variable's values."""
    if variable.is_boolean:
        return "boolean"
    return "integer" if variable.is_integer else "float"


def is_derived(group: Any, name: str) -> bool:
    """Whether a group's variable follows from an equation and is no state."""
    return isinstance(group.variables.get(name), Subexpression)


def expanded(group: Any, name: str) -> tuple[str, dict[str, Any]]:
    """Return a subexpression as NumPy code in terms of what is no subexpression itself.

    Returns
    -------
    code, symbols : name -> its function, its value where it is fixed, or None.
    """
    text = group.variables[name].expr
    while nested := {n for n in get_identifiers(text) if is_derived(group, n)}:
        pattern = rf"\b({'|'.join(map(re.escape, nested))})\b"
        text = re.sub(pattern, lambda found: f"({group.variables[found[0]].expr})", text)
    symbols: dict[str, Any] = {}
    for key, variable in group.resolve_all(get_identifiers(text), run_namespace={}).items():
        if isinstance(variable, Function):
            try:
                symbols[key] = variable.implementations[NumpyCodeGenerator].get_code(group)
            except KeyError:
                symbols[key] = variable.pyfunc
        else:
            symbols[key] = variable.get_value() if isinstance(variable, Constant) else None
    return NumpyNodeRenderer().render_expr(text), symbols


def check_method(group: Any, code: NeuronCode) -> None:
    """Refuse what Brian2's exponential Euler would integrate without a part of an equation.

    It takes `v - v**2` for linear in v, since the expression has two powers of v, and drops v**2.

    Raises
    ------
    ValueError : naming the variable.
    """
    if code.method != "exponential_euler":
        return
    for name, expression in group.equations.get_substituted_expressions(group.variables):
        symbol = sympy.Symbol(name, real=True)
        expanded = str_to_sympy(expression.code, group.variables).expand()
        if set(sympy.collect(expanded, symbol, evaluate=False)) - {symbol, sympy.S.One}:
            raise ValueError(
                f"The equation of '{name}' is not linear in '{name}', "
                "as the method exponential_euler needs it"
            )


def mark_connected(synapses: Any) -> None:
    """Let Brian2 prepare the code of Synapses that have no synapse and never run."""
    synapses._connect_called = True


def namespace(values: Mapping[str, tuple[float, tuple[float, ...]]]) -> dict[str, Any]:
    """Return Brian2's namespace for constants given as (SI value, dimensions)."""
    return {name: quantity(value, dims) for name, (value, dims) in values.items()}


def _refractory(code: NeuronCode) -> Any:
    if code.refractory is None:
        return False
    try:
        return units.parse(code.refractory, unit="second").value * brian2.second
    except ValueError:
        return code.refractory


_UNRESOLVED = re.compile(r"[Tt]he identifier [\"']?(\w+)[\"']? could not be resolved")


def culprit(error: BaseException) -> str | None:
    """Return the name that Brian2's error is about, where it names one."""
    chain: BaseException | None = error
    while chain is not None:
        found = _UNRESOLVED.search(str(chain))
        if found:
            return found.group(1)
        chain = chain.__cause__
    return None


def message(error: BaseException) -> str:
    """Return the innermost text of an error that Brian2 wrapped."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error.args[0]) if error.args else str(error)
    return " ".join(text.split()).rstrip(".") + "."


Target = Literal["numpy", "cython", "strict"]


@contextmanager
def code_target(target: Target) -> Iterator[None]:
    """Let Brian2 generate code for a target while objects are prepared.

    "cython" takes Brian2's own compiler flags, which reassociate sums. "strict" compiles what the
    statements say, operation by operation: the build that engines are compared with bit by bit.
    """
    manager = importlib.import_module("brian2.codegen.runtime.cython_rt.extension_manager")
    with _preferences:
        compiled = manager.cython_extension_manager
        changed: dict[str, Any] = {"codegen.target": "numpy" if target == "numpy" else "cython"}
        modules = compiled._code_cache
        if target == "strict":
            changed["codegen.cpp.extra_compile_args_gcc"] = STRICT_FLAGS
            changed["codegen.runtime.cython.cache_dir"] = f"{manager.get_cython_cache_dir()}_strict"
            # Brian2 finds compiled modules by their code alone, whatever their flags.
            compiled._code_cache = _strict_modules
        before = {name: brian2.prefs[name] for name in changed}
        try:
            for name, value in changed.items():
                brian2.prefs[name] = value
            yield
        finally:
            for name, value in before.items():
                brian2.prefs[name] = value
            compiled._code_cache = modules


def has_compiler() -> bool:
    """Whether Brian2's Cython target works here."""
    module = importlib.import_module("brian2.codegen.runtime.cython_rt.cython_rt")
    with code_target("cython"):
        return bool(module.CythonCodeObject.is_available())


def set_clock(clock: Any, step: int) -> None:
    """Set a clock to the start of a step, as Brian2 does between steps."""
    clock.variables["timestep"].set_value(step)
    clock.variables["t"].set_value(step * clock.dt_)


def set_delay(pathway: Any, seconds: Any) -> None:
    """Set the delay of a pathway's synapses: (synapse,) or one for all, whole steps."""
    count = len(pathway.synapses)
    pathway._delays.set_value(np.broadcast_to(seconds, (count,)).copy())


def connect(synapses: Any, pre: Any, post: Any) -> None:
    """Make one synapse per pair of indices, in their order; there may be none."""
    mark_connected(synapses)
    if len(pre):
        with code_target("numpy"):
            synapses.connect(i=pre, j=post)
