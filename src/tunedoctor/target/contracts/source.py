"""What one source file binds, runs at import and exports lazily."""

from __future__ import annotations

import ast
import operator
import os
import re
import sys
from typing import Any

from .calls import Asks, KeywordCall, Signature, calls, dotted, evaluated, signature, stored

_MAKES_NAMES = re.compile(rb"\bglobals\(\)|\bsys\.modules\b|\bexec\(|\bvars\(\)|\blocals\(\)")
_GLOBAL = re.compile(rb"^[ \t]+global[ \t]+([\w, \t]+)", re.MULTILINE)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_TABLES = ("attach", "_attach", "_LazyModule", "LazyModule")
"""Makers of lazy packages that export what their table names, and nothing else."""
_GUARD = re.compile(
    r"_?is_(torch|transformers|peft|datasets|tokenizers|safetensors|huggingface_hub)_available"
)
"""Functions that say that a package is there, and ask for no release of it."""
_COMPARE: dict[type, Any] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_RUNS, _CAN_RUN, _NEVER = 2, 1, 0


class ParsedSource:
    """A parsed file."""

    def __init__(self, text: bytes, tree: ast.Module, siblings: frozenset[str]) -> None:
        """Walk a tree without recursion, in time linear in it."""
        stated = b",".join(_GLOBAL.findall(text)).decode("ascii", "replace")
        self.names: set[str] = {*map(str.strip, stated.split(","))} - {""}
        """What it could bind at module level, in any branch."""
        self.promised: set[str] = set()
        """What it imports for type checkers alone, and has by other means or never."""
        self.stars: list[tuple[str, int]] = []
        self.asks: list[Asks] = []
        self.compiled = b"AddSerializedFile" in text
        """Made by protoc: a descriptor in bytes holds its names."""
        self.path_made = b"__path__" in text
        """Its folders are chosen by code."""
        self.bound: dict[str, Asks] = {}
        """Name -> the import that alone binds it."""
        self.signatures: dict[str, Signature] = {}
        """Of what is defined here, once and for certain."""
        self._eager = sys.version_info < (3, 14) and b"import annotations" not in text
        self._statements(tree.body)
        self.asks = [one for one in map(self._attributed, self.asks) if one.certain]
        self.calls: list[KeywordCall] = []
        """Calls in functions, with keywords, of what a sibling or a base class brings."""
        brought = {one.module.partition(".")[0] for one in self.bound.values() if not one.level}
        if brought & siblings:
            self.calls = [*calls(tree, self.bound)]
        self.dynamic = bool(_MAKES_NAMES.search(text)) or "__getattr__" in self.names
        """It makes names by other means than statements."""
        self.tabled = False
        """These names stand in tables of the file, or in `scans`."""
        self.scans: list[str] = []
        """Folders below its own whose files' __all__ it exports; "" for its own."""
        self.strings: set[str] = set()
        self.lazy: dict[str, str] = {}
        """Name that it exports -> the part of the package that holds it."""
        if self.dynamic:
            self._tables(tree)

    def _attributed(self, ask: Asks) -> Asks:
        """Return attributes of a name as those of the module that it may be bound to."""
        of = self.bound.get(ask.module) if ask.attributes else None
        if of is None:
            return ask._replace(certain=not ask.attributes)
        names = of.names + ask.names
        return ask._replace(module=of.module, level=of.level, names=names, certain=of.certain)

    def _bind(self, name: str, what: Asks | None = None) -> None:
        if name in self.names or what is None:
            self.bound.pop(name, None)
            self.signatures.pop(name, None)
        else:
            self.bound[name] = what
        self.names.add(name)

    def _statements(self, body: list[ast.stmt]) -> None:
        todo: list[tuple[list[ast.stmt], int, tuple[str, ...]]] = [(body, _RUNS, ())]
        while todo:
            statements, runs, needs = todo.pop()
            for node in statements:
                if isinstance(node, _DEFINITIONS):
                    alone = runs == _RUNS and node.name not in self.names
                    self._bind(node.name)
                    if alone:
                        self.signatures[node.name] = signature(node)
                elif isinstance(node, (ast.Import, ast.ImportFrom)):
                    lazy = getattr(node, "is_lazy", 0) and runs
                    self._import(node, _CAN_RUN if lazy else runs, needs)
                elif isinstance(node, ast.If):
                    holds = decided(node.test)
                    self._targets(node.test)
                    asked = guards(node.test)
                    within = _RUNS if holds or asked else _CAN_RUN if holds is None else _NEVER
                    after = _CAN_RUN if holds is None else _NEVER if holds else _RUNS
                    todo.append((node.body, min(runs, within), needs + asked))
                    todo.append((node.orelse, min(runs, after), needs))
                elif hasattr(node, "body") or hasattr(node, "cases"):
                    todo.extend((part, min(runs, how), needs) for part, how in self._parts(node))
                else:
                    self._targets(node)
                if runs == _RUNS:
                    self._evaluated(node, needs)

    def _parts(self, node: Any) -> list[tuple[list[ast.stmt], int]]:
        """Return the bodies of try, with, for, while and match: `finally` is certain, and what no one catches."""
        for part in ("target", "test", "iter"):
            self._targets(getattr(node, part, None))
        for item in getattr(node, "items", ()):
            self._targets(item.optional_vars)
        handlers = getattr(node, "handlers", [])
        raises = all(isinstance(one.body[-1], ast.Raise) for one in handlers)
        raises &= isinstance(node, ast.Try)
        bodies = [getattr(node, "orelse", []), *(one.body for one in handlers)]
        bodies += [one.body for one in getattr(node, "cases", ())]
        return [
            (getattr(node, "body", []), _RUNS if raises else _CAN_RUN),
            *((one, _CAN_RUN) for one in bodies),
            (getattr(node, "finalbody", []), _RUNS),
        ]

    def _targets(self, node: ast.AST | None) -> None:
        for one in ast.walk(node) if node is not None else ():
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                self._bind(one.id)

    def _import(self, node: Any, runs: int, needs: tuple[str, ...]) -> None:
        plain = isinstance(node, ast.Import)
        module, level = ("", 0) if plain else (node.module or "", node.level)
        for alias in node.names:
            if plain:
                ask = Asks(node.lineno, alias.name, 0, (), needs=needs)
            else:
                ask = Asks(node.lineno, module, level, (alias.name,), needs=needs)
            if runs == _RUNS:
                self.asks.append(ask)
            if alias.name == "*":
                if runs:
                    self.stars.append((module, level))
                continue
            bound = alias.asname or alias.name.partition(".")[0]
            if plain and not alias.asname:
                ask = ask._replace(module=bound)
                if self.bound.get(bound, ask).module == bound and bound in self.bound:
                    continue  # import a.b after import a
            if runs:
                self._bind(bound, ask._replace(certain=runs == _RUNS))
            else:
                self.promised.add(bound)

    def _evaluated(self, node: Any, needs: tuple[str, ...]) -> None:
        """Note the attributes of names that a statement looks up when it runs, a class with all of its body."""
        own: set[str] = set()
        todo = self._expressions(node)
        for inner in node.body if isinstance(node, ast.ClassDef) else ():
            todo += self._expressions(inner)
            if isinstance(inner, (ast.Assign, ast.AnnAssign)):
                own |= stored(inner)
        for one in evaluated(todo):
            path = dotted(one) if isinstance(one, ast.Attribute) else ()
            if path and path[0] not in own:
                ask = Asks(one.lineno, path[0], 0, path[1:], attributes=True, needs=needs)
                self.asks.append(ask)

    def _expressions(self, node: Any) -> list[ast.expr]:
        """Return what a statement evaluates itself."""
        found: list[Any] = [getattr(node, part, None) for part in ("value", "test", "iter")]
        found += [*getattr(node, "decorator_list", ()), *getattr(node, "bases", ())]
        found += [one.value for one in getattr(node, "keywords", ())]
        found += [one.context_expr for one in getattr(node, "items", ())[:1]]
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            its = node.args
            found += [*its.defaults, *its.kw_defaults]
            found += [one.annotation for one in (*its.args, *its.kwonlyargs) if self._eager]
        if self._eager:
            found += [getattr(node, "annotation", None), getattr(node, "returns", None)]
        return [one for one in found if isinstance(one, ast.expr)]

    def _tables(self, tree: ast.Module) -> None:
        """Read what a lazy package exports: strings in tables, and folders that it scans."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.strings.add(node.value)
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=False):
                    self._row(key, value)
            elif isinstance(node, (ast.Assign, ast.AugAssign)):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Subscript):
                    self._row(target.slice, node.value)
            elif isinstance(node, ast.Call):
                self._call(node)
        if any(isinstance(n, ast.FunctionDef) and n.name == "__getattr__" for n in tree.body):
            self.tabled = False

    def _call(self, node: ast.Call) -> None:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name == "define_import_structure":
            parts = [_text(one) for a in node.args for one in ast.walk(a)]
            self.scans.append("/".join(one for one in parts if one and one != "__file__"))
        elif name in ("extend", "append") and node.args:
            held = getattr(node.func, "value", None)
            if isinstance(held, ast.Subscript):
                self._row(held.slice, node.args[0])
        self.tabled |= name in _TABLES

    def _row(self, key: Any, value: ast.expr) -> None:
        part = _text(getattr(key, "value", key)) or _text(key)  # Python 3.8 wraps it
        if not part:
            return
        many = value.elts if isinstance(value, (ast.List, ast.Tuple, ast.Set)) else [value]
        texts = [one for one in map(_text, many) if one]
        for text in texts:
            self.lazy.setdefault(text, part)
        if len(texts) == 1:  # {"Name": ".module"}
            self.lazy.setdefault(part, texts[0].lstrip("."))


def parsed(text: bytes, siblings: frozenset[str] = frozenset()) -> ParsedSource | None:
    """Return the Source of a text, with calls if it imports `siblings`; None if this Python can't parse it."""
    try:
        return ParsedSource(text, ast.parse(text), siblings)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None


def _text(node: Any) -> str:
    """Return the text of a constant; "" of anything else."""
    value = getattr(node, "value", None)
    return value if isinstance(node, ast.Constant) and isinstance(value, str) else ""


def guards(test: ast.expr) -> tuple[str, ...]:
    """Return the packages that a condition requires, if it requires nothing else."""
    both = isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And)
    tests: list[Any] = test.values if both else [test]  # type: ignore[attr-defined]
    plain = [one for one in tests if isinstance(one, ast.Call) and not (one.args or one.keywords)]
    found = [_GUARD.fullmatch(".".join(dotted(one.func)[-1:])) for one in plain]
    whole = len(found) == len(tests) and all(found)
    return tuple(one.group(1) for one in found if one) if whole else ()


def decided(test: ast.expr) -> bool | None:
    """Return the value of a condition under this interpreter; None if the file alone does not show it."""
    turns = 0
    while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, turns = test.operand, turns + 1
    told = _decided(test)
    return told if told is None else told is not bool(turns % 2)


def _decided(test: ast.expr) -> bool | None:
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if getattr(test, "attr", getattr(test, "id", "")) == "TYPE_CHECKING":
        return False
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    left = test.left
    of = getattr(getattr(left, "value", None), "id", "") + "." + getattr(left, "attr", "")
    known = {"sys.version_info": sys.version_info, "sys.platform": sys.platform, "os.name": os.name}
    try:
        compare = _COMPARE[type(test.ops[0])]
        return bool(compare(known[of], ast.literal_eval(test.comparators[0])))
    except (KeyError, ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
