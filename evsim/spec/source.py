"""A network file as text and as a tree whose every node knows its place.

PyYAML only composes nodes here. Their values follow YAML 1.2: `1e-3` is a number, `no` is text,
`010` is ten. Duplicate keys, tags, keys that are not text, several documents, deep nesting and
aliases that multiply are refused, so that a file is plain data of bounded size.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import yaml

from evsim.errors import Fault, InputError, Mark, SpecError, nearest

Path = tuple[str | int, ...]
"""Keys and list positions that lead from the root of a file to a value."""

MAX_BYTES = 1 << 20
MAX_NODES = 100_000
MAX_DEPTH = 32
MAX_NUMBER = 100

_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)"
    r"|\.(?:nan|NaN|NAN)"
)
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True)
class _Place:
    """Where a value and its key stand; `style` is YAML's for text (`|`, `>`, quotes or None)."""

    value: Mark
    key: Mark
    style: str | None = None
    end_line: int = 0


class Source:
    """The text of a network file, its values, and the place of each.

    Attributes
    ----------
    name : as shown in messages.
    text : of the file.
    overrides : texts `a.b.c=VALUE` that replaced fields.
    data : values as nested dicts, lists, text, numbers, booleans and None, after overrides.
    """

    def __init__(self, name: str, text: str, overrides: Iterable[str] = ()):
        self.name = name
        self.text = text
        self.overrides = tuple(overrides)
        self._lines = _BREAK.split(text)
        self._places: dict[Path, _Place] = {}
        reader = _Reader(name, self._lines)
        self.data: Any = reader.read(text)
        self._places.update(reader.places)
        for override in self.overrides:
            self._override(override)

    @classmethod
    def from_file(cls, path: str | FilePath, overrides: Iterable[str] = ()) -> Source:
        """Read a file.

        Raises
        ------
        SpecError : it cannot be read, is too large, or is not plain YAML.
        """
        name = str(path)
        try:
            with open(path, "rb") as file:
                content = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            raise SpecError(f"There is no file '{name}'.") from None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise SpecError(f"The file '{name}' cannot be read: {reason}.") from None
        if len(content) > MAX_BYTES:
            raise SpecError(f"The file '{name}' is larger than 1 MiB: not a network file.")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise SpecError(Fault("The text is not UTF-8.", Mark(name, line, 1))) from None
        return cls(name, text, overrides)

    @classmethod
    def from_text(cls, text: str, name: str = "<text>", overrides: Iterable[str] = ()) -> Source:
        """Read text; `name` stands for the file in messages.

        Raises
        ------
        SpecError : it is too large or not plain YAML.
        """
        if len(text.encode("utf-8", "replace")) > MAX_BYTES:
            raise SpecError(f"'{name}' is larger than 1 MiB: not a network file.")
        return cls(name, text, overrides)

    def mark(self, path: Path = (), key: bool = False) -> Mark:
        """Return the place of the value at `path`, or of its key.

        Where the file has no such value, the place of the nearest section around it.
        """
        missing = False
        while path and path not in self._places:
            path, missing = path[:-1], True
        place = self._places.get(path)
        if place is None:
            return Mark(self.name, 1, 1)
        return place.key if key or missing else place.value

    def mark_in(self, path: Path, line: int, column: int, length: int = 1) -> Mark:
        """Return the place of a position inside the text at `path`; both count from 0."""
        place = self._places.get(path)
        value = self.get(path)
        if place is None or not isinstance(value, str) or place.value.line == 0:
            return self.mark(path)
        start = place.value
        if place.style == "|":
            lines = value.split("\n")
            number = start.line + line  # index of the content's line in self._lines
            if line < len(lines) and number < len(self._lines):
                indent = max(len(self._lines[number]) - len(lines[line]), 0)
                return Mark(self.name, number + 1, indent + column + 1, length)
        elif place.style != ">" and place.end_line == start.line and line == 0:
            quoted = 1 if place.style in ("'", '"') else 0
            return Mark(self.name, start.line, start.column + quoted + column, length)
        return start

    def find(self, path: Path, word: str) -> Mark:
        """Return the place of the first use of a name inside the text at `path`."""
        value = self.get(path)
        if isinstance(value, str):
            for number, line in enumerate(value.split("\n")):
                match = re.search(rf"\b{re.escape(word)}\b", line.partition("#")[0])
                if match:
                    return self.mark_in(path, number, match.start(), len(word))
        return self.mark(path)

    def excerpt(self, mark: Mark) -> str:
        """Return the line of the file that `mark` points at, or "" for a mark elsewhere."""
        if mark.file != self.name or not 1 <= mark.line <= len(self._lines):
            return ""
        return self._lines[mark.line - 1]

    @contextmanager
    def placing(self, *path: str | int) -> Iterator[None]:
        """Give faults that are raised inside, and have no place, that of the value at `path`."""
        try:
            yield
        except InputError as error:
            mark = self.mark(path)
            placed = [fault.at(mark, self.excerpt(mark)) for fault in error.faults]
            raise type(error)(placed) from error.__cause__

    def get(self, path: Path) -> Any:
        """Return the value at `path`, or None where there is none."""
        value = self.data
        for step in path:
            if isinstance(value, dict) and step in value:
                value = value[step]
            elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                value = value[step]
            else:
                return None
        return value

    def _override(self, text: str) -> None:
        name, equals, value_text = text.partition("=")
        mark = Mark(f"--set {text}", 0, 0)
        if not equals or not name.strip():
            raise SpecError(Fault("Expected a field and a value.", mark, hint="--set a.b.c=VALUE"))
        reader = _Reader(mark.file, [], fixed=mark)
        value = reader.read(value_text) if value_text.strip() else None
        try:
            path = self._resolve(name.strip())
        except _NoSuchField as error:
            raise SpecError(Fault(str(error), mark, hint=error.hint)) from None
        parent = self.data
        for step in path[:-1]:
            if isinstance(parent, dict) and parent.get(str(step)) is None:
                parent[step] = {}
            parent = parent[step]
        parent[path[-1]] = value
        for place in [p for p in self._places if p[: len(path)] == path]:
            del self._places[place]
        for length in range(1, len(path)):
            self._places.setdefault(path[:length], _Place(mark, mark))
        self._places.update({path + inner: place for inner, place in reader.places.items()})
        self._places[path] = _Place(mark, mark)

    def _resolve(self, dotted: str) -> Path:
        """Return the path that `a.b.c` names; keys may hold dots, list items may have names."""
        value: Any = self.data
        path: list[str | int] = []
        rest = dotted.split(".")
        key: str | int
        while rest:
            if isinstance(value, dict):
                key, rest = _split_key(value, path, rest)
                value = value.get(key, {})
                value = {} if value is None else value
            elif isinstance(value, list):
                index, rest = _list_index(value, rest[0]), rest[1:]
                key, value = index, value[index]
            else:
                raise _NoSuchField(f"'{'.'.join(map(str, path))}' is a value without fields.")
            path.append(key)
        return tuple(path)


class _NoSuchField(Exception):
    def __init__(self, message: str, hint: str = ""):
        super().__init__(message)
        self.hint = hint


def _split_key(
    section: Mapping[str, Any], path: list[str | int], rest: list[str]
) -> tuple[str, list[str]]:
    for length in range(len(rest), 0, -1):
        key = ".".join(rest[:length])
        if key in section:
            return key, rest[length:]
    # New keys of these sections are `population.variable`.
    if path and path[-1] in ("set", "fields"):
        return ".".join(rest), []
    return rest[0], rest[1:]


def _list_index(items: list[Any], step: str) -> int:
    named = [item.get("name") if isinstance(item, dict) else None for item in items]
    if step in named:
        return named.index(step)
    if step.isdigit() and int(step) < len(items):
        return int(step)
    known = [name for name in named if isinstance(name, str)] or map(str, range(len(items)))
    raise _NoSuchField(f"There is no item '{step}' in the list.", nearest(step, known))


class _StrictLoader(yaml.SafeLoader):
    """Composes nodes; tags and deep nesting are refused while reading."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            message = f"the tag '{event.tag}' is not allowed: network files are plain data"
            raise yaml.MarkedYAMLError(None, None, message, event.start_mark)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} levels deep"
            raise yaml.MarkedYAMLError(None, None, message, event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


class _Reader:
    """Turns one text into values and their places."""

    def __init__(self, name: str, lines: list[str], fixed: Mark | None = None):
        self.name, self.lines, self.fixed = name, lines, fixed
        self.places: dict[Path, _Place] = {}
        self.faults: list[Fault] = []
        self.nodes = 0

    def read(self, text: str) -> Any:
        try:
            loader = _StrictLoader(text)
            node = loader.get_single_node()
        except yaml.MarkedYAMLError as error:
            raise SpecError(self._yaml_fault(error)) from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            column = error.position - text.rfind("\n", 0, error.position)
            message = f"The character U+{error.character:04X} is not allowed."
            raise SpecError(Fault(message, self.fixed or Mark(self.name, line, column))) from None
        except (ValueError, RecursionError, IndexError) as error:
            raise SpecError(f"{self.name}: the text cannot be read as YAML ({error}).") from None
        if node is None:
            raise SpecError(Fault("The file is empty.", self.fixed or Mark(self.name, 1, 1)))
        value = self._value(node, (), self._mark(node), ())
        if self.faults:
            raise SpecError(self.faults)
        return value

    def _yaml_fault(self, error: yaml.MarkedYAMLError) -> Fault:
        for number, line in enumerate(self.lines, start=1):
            if line.startswith("<<<<<<< "):
                mark = Mark(self.name, number, 1, 7)
                message = "The file holds an unresolved merge conflict."
                return Fault(message, mark, line, "keep one version and delete the markers")
        at = error.problem_mark or error.context_mark
        mark = self.fixed or Mark(self.name, at.line + 1 if at else 1, at.column + 1 if at else 1)
        problem = error.problem or error.context or "the text cannot be read"
        hint = ""
        if "expected a single document" in (error.context or ""):
            problem = "a second document begins here; a network file has one"
        elif "undefined alias" in problem or "'*'" in problem or "alias" in (error.context or ""):
            hint = "text that begins with '*' or '&' needs quotes"
        elif "'\\t'" in problem:
            hint = "indent with spaces, not tabs"
        elif "mapping values are not allowed" in problem:
            hint = "text that holds ': ' needs quotes; entries of a section begin in one column"
        elif "cannot start any token" in problem:
            hint = "text that begins with this character needs quotes"
        return Fault(problem[0].upper() + problem[1:] + ".", mark, self._excerpt(mark), hint)

    def _excerpt(self, mark: Mark) -> str:
        return self.lines[mark.line - 1] if 1 <= mark.line <= len(self.lines) else ""

    def _mark(self, node: yaml.Node) -> Mark:
        if self.fixed:
            return self.fixed
        start, end = node.start_mark, node.end_mark
        plain = isinstance(node, yaml.ScalarNode) and start.line == end.line
        length = max(end.column - start.column, 1) if plain else 1
        return Mark(self.name, start.line + 1, start.column + 1, length)

    def _fault(self, message: str, mark: Mark, hint: str = "") -> None:
        self.faults.append(Fault(message, mark, self._excerpt(mark), hint))

    def _value(self, node: yaml.Node, path: Path, key: Mark, above: tuple[yaml.Node, ...]) -> Any:
        mark = self._mark(node)
        self.nodes += 1
        if self.nodes > MAX_NODES:
            message = f"More than {MAX_NODES} values: aliases may not multiply."
            raise SpecError(Fault(message, mark, self._excerpt(mark)))
        if node in above:
            raise SpecError(Fault("A section contains itself.", mark, self._excerpt(mark)))
        style = getattr(node, "style", None) if isinstance(node, yaml.ScalarNode) else None
        self.places[path] = _Place(mark, key, style, node.end_mark.line + 1)
        above = (*above, node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode):
            return [
                self._value(item, (*path, index), self._mark(item), above)
                for index, item in enumerate(node.value)
            ]
        return self._scalar(node, mark)

    def _mapping(
        self, node: yaml.MappingNode, path: Path, above: tuple[yaml.Node, ...]
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            mark = self._mark(key_node)
            is_text = isinstance(key_node, yaml.ScalarNode)
            key = self._scalar(key_node, mark) if is_text else None
            if not isinstance(key, str):
                shown = f"'{key_node.value}'" if is_text else "a list or section"
                hint = f'write "{key_node.value}" in quotes' if is_text else ""
                self._fault(f"A key must be text, not {shown}.", mark, hint)
                continue
            if key in values:
                first = self.places[(*path, key)].key.line
                message = f"The key '{key}' stands here a second time (first in line {first})."
                self._fault(message, mark, "keep one of them")
                continue
            values[key] = self._value(value_node, (*path, key), mark, above)
        return values

    def _scalar(self, node: Any, mark: Mark) -> Any:
        text: str = node.value
        if node.style is not None:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text) or _FLOAT.fullmatch(text):
            if len(text) > MAX_NUMBER:
                self._fault(f"A number of {len(text)} characters is too long.", mark)
                return 0
            return _number(text)
        return text


def _number(text: str) -> int | float:
    if not _INTEGER.fullmatch(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return int(text, base)
