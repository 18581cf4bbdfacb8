"""Read a configuration file as values with line numbers: YAML, JSON, Python and shell lines.

The files come from others, so size, depth and the number of values are limited, aliases are counted at their full
size, Python is parsed and never executed, and a shell line is split and never run.
"""

import ast
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from tunedoctor.facts.clean import clean_text

LARGEST = 1 << 20
"""Bytes of a configuration; notebooks have pictures and get more."""
LARGEST_NOTEBOOK = 16 << 20
_DEEPEST = 40
_MOST_VALUES = 50_000
_MOST_DIGITS = 30
"""Digits of a number; Python's conversion of longer ones takes quadratic time."""
YAML_SUFFIXES = (".yaml", ".yml")
SUFFIXES = (*YAML_SUFFIXES, ".json", ".py", ".ipynb", ".sh", ".bash")


class ConfigurationError(ValueError):
    """A configuration cannot be read; the message says why, with the line if it is known."""


class Call(NamedTuple):
    """A call in Python code, with the keyword arguments whose values are known without running it."""

    name: str
    """The last part: "from_pretrained" of FastLanguageModel.from_pretrained."""
    owner: str
    """The part before it: "FastLanguageModel"; "" if there is none."""
    arguments: Mapping[str, Any]
    lines: Mapping[str, int]
    line: int


class Command(NamedTuple):
    """One command of a shell script."""

    words: tuple[str, ...]
    lines: tuple[int, ...]
    """The line of each word."""
    variables: Mapping[str, str]
    """Variables that are set in front of it, or exported above it."""


class Document(NamedTuple):
    """The values of a file, and the line of each."""

    file: str
    values: dict[str, Any]
    """Of YAML and JSON: nested; of other files: empty."""
    lines: Mapping[str, int]
    """"fsdp_config.offload_params" -> 12."""
    repeated: tuple[tuple[str, int], ...] = ()
    """Keys that occur twice with different values, and the line of the second one."""
    calls: tuple[Call, ...] = ()
    commands: tuple[Command, ...] = ()
    assigned: frozenset[str] = frozenset()
    """Of Python: the attributes that the code sets: "pad_token" for tokenizer.pad_token = ..."""
    cells: tuple[int, ...] = ()
    """Of a notebook: the first line of each code cell, in the lines of all cells together."""

    def get(self, path: str) -> Any:  # noqa: ANN401  any value of a file
        """Return the value at a dotted path, None if it does not exist."""
        found: Any = self.values
        for part in path.split("."):
            if not isinstance(found, dict) or part not in found:
                return None
            found = found[part]
        return found

    def place(self, line: int) -> str:
        """Return a line as a user finds it: "qlora.yml:12", or "tune.ipynb, cell 3, line 5"."""
        if not line:
            return self.file
        if not self.cells:
            return f"{self.file}:{line}"
        cell = sum(first <= line for first in self.cells)
        return f"{self.file}, code cell {cell}, line {line - self.cells[cell - 1] + 1}"


def read_document(file: str, data: bytes) -> Document:
    """Return the values of a configuration. Raises ConfigurationError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError("it is not UTF-8 text") from None
    suffix, name = PurePath(file).suffix.lower(), clean_text(file)
    if suffix == ".ipynb":
        return _notebook(name, text)
    if len(data) > LARGEST:
        raise ConfigurationError(f"it has more than {LARGEST} bytes")
    if suffix == ".py":
        return _python(name, text)
    if suffix in (".sh", ".bash"):
        return Document(name, {}, {}, commands=tuple(_commands(text)))
    return _json(name, text) if suffix == ".json" else _yaml(name, text)


class _Builder:
    """Collects nested values with their lines; counts them, and refuses too many."""

    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.repeated: list[tuple[str, int]] = []
        self.count = 0

    def add(self, number: int = 1) -> None:
        self.count += number
        if self.count > _MOST_VALUES:
            raise ConfigurationError(f"it has more than {_MOST_VALUES} values")

    def put(self, into: dict[str, Any], path: str, key: str, value: object, line: int) -> None:
        if key in into and into[key] != value:
            self.repeated.append((f"{path}{key}", line))
        into[key] = value
        self.lines[f"{path}{key}"] = line


def _yaml(file: str, text: str) -> Document:
    import yaml  # noqa: PLC0415  few commands read YAML

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    builder = _Builder()
    try:
        values = _YamlReader(builder, yaml.SafeLoader("")).read(yaml.parse(text, Loader=loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f"line {mark.line + 1}: " if mark else ""
        what = getattr(error, "problem", None) or "it has a wrong character"
        raise ConfigurationError(f"it is not YAML: {at}{clean_text(str(what))[:100]}") from None
    if not isinstance(values, dict):
        raise ConfigurationError("it has no keys with values")
    return Document(file, values, builder.lines, tuple(builder.repeated))


class _YamlReader:
    """Builds values from the events of a YAML parser, which never recurse."""

    def __init__(self, builder: _Builder, resolver: Any) -> None:  # noqa: ANN401  yaml.SafeLoader
        self._builder, self._resolver = builder, resolver
        self._anchors: dict[str, tuple[Any, int]] = {}
        """Value and size by anchor."""

    def read(self, events: Iterator[Any]) -> Any:  # noqa: ANN401  any value
        """Return the first document; its other documents are ignored."""
        for event in events:
            if type(event).__name__ not in ("StreamStartEvent", "DocumentStartEvent"):
                if type(event).__name__ == "StreamEndEvent":
                    return None
                return self._value(event, events, "", 0)
        return None

    def _value(self, event: Any, events: Iterator[Any], path: str, depth: int) -> Any:  # noqa: ANN401
        if depth > _DEEPEST:
            raise ConfigurationError("its values are nested too deeply")
        self._builder.add()
        before, kind = self._builder.count, type(event).__name__
        if kind == "AliasEvent":
            value, size = self._anchors.get(event.anchor, (None, 0))
            self._builder.add(size)
            return value
        if kind == "ScalarEvent":
            value = self._scalar(event)
        elif kind == "SequenceStartEvent":
            value = []
            while type(inner := next(events)).__name__ != "SequenceEndEvent":
                spot = f"{path}{len(value)}"
                self._builder.lines[spot] = inner.start_mark.line + 1
                value.append(self._value(inner, events, f"{spot}.", depth + 1))
        else:
            value = self._mapping(events, path, depth)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._builder.count - before + 1)
        return value

    def _mapping(self, events: Iterator[Any], path: str, depth: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while type(event := next(events)).__name__ != "MappingEndEvent":
            key = self._value(event, events, f"{path}?.", depth + 1)
            name, line = clean_text(str(key))[:200], event.start_mark.line + 1
            found = self._value(next(events), events, f"{path}{name}.", depth + 1)
            if name == "<<":
                for one in found if isinstance(found, list) else [found]:
                    merged = {**one, **merged} if isinstance(one, dict) else merged
            else:
                self._builder.put(value, path, name, found, line)
        return {**merged, **value}

    def _scalar(self, event: Any) -> Any:  # noqa: ANN401  a text, a number, a truth or None
        import yaml  # noqa: PLC0415

        text = event.value
        if not event.implicit[0] or len(text) > _MOST_DIGITS:
            return clean_text(text)
        tag = str(self._resolver.resolve(yaml.ScalarNode, text, (True, False)))
        node = yaml.ScalarNode(tag=tag, value=text)
        if node.tag.rpartition(":")[2] in ("null", "bool", "int", "float"):
            try:
                return self._resolver.construct_object(node)
            except ValueError:
                return clean_text(text)
        return clean_text(text)


_JSON_PART = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]:,\n]')


def _json(file: str, text: str) -> Document:
    builder = _Builder()

    def refuse(number: str) -> Any:  # noqa: ANN401  a number
        if len(number) > _MOST_DIGITS:
            raise ConfigurationError("a number is too long")
        return int(number)

    try:
        values = json.loads(text, parse_int=refuse)
    except ConfigurationError:
        raise
    except RecursionError:
        raise ConfigurationError("its values are nested too deeply") from None
    except ValueError as error:
        raise ConfigurationError(f"it is not JSON: {str(error)[:100]}") from None
    if not isinstance(values, dict):
        raise ConfigurationError("it has no keys with values")
    _find_json_lines(text, builder)
    return Document(file, _clean(values), builder.lines, tuple(builder.repeated))


def _clean(value: Any) -> Any:  # noqa: ANN401  any JSON
    if isinstance(value, dict):
        return {clean_text(key)[:200]: _clean(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_clean(one) for one in value]
    return clean_text(value) if isinstance(value, str) else value


def _find_json_lines(text: str, builder: _Builder) -> None:
    """Record the line of each key of valid JSON."""
    line, path, text_before = 1, list[str](), ""
    key, seen = "", set[str]()
    for match in _JSON_PART.finditer(text):
        part = match[0]
        if part == "\n":
            line += 1
        elif part in "{[":
            if len(path) > _DEEPEST:
                raise ConfigurationError("its values are nested too deeply")
            path.append(key)
            key = ""
        elif part in "}]":
            key = path.pop() if path else ""
        elif part == ":":
            key = text_before[1:-1][:200]
            spot = ".".join([*filter(None, path), key])
            if spot in seen:
                builder.repeated.append((spot, line))
            seen.add(spot)
            builder.add()
            builder.lines.setdefault(spot, line)
        elif part[0] == '"':
            text_before = part


_MAGIC = re.compile(r"[!%]")


def _notebook(file: str, text: str) -> Document:
    """Return the calls of a notebook's code cells; lines that are commands of the notebook are left out."""
    try:
        cells = json.loads(text).get("cells", [])
    except RecursionError:
        raise ConfigurationError("its values are nested too deeply") from None
    except (ValueError, AttributeError) as error:
        raise ConfigurationError(f"it is not a notebook: {str(error)[:100]}") from None
    lines: list[str] = []
    starts: list[int] = []
    for cell in cells if isinstance(cells, list) else ():
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        source = cell.get("source", "")
        code = "".join(map(str, source)) if isinstance(source, list) else str(source)
        starts.append(len(lines) + 1)
        rows = code.splitlines() or [""]
        if rows[0].startswith("%%"):
            rows = [""] * len(rows)
        rows = [
            f"{row[: len(row) - len(row.lstrip())]}pass" if _MAGIC.match(row.lstrip()) else row
            for row in rows
        ]
        lines += rows if _is_python("\n".join(rows)) else [""] * len(rows)
    return _python(file, "\n".join(lines))._replace(cells=tuple(starts))


def _is_python(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _python(file: str, text: str) -> Document:
    if len(text) > LARGEST:
        raise ConfigurationError(f"it has more than {LARGEST} characters of code")
    try:
        tree = ast.parse(text)
        calls = tuple(_calls(tree))
        assigned = frozenset(_assigned_attributes(tree))
    except SyntaxError as error:
        raise ConfigurationError(f"line {error.lineno or 0}: it is not Python") from None
    except (RecursionError, MemoryError):
        raise ConfigurationError("its code is nested too deeply") from None
    except ValueError:
        raise ConfigurationError("it is not Python: it has a NUL") from None
    return Document(file, {}, {}, calls=calls, assigned=assigned)


def _assigned_attributes(tree: ast.Module) -> Iterator[str]:
    """Yield the names of the attributes that a program sets."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield clean_text(node.attr)


def _calls(tree: ast.Module) -> Iterator[Call]:
    """Yield the calls of a program from top to bottom."""
    names: dict[str, Any] = {}
    nodes = [
        one for one in ast.walk(tree) if isinstance(one, ast.Assign | ast.AnnAssign | ast.Call)
    ]
    if len(nodes) > _MOST_VALUES:
        raise ConfigurationError(f"it has more than {_MOST_VALUES} calls")
    for node in sorted(nodes, key=lambda one: (one.lineno, one.col_offset)):
        if isinstance(node, ast.Call):
            owner, _, name = _dotted(node.func).rpartition(".")
            pairs = [(word.arg, word.value) for word in node.keywords if word.arg]
            known = {
                key: value for key, at in pairs if (value := _literal(at, names)) is not _UNKNOWN
            }
            if node.args and (first := _literal(node.args[0], names)) is not _UNKNOWN:
                known.setdefault("", first)
            lines = {key: at.lineno for key, at in pairs}
            yield Call(name, owner.rpartition(".")[2], known, lines, node.lineno)
        elif node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = _literal(node.value, names)
            for target in targets:
                if isinstance(target, ast.Name):
                    names[target.id] = value


_UNKNOWN = object()
"""A value that only running the code would give."""


def _dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    return ".".join(reversed(parts))


def _literal(node: ast.expr, names: Mapping[str, Any]) -> Any:  # noqa: ANN401, PLR0911  a kind each
    """Return the value of a literal or of a name that was set to one; `_UNKNOWN` for other code."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            if isinstance(value, int) and value.bit_length() > 100:
                return _UNKNOWN
            return clean_text(value) if isinstance(value, str) else value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Name(id=name):
            return names.get(name, _UNKNOWN)
        case ast.Attribute(attr="bfloat16" | "float16" | "float32" as name):
            return name
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            found = [_literal(one, names) for one in elements]
            return _UNKNOWN if any(one is _UNKNOWN for one in found) else found
        case ast.Dict(keys=keys, values=values):
            pairs = [
                (key.value, _literal(value, names))
                for key, value in zip(keys, values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(key.value, str)
            ]
            return {key: value for key, value in pairs if value is not _UNKNOWN}
        case _:
            return _UNKNOWN


_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,99})=(.*)", re.DOTALL)
_SEPARATORS = ("&&", "||", ";", "|", "&")
_MOST_LINES = 5000
_LONGEST_TEXT_LINES = 100
"""Lines of one quoted text."""
_LONGEST_TEXT = 1 << 16


def _commands(text: str) -> Iterator[Command]:
    """Yield the commands of a shell script; quotes and continued lines are understood, variables are not expanded."""
    exported: dict[str, str] = {}
    words: list[str] = []
    at: list[int] = []
    pending, begin = "", 0
    for number, row in enumerate(text.splitlines()[:_MOST_LINES], 1):
        begin = begin or number
        body = row.rstrip()
        continued = body.endswith("\\") and not body.endswith("\\\\")
        pending += body[:-1] if continued else body
        try:
            parts = shlex.split(pending, comments=True)
        except ValueError:  # a quote is still open
            if number - begin < _LONGEST_TEXT_LINES and len(pending) < _LONGEST_TEXT:
                pending += "\n"
                continue
            parts = []
        words += parts
        at += [begin] * len(parts)
        pending, begin = "", 0
        if not continued or (not parts and not row.strip().startswith("#")):
            yield from _split_commands(words, at, exported)
            words, at = [], []
    yield from _split_commands(words, at, exported)


def _split_commands(
    words: list[str], lines: list[int], exported: dict[str, str]
) -> Iterator[Command]:
    part: list[tuple[str, int]] = []
    for word, line in [*zip(words, lines, strict=True), (";", 0)]:
        if word not in _SEPARATORS:
            part.append((word, line))
            continue
        variables = dict(exported)
        if part and part[0][0] == "export":
            part = part[1:]
            for one, _ in part:
                if match := _ASSIGNMENT.fullmatch(one):
                    exported[match[1]] = clean_text(match[2])
            part = []
        while part and (match := _ASSIGNMENT.fullmatch(part[0][0])):
            variables[match[1]] = clean_text(match[2])
            part = part[1:]
        if part:
            spelled = tuple(clean_text(one) for one, _ in part)
            yield Command(spelled, tuple(line for _, line in part), variables)
        else:
            exported.update(variables)
        part = []
