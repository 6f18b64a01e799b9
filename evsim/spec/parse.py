"""Read a network file: text to `Source` to `Network`, with every fault at its place."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from evsim.errors import Fault, InputError, Mark, SpecError, nearest
from evsim.models import plasticity_model
from evsim.spec.check import check
from evsim.spec.faults import sentence
from evsim.spec.schema import Network, Plasticity
from evsim.spec.source import Path, Source
from evsim.spec.types import Section
from evsim.units import shorten

_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "`true` or `false`",
    "dict_type": "a section (`key: value`)",
    "model_type": "a section (`key: value`)",
    "tuple_type": "a list",
}


def parse(path: str | FilePath, overrides: Iterable[str] = ()) -> Network:
    """Read and check a network file.

    Parameters
    ----------
    path : of the YAML file.
    overrides : texts `a.b.c=VALUE` that replace fields of the file.

    Raises
    ------
    SpecError : with every fault of the file, in its order.
    """
    return parse_source(Source.from_file(path, overrides))


def parse_text(text: str, name: str = "<text>", overrides: Iterable[str] = ()) -> Network:
    """Read and check a network from text; `name` stands for the file in messages.

    Raises
    ------
    SpecError : with every fault of the text, in its order.
    """
    return parse_source(Source.from_text(text, name, overrides))


def parse_source(source: Source) -> Network:
    """Return the network that `source` describes.

    Raises
    ------
    SpecError : with every fault of the source, in its order.
    """
    if not isinstance(source.data, dict):
        mark = source.mark()
        message = "A network file is a section of `key: value` entries."
        raise SpecError(Fault(message, mark, source.excerpt(mark)))
    try:
        network = Network.model_validate(_frozen(source.data))
    except ValidationError as error:
        raise SpecError(in_file_order(_faults(source, error))) from None
    network._source = source
    network, faults = _with_library_rules(network)
    faults += check(network)
    if faults:
        raise SpecError(in_file_order(faults))
    return network


def in_file_order(faults: Iterable[Fault]) -> list[Fault]:
    """Return the faults without repetitions, by line and column; overrides come last."""
    unique: dict[tuple[Mark | None, str], Fault] = {}
    for fault in faults:
        unique.setdefault((fault.mark, fault.message), fault)
    return sorted(unique.values(), key=lambda fault: _position(fault.mark))


def _position(mark: Mark | None) -> tuple[bool, int, int]:
    return (True, 0, 0) if mark is None or mark.line == 0 else (False, mark.line, mark.column)


def _frozen(value: Any) -> Any:
    """Return `value` with tuples for lists, which is what the strict schema takes."""
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _with_library_rules(network: Network) -> tuple[Network, list[Fault]]:
    """Return the network with the code of library rules filled in."""
    rules: dict[str, Plasticity] = {}
    faults: list[Fault] = []
    for name, rule in network.plasticity.items():
        rules[name] = rule
        if rule.model is None:
            continue
        try:
            model = plasticity_model(rule.model)
        except InputError as error:
            mark = network.source.mark(("plasticity", name, "model"))
            faults.append(
                Fault(
                    f"Unknown plasticity model '{rule.model}'.",
                    mark,
                    network.source.excerpt(mark),
                    error.faults[0].hint,
                )
            )
            continue
        rules[name] = rule.model_copy(
            update={
                "at_end": {**model.at_end, **rule.at_end},
                "every_step": {**model.every_step, **rule.every_step},
                "equations": rule.equations or model.equations,
                "on_pre": rule.on_pre or model.on_pre,
                "on_post": rule.on_post or model.on_post,
                "method": rule.method or model.method,
                "parameters": {**model.parameters, **rule.parameters},
                "init": {**model.init, **rule.init},
            }
        )
    source = network.source
    network = network.model_copy(update={"plasticity": rules})
    network._source = source
    return network, faults


def _faults(source: Source, error: ValidationError) -> list[Fault]:
    details = error.errors(include_url=False)
    cut = {_existing(source, detail["loc"]) for detail in details if _is_cut(source, detail)}
    faults = [
        _fault(source, detail)
        for detail in details
        if _existing(source, detail["loc"]) not in cut and not _follows(source, detail, details)
    ]
    for path in cut:
        mark = source.mark(path, key=True)
        message = f"'{path[-1]}' is cut off from what stands before it."
        hint = "text that holds a comma needs quotes inside { } and [ ]"
        faults.append(Fault(message, mark, source.excerpt(mark), hint))
    return faults


def _follows(source: Source, detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Return whether something only counts as no list, or a short one, because of another fault."""
    if detail["type"] == "tuple_type":
        path = _existing(source, detail["loc"])
        numbers = (other["loc"] for other in details if other["type"] == "finite_number")
        return any(_existing(source, location) == path for location in numbers)
    inner = (other["loc"][:-1] == detail["loc"] for other in details)
    return detail["type"] == "too_short" and any(inner)


def _is_cut(source: Source, detail: ErrorDetails) -> bool:
    """Return whether a key is the end of a text that a comma cut in two."""
    path = _existing(source, detail["loc"])
    return bool(path) and source.get(path) is None and ")" in str(path[-1])


def _fault(source: Source, detail: ErrorDetails) -> Fault:
    kind, location = detail["type"], detail["loc"]
    path = _existing(source, location)
    on_key = kind in ("extra_forbidden", "missing") or "[key]" in location
    on_key = on_key or source.get(path) is None
    mark = source.mark(path, key=on_key)
    message, hint = _explain(source, path, kind, location, detail)
    return Fault(message, mark, source.excerpt(mark), hint)


def _existing(source: Source, location: tuple[str | int, ...]) -> Path:
    """Return the longest beginning of pydantic's location that is a path of the file."""
    path: Path = ()
    value = source.data
    for step in location:
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            break
        path = (*path, step)
    return path


def _explain(
    source: Source, path: Path, kind: str, location: tuple[str | int, ...], detail: ErrorDetails
) -> tuple[str, str]:
    """Return the message and the hint for one of pydantic's errors."""
    name, context, given = _dotted(source, path), detail.get("ctx", {}), detail["input"]
    if kind == "missing":
        if isinstance(location[-1], int):
            return f"`{name}` has too few entries.", ""
        where = f" in '{name}'" if name else ""
        return f"`{location[-1]}` is missing{where}.", ""
    if kind == "extra_forbidden":
        return _unknown_key(source, path)
    if kind == "value_error":
        message = str(context["error"])
        return sentence(message), getattr(context["error"], "hint", "")
    if kind == "literal_error":
        options = [option.strip("' ") for option in _options(context["expected"])]
        return f"'{_short(given)}' is not a choice for `{name}`.", nearest(str(given), options)
    if kind == "string_pattern_mismatch":
        hint = "names begin with a letter and hold letters, digits and '_'"
        return f"'{_short(given)}' is not a name.", hint
    if kind in _KINDS:
        quoted = kind == "string_type" and isinstance(given, int | float)
        hint = "write it in quotes" if quoted else ""
        return f"`{name}` expects {_KINDS[kind]}, not {_short_or_nothing(given)}.", hint
    bounds = {
        "greater_than": ("gt", "greater than"),
        "greater_than_equal": ("ge", "at least"),
        "less_than": ("lt", "less than"),
        "less_than_equal": ("le", "at most"),
    }
    if kind in bounds:
        key, words = bounds[kind]
        return f"`{name}` must be {words} {context[key]}, not {_short(given)}.", ""
    if kind == "string_too_long":
        return f"`{name}` is longer than {context['max_length']} characters.", ""
    if kind in ("too_short", "too_long"):
        bound = f"at {'least' if kind == 'too_short' else 'most'}"
        number = context.get("min_length", context.get("max_length"))
        return f"`{name}` takes {bound} {number} entries, not {context['actual_length']}.", ""
    return f"`{name}`: {detail['msg'][0].lower()}{detail['msg'][1:]}.", ""


def _unknown_key(source: Source, path: Path) -> tuple[str, str]:
    key, section = str(path[-1]), _dotted(source, path[:-1])
    where = f" in '{section}'" if section else ""
    known = _section(path[:-1])
    return f"Unknown key '{key}'{where}.", nearest(key, _keys(known)) if known else ""


def _keys(section: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in section.model_fields.items()]


def _section(path: Path) -> type[BaseModel] | None:
    """Return the class of the section at `path`."""
    kind: Any = Network
    for step in path:
        model = _model(kind)
        if model is not None:
            fields = {field.alias or name: field for name, field in model.model_fields.items()}
            if step not in fields:
                return None
            kind = fields[str(step)].annotation
        else:
            kind = _item(kind)
    return _model(kind)


def _model(kind: Any) -> type[BaseModel] | None:
    if isinstance(kind, type) and issubclass(kind, Section):
        return kind
    if get_origin(kind) is types.UnionType or type(None) in get_args(kind):
        return next((model for part in get_args(kind) if (model := _model(part))), None)
    return None


def _item(kind: Any) -> Any:
    """Return the type of the values of a mapping or of the items of a list."""
    arguments = [part for part in get_args(kind) if part is not Ellipsis]
    return arguments[-1] if arguments else None


def _options(expected: str) -> list[str]:
    return expected.replace(" or ", ", ").split(", ")


def _dotted(source: Source, path: Path) -> str:
    """Return `a.b.c`, with the names of list items that have one."""
    steps = []
    for length, step in enumerate(path):
        item = source.get(path[: length + 1])
        named = isinstance(step, int) and isinstance(item, dict) and item.get("name")
        steps.append(str(named or step))
    return ".".join(steps)


def _short_or_nothing(value: Any) -> str:
    return "nothing" if value is None else f"'{_short(value)}'"


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, tuple):
        value = f"[{', '.join(map(str, value))}]"
    if isinstance(value, bool):
        value = str(value).lower()
    return shorten(str(value))
