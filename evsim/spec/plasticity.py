"""Checks of plasticity: its equations, its code, and everything that learns by it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from evsim import expressions, models, units
from evsim.errors import nearest
from evsim.expressions import ExpressionError
from evsim.models import Declared
from evsim.models.base import read_equations
from evsim.spec.faults import Faults, Scope, check_quantity, variants
from evsim.spec.neurons import CLOCK, METHODS, NOISE, built_in, moved
from evsim.spec.populations import check_drawn
from evsim.spec.schema import Plasticity, Projection
from evsim.spec.source import Path

MOMENTS = ("at_end", "every_step")
AT_SPIKES = ("on_pre", "on_post")
SYNAPTIC_CLOCK = CLOCK | {"j"}
TAKEN = {
    "w": "'w', the weight",
    "g": "'g', the direction in which weights move",
    "target": "'target', what spikes arrive in",
}
"""Names that code of synapses has already."""


@dataclass(frozen=True)
class User:
    """Something that learns by a rule.

    Attributes
    ----------
    text : for messages.
    read : names that its code may read, besides those of the rule.
    written : names of `read` that code at spikes may write.
    derived : names of `read` that follow from equations.
    """

    text: str
    read: frozenset[str]
    written: frozenset[str] = frozenset()
    derived: frozenset[str] = frozenset()


def check_plasticity(faults: Faults, scope: Scope) -> None:
    """Check the `plasticity` section, and its code for everything that learns by it."""
    network = faults.network
    library = variants(models.PLASTICITY)
    for name, rule in network.plasticity.items():
        path: Path = ("plasticity", name)
        if rule.model is not None and rule.model not in library:
            continue
        declared = _check_equations(faults, path, rule)
        _check_update(faults, path, rule)
        for moment in MOMENTS:
            for phase in getattr(rule, moment):
                if phase not in network.protocol.phases:
                    hint = nearest(phase, network.protocol.phases)
                    message = f"Unknown phase '{phase}' in plasticity '{name}'."
                    faults.add((*path, moment, phase), message, hint, key=True)
        users = list(_users(faults, scope, name, rule))
        for user in users:
            _Code(faults, path, rule, declared, user).check()
        if not users:
            _Code(faults, path, rule, declared, None).check()
        _check_use(faults, path, rule, declared)


def _check_use(faults: Faults, path: Path, rule: Plasticity, declared: dict[str, Declared]) -> None:
    """Refuse parameters of a library rule that nothing reads: they would be names misspelt."""
    if rule.model is None:
        return
    used: set[str] = set()
    texts = [code for moment in MOMENTS for code in getattr(rule, moment).values()]
    texts += [getattr(rule, moment) or "" for moment in AT_SPIKES]
    try:
        for variable in declared.values():
            used |= set(expressions.names(variable.expression)) if variable.expression else set()
        for text in texts:
            for line in expressions.assignments(text):
                used |= set(expressions.names(line.expression))
    except ExpressionError:
        return
    for name in rule.parameters:
        place = (*path, "parameters", name)
        if name not in used and faults.network.source.get(place) is not None:
            message = f"Plasticity '{path[-1]}' does not use '{name}'."
            faults.add(place, message, nearest(name, used & set(rule.parameters)), key=True)


def _check_equations(faults: Faults, path: Path, rule: Plasticity) -> dict[str, Declared]:
    """Check equations, parameters and start values; return the variables that are declared."""
    declared, errors = read_equations(rule.equations)
    own = faults.network.source.get((*path, "equations")) is not None
    place = (*path, "equations") if own else (*path, "model")
    for name, variable in declared.items():
        meaning = built_in(name)
        if meaning is None and name in rule.parameters:
            meaning = f"a parameter of plasticity '{path[-1]}'"
        meaning = meaning or TAKEN.get(name)
        if meaning:
            message = f"variable '{name}' would hide {meaning}"
            hint = "choose another name"
            errors.append(ExpressionError(message, variable.column, variable.line, hint))
    for error in errors:
        faults.inside(place, rule.equations, error)
    if rule.method is not None and rule.method not in METHODS:
        faults.unknown((*path, "method"), "integration method", rule.method, METHODS)
    replaced = _replaced(faults, path, rule)
    for name, text in rule.parameters.items():
        if faults.network.source.get((*path, "parameters", name)) is None:
            continue
        if meaning := built_in(name):
            message = f"Parameter '{name}' would hide {meaning}."
            faults.add((*path, "parameters", name), message, "choose another name", key=True)
        check_quantity(faults, (*path, "parameters", name), text, replaced.get(name))
    for name, text in rule.init.items():
        place = (*path, "init", name)
        if name not in declared:
            message = f"The synapses of plasticity '{path[-1]}' have no variable '{name}'."
            faults.add(place, message, nearest(name, declared), key=True)
        elif faults.network.source.get(place) is not None:
            check_drawn(faults, place, text, declared[name].unit_text, ("N",))
    return declared


def _replaced(faults: Faults, path: Path, rule: Plasticity) -> Mapping[str, str]:
    """Return the library's parameters whose unit is known, where its code is unchanged."""
    code = ("equations", *MOMENTS, *AT_SPIKES)
    if rule.model is None or any(faults.network.source.get((*path, field)) for field in code):
        return {}
    model = models.plasticity_model(rule.model)
    return {name: t for name, t in model.parameters.items() if name not in model.like_weight}


def _check_update(faults: Faults, path: Path, rule: Plasticity) -> None:
    """Check that a rule has code, and says how `g` moves weights where code adds to it."""
    if not (rule.at_end or rule.every_step or rule.on_pre or rule.on_post):
        hint = "give `on_pre`, `on_post`, `at_end` or `every_step`"
        faults.add(path, f"Plasticity '{path[-1]}' has no code.", hint, key=True)
        return
    gathers = bool(rule.at_end or rule.every_step) or "g" in assigned(rule)
    if gathers and rule.update is None:
        message = f"Plasticity '{path[-1]}' adds to `g` but does not say how g moves the weights."
        faults.add(path, message, "add `update: {rate: ...}`", key=True)
    if rule.update is None:
        return
    if not gathers:
        message = f"No code of plasticity '{path[-1]}' adds to `g`: nothing is left to update."
        faults.add((*path, "update"), message, "leave `update` out", key=True)
    if rule.update.rule == "adam" and rule.update.momentum:
        hint = "leave it out, or write `rule: sgd`"
        faults.add((*path, "update", "momentum"), "Adam has no momentum to set.", hint, key=True)
    if rule.update.schedule.cosine is not None and rule.update.schedule.step is not None:
        faults.add((*path, "update", "schedule"), "A schedule is either `cosine` or `step`.")


def assigned(rule: Plasticity) -> set[str]:
    """Return the names that code at spikes assigns to, as far as it can be read."""
    found: set[str] = set()
    for text in (rule.on_pre, rule.on_post):
        try:
            found |= {line.target for line in expressions.assignments(text or "")}
        except ExpressionError:
            continue
    return found


def _users(faults: Faults, scope: Scope, name: str, rule: Plasticity) -> Iterator[User]:
    """Yield what learns by a rule, as far as its names are known; note what cannot."""
    network = faults.network
    for index, projection in enumerate(network.projections):
        if projection.learn == name:
            _check_projection(faults, scope, ("projections", index), projection, rule)
            source, target = projection.from_.partition(".")[0], projection.to.partition(".")[0]
            if source in scope.variables and target in scope.variables:
                ends = (("pre", scope.variables[source]), ("post", scope.variables[target]))
                read = {f"{v}_{side}" for side, own in ends for v in own} | {"w"}
                written = {f"{v}_{side}" for side, own in ends for v in _writable(own)}
                derived = {f"{v}_{side}" for side, own in ends for v in _derived(own)}
                user = f"projection '{projection.name}'"
                yield User(user, frozenset(read), frozenset(written), frozenset(derived))
    for population, declared in network.populations.items():
        for variable in (v for v, learn in declared.learn.items() if learn == name):
            if rule.on_pre or rule.on_post or rule.equations:
                message = f"Plasticity '{name}' has code of synapses, '{variable}' is a neuron's."
                faults.add(("populations", population, "learn", variable), message)
            elif population in scope.variables:
                user = f"'{population}.{variable}'"
                own = scope.variables[population]
                yield User(user, frozenset(own), derived=frozenset(_derived(own)))


def _derived(variables: dict[str, Declared]) -> list[str]:
    return [name for name, declared in variables.items() if declared.kind == "subexpression"]


def _writable(variables: dict[str, Declared]) -> list[str]:
    return [
        name
        for name, declared in variables.items()
        if declared.kind != "subexpression" and not {"constant", "shared"} & declared.flags
    ]


def _check_projection(
    faults: Faults, scope: Scope, path: Path, projection: Projection, rule: Plasticity
) -> None:
    """Check that a projection can run a rule's code at spikes."""
    if not (rule.on_pre or rule.on_post or rule.equations):
        return
    if projection.sends == "value":
        message = "A projection that sends values has no spikes at which code could run."
        faults.add((*path, "learn"), message, "leave `sends: value` out")
    target = projection.to.partition(".")[0]
    if rule.on_post and target in scope.variables and not scope.spiking(target):
        message = f"Population '{target}' sends no spikes: `on_post` would never run."
        faults.add((*path, "learn"), message, "give its neuron a `threshold`")


class _Code:
    """All code of one rule, for one user of it or, without, as far as names are the rule's own."""

    def __init__(
        self,
        faults: Faults,
        path: Path,
        rule: Plasticity,
        declared: dict[str, Declared],
        user: User | None,
    ):
        self.faults, self.path, self.rule, self.declared = faults, path, rule, declared
        self.user = user
        constants = faults.network.protocol.constants
        self.fixed = {*rule.parameters, *constants, *(user.read if user else ())}

    def check(self) -> None:
        for name, variable in self.declared.items():
            if variable.expression:
                self._equation(name, variable)
        for moment in MOMENTS:
            for phase, code in getattr(self.rule, moment).items():
                self._block((moment, phase), code, {"g"})
        for moment in AT_SPIKES:
            code = getattr(self.rule, moment)
            if code:
                own = {n for n, v in self.declared.items() if v.kind != "subexpression"}
                own |= self.user.written if self.user else set()
                own |= {"g", "w"} | ({"target"} if moment == "on_pre" else set())
                self._block((moment,), code, own)

    def _equation(self, name: str, variable: Declared) -> None:
        try:
            expressions.check(variable.expression, expressions.CODE_FUNCTIONS)
            for used, at in expressions.names(variable.expression).items():
                if not NOISE.match(used):
                    self._require(used, at, 0, {"w", *self.declared})
        except ExpressionError as error:
            start, line = variable.expression_column, variable.expression_line
            self._note(
                "equations", self.rule.equations, moved(error, variable.expression, line, start)
            )

    def _block(self, place: tuple[str, ...], code: str, writable: Collection[str]) -> None:
        try:
            expressions.check_code(code)
            local: set[str] = set()
            for line in expressions.assignments(code):
                for name, at in expressions.names(line.expression).items():
                    known = {*writable, *local, *self.declared}
                    self._require(name, at + line.expression_column, line.line, known)
                    if place[0] in MOMENTS and self.user and name in self.user.derived:
                        message = f"'{name}' follows from its equation: this code cannot read it"
                        hint = "read what it follows from"
                        raise ExpressionError(message, at + line.expression_column, line.line, hint)
                if line.target not in writable:
                    self._refuse(line.target, line.column, line.line, writable)
                    if line.operator != "=":
                        self._require(line.target, line.column, line.line, local)
                    local.add(line.target)
        except ExpressionError as error:
            self._note(place, code, error)

    def _refuse(self, name: str, column: int, line: int, writable: Collection[str]) -> None:
        """Refuse to assign a name that is not a local of the code."""
        known = name in self.fixed or name in self.declared or name == "w"
        if not known and not built_in(name) and name != "target":
            return
        message = f"plasticity code adds to `g`; it cannot assign '{name}'"
        if len(writable) > 1:
            message = f"this code cannot assign '{name}'"
        raise ExpressionError(message, column, line)

    def _require(self, name: str, column: int, line: int, known: Collection[str]) -> None:
        """Refuse a name that stands for nothing."""
        defined = {*self.fixed, *known, *SYNAPTIC_CLOCK}
        unit = name in units.UNITS or name in units.CONSTANTS
        if self.user is not None and name not in defined and not unit:
            hint = nearest(name, {*self.fixed, *known})
            raise ExpressionError(f"{self.user.text} has no '{name}'", column, line, hint)

    def _note(self, place: str | tuple[str, ...], text: str, error: ExpressionError) -> None:
        path = (*self.path, *((place,) if isinstance(place, str) else place))
        if self.faults.network.source.get(path) is None:
            message = f"In the library's rule: {error.message}."
            self.faults.add((*self.path, "model"), message, error.hint)
        else:
            self.faults.inside(path, text, error)
