"""What one source file binds, runs at import and exports lazily."""

import ast
import operator
import os
import re
import sys
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple

_MAKES_NAMES = re.compile(rb"\bglobals\(\)|\bsys\.modules\b|\bexec\(|\bvars\(\)|\blocals\(\)")
_GLOBAL = re.compile(rb"^[ \t]+global[ \t]+([\w, \t]+)", re.MULTILINE)
_NEED_NOT_RUN = (ast.Lambda, ast.IfExp, ast.BoolOp, ast.GeneratorExp)
"""Expressions whose parts need not be evaluated."""
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_TABLES = ("attach", "_attach", "_LazyModule", "LazyModule")
"""Makers of lazy packages that export what their table names, and nothing else."""
_COMPARE: Dict[Any, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_RUNS, _CAN_RUN, _NEVER = 2, 1, 0


class Asks(NamedTuple):
    """What every import of a file asks of a module."""

    line: int
    module: str
    """As written, without the dots."""
    level: int
    """Dots before it."""
    names: Tuple[str, ...]
    """() for the module alone, one name that is imported, or a path of attributes."""
    attributes: bool = False


class Source:
    """A parsed file."""

    def __init__(self, text: bytes, tree: ast.Module) -> None:
        """Walk a tree without recursion, in time linear in it."""
        self.names: Set[str] = {
            w.strip().decode("ascii", "replace")
            for m in _GLOBAL.findall(text)
            for w in m.split(b",")
        }
        """What it could bind at module level, in any branch."""
        self.promised: Set[str] = set()
        """What it imports for type checkers alone, and has by other means or never."""
        self.stars: List[Tuple[str, int]] = []
        self.asks: List[Asks] = []
        self.path_made = b"__path__" in text
        """Its folders are chosen by code."""
        self._modules: Dict[str, str] = {}
        self._statements(tree.body)
        self.asks = [one for one in self.asks if not one.attributes or one.module in self._modules]
        self.asks = [
            one._replace(module=self._modules[one.module]) if one.attributes else one
            for one in self.asks
        ]
        self.dynamic = bool(_MAKES_NAMES.search(text)) or "__getattr__" in self.names
        """It makes names by other means than statements."""
        self.tabled = False
        """These names stand in tables of the file, or in `scans`."""
        self.scans: List[str] = []
        """Folders below its own whose files' __all__ it exports; "" for its own."""
        self.strings: Set[str] = set()
        self.lazy: Dict[str, str] = {}
        """Name that it exports -> the part of the package that holds it."""
        if self.dynamic:
            self._tables(tree)

    def _statements(self, body: List[ast.stmt]) -> None:
        todo: List[Tuple[List[ast.stmt], int]] = [(body, _RUNS)]
        while todo:
            statements, runs = todo.pop()
            for node in statements:
                if isinstance(node, _DEFINITIONS):
                    self.names.add(node.name)
                elif isinstance(node, (ast.Import, ast.ImportFrom)):
                    self._import(node, _CAN_RUN if getattr(node, "is_lazy", 0) and runs else runs)
                elif isinstance(node, ast.If):
                    holds = decided(node.test)
                    self._targets(node.test)
                    within = _CAN_RUN if holds is None else _RUNS if holds else _NEVER
                    after = _CAN_RUN if holds is None else _NEVER if holds else _RUNS
                    todo.append((node.body, min(runs, within)))
                    todo.append((node.orelse, min(runs, after)))
                elif hasattr(node, "body") or hasattr(node, "cases"):
                    todo.extend((part, min(runs, how)) for part, how in self._parts(node))
                else:
                    self._targets(node)
                if runs == _RUNS:
                    self._evaluated(node)

    def _parts(self, node: Any) -> List[Tuple[List[ast.stmt], int]]:
        """Return the bodies of try, with, for, while and match: of these only `finally` runs for certain."""
        for part in ("target", "test", "iter"):
            self._targets(getattr(node, part, None))
        for item in getattr(node, "items", ()):
            self._targets(item.optional_vars)
        bodies = [getattr(node, part, []) for part in ("body", "orelse")]
        bodies += [one.body for one in getattr(node, "handlers", ())]
        bodies += [one.body for one in getattr(node, "cases", ())]
        return [*((one, _CAN_RUN) for one in bodies), (getattr(node, "finalbody", []), _RUNS)]

    def _targets(self, node: Optional[ast.AST]) -> None:
        for one in ast.walk(node) if node is not None else ():
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                self.names.add(one.id)

    def _import(self, node: Any, runs: int) -> None:
        plain = isinstance(node, ast.Import)
        module, level = ("", 0) if plain else (node.module or "", node.level)
        for alias in node.names:
            if alias.name == "*":
                if runs:
                    self.stars.append((module, level))
            else:
                bound = alias.asname or alias.name.partition(".")[0]
                (self.names if runs else self.promised).add(bound)
            if runs != _RUNS:
                continue
            if plain:
                self.asks.append(Asks(node.lineno, alias.name, 0, ()))
                bound = alias.name if alias.asname else alias.name.partition(".")[0]
                self._modules[alias.asname or bound] = bound
            else:
                self.asks.append(Asks(node.lineno, module, level, (alias.name,)))

    def _evaluated(self, node: Any) -> None:
        """Note the attributes of names that a statement looks up when it runs."""
        if isinstance(node, ast.ClassDef):
            todo = [*node.bases, *(k.value for k in node.keywords), *node.decorator_list]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            todo = [*node.decorator_list, *node.args.defaults]
        elif isinstance(node, (ast.Assign, ast.Expr)):
            todo = [node.value]
        else:
            return
        while todo:
            one = todo.pop()
            if isinstance(one, ast.Attribute):
                path: List[str] = []
                inner: ast.expr = one
                while isinstance(inner, ast.Attribute):
                    path.append(inner.attr)
                    inner = inner.value
                if isinstance(inner, ast.Name):
                    names = tuple(reversed(path))
                    self.asks.append(Asks(one.lineno, inner.id, 0, names, attributes=True))
                else:
                    todo.append(inner)
            elif not isinstance(one, _NEED_NOT_RUN):
                todo.extend(c for c in ast.iter_child_nodes(one) if isinstance(c, ast.expr))
                todo.extend(c.value for c in getattr(one, "keywords", ()))

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


def parsed(text: bytes) -> Optional[Source]:
    """Return the Source of a text; None where this interpreter cannot parse it."""
    try:
        return Source(text, ast.parse(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return None


def _text(node: Any) -> str:
    """Return the text of a constant; "" of anything else."""
    value = getattr(node, "value", None)
    return value if isinstance(node, ast.Constant) and isinstance(value, str) else ""


def decided(test: ast.expr) -> Optional[bool]:
    """Return what a condition is under this interpreter; None where the file alone doesn't tell."""
    turns = 0
    while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, turns = test.operand, turns + 1
    told = _decided(test)
    return told if told is None else told is not bool(turns % 2)


def _decided(test: ast.expr) -> Optional[bool]:
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
