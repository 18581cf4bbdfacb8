"""What calls in the functions of a file pass by keyword, and what a definition takes."""

from __future__ import annotations

import ast
import re
from typing import Any, Iterator, NamedTuple

NEED_NOT_RUN = (
    *(ast.Lambda, ast.IfExp, ast.BoolOp),
    *(ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp),
)
"""Expressions whose parts need not be evaluated."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LEAVES = (ast.Return, ast.Continue, ast.Break)
_HARMLESS = frozenset(
    ("dataclass", "requires", "export", "auto_docstring", "add_start_docstrings", "no_grad")
)
"""Decorators that leave the keywords as they are."""
_CHOOSES = re.compile(
    r"version|avail|hasattr|has_|signature|param|install|support|compat|_G[ET]|_L[ET]|^_?[A-Z_0-9]+$|^is_"
)
"""Names in a condition that may ask which release is there."""


class Asks(NamedTuple):
    """The names that the imports of a file require of a module."""

    line: int
    module: str
    """As written, without the dots."""
    level: int
    """Dots before it."""
    names: tuple[str, ...]
    """() for the module alone, one name that is imported, or a path of attributes."""
    attributes: bool = False
    needs: tuple[str, ...] = ()
    """Packages without which it is not asked."""
    certain: bool = True
    """Every import of the file asks it, where these are there."""


class Signature(NamedTuple):
    """The keywords that a definition accepts."""

    keywords: frozenset[str] | None
    """None where it may take any."""
    base: tuple[str, ...] = ()
    """The one class, as dotted, that the definition takes the rest from."""


class KeywordCall(NamedTuple):
    """A call with keywords that no condition on a release guards."""

    line: int
    within: str
    """The function: "SFTTrainer.__init__"."""
    called: Asks
    keywords: tuple[str, ...]


def dotted(node: Any) -> tuple[str, ...]:
    """Return the parts of a name with attributes; () of anything else."""
    path: list[str] = []
    while isinstance(node, ast.Attribute):
        path.append(node.attr)
        node = node.value
    return (node.id, *reversed(path)) if isinstance(node, ast.Name) else ()


def evaluated(todo: list[ast.expr]) -> Iterator[ast.expr]:
    """Yield expressions and their owners, except those that need not run; for a.b.c only the complete one."""
    while todo:
        one = todo.pop()
        if isinstance(one, NEED_NOT_RUN):
            continue
        yield one
        root = one
        while isinstance(root, ast.Attribute):
            root = root.value
        if root is one:
            todo.extend(c for c in ast.iter_child_nodes(one) if isinstance(c, ast.expr))
            todo.extend(c.value for c in getattr(one, "keywords", ()))
        else:
            todo.append(root)


def stored(node: ast.AST) -> set[str]:
    """Return the names that anything below a node binds."""
    names = (
        getattr(n, "arg", "")
        or getattr(n, "asname", "")
        or getattr(n, "name", getattr(n, "id", ""))
        for n in ast.walk(node)
        if isinstance(n, (ast.arg, ast.alias))
        or (isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load))
    )
    return set(names)


def signature(node: Any) -> Signature:
    """Return what a function or class at module level takes."""
    named = {(dotted(getattr(one, "func", one)) or ("?",))[-1] for one in node.decorator_list}
    if not named <= _HARMLESS:
        return Signature(None)
    if isinstance(node, _FUNCTIONS):
        return Signature(_keywords(node))
    inits = [one for one in node.body if getattr(one, "name", "") in ("__init__", "__new__")]
    # Generic[T] is no base for this
    bases = [dotted(getattr(one, "value", one)) for one in node.bases]
    if node.keywords or len(bases) > 1 or () in bases:
        return Signature(None)
    base = bases[0] if bases else ()
    if "dataclass" in named and not inits:
        fields = [one.target for one in node.body if isinstance(one, ast.AnnAssign)]
        return Signature(frozenset(one.id for one in fields if isinstance(one, ast.Name)), base)
    if len(inits) == 1 and inits[0].name == "__init__":
        plain = isinstance(inits[0], _FUNCTIONS) and not inits[0].decorator_list
        return Signature(_keywords(inits[0]) if plain else None)
    return Signature(frozenset(), base) if base and not inits else Signature(None)


def _keywords(function: Any) -> frozenset[str] | None:
    its = function.args
    return None if its.kwarg else frozenset(one.arg for one in [*its.args, *its.kwonlyargs])


def calls(tree: ast.Module, bound: dict[str, Asks]) -> Iterator[KeywordCall]:
    """Yield the calls in the functions and methods of a file of what its imports bind."""
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        bases = node.bases if isinstance(node, ast.ClassDef) and not node.keywords else []
        base = dotted(bases[0]) if len(bases) == 1 else ()
        begin = "" if inner[0] is node else getattr(node, "name", "") + "."
        for one in inner:
            if isinstance(one, _FUNCTIONS):
                yield from _within(one, begin + one.name, base, bound)


def _within(
    function: Any, name: str, base: tuple[str, ...], bound: dict[str, Asks]
) -> Iterator[KeywordCall]:
    own: set[str] = set()
    for node in _calls_of(function.body):
        keywords = tuple(one.arg for one in node.keywords if one.arg)
        path = dotted(node.func)
        over = getattr(node.func, "value", None)
        if isinstance(over, ast.Call) and dotted(over.func) == ("super",):
            path = base if name.endswith(".__init__") and node.func.attr == "__init__" else ()
        if keywords and path and path[0] in bound:
            own = own or stored(function)
            if path[0] not in own:
                called = bound[path[0]]
                called = called._replace(names=called.names + path[1:])
                yield KeywordCall(node.lineno, name, called, keywords)


def _calls_of(body: list[ast.stmt]) -> Iterator[Any]:
    """Yield the calls that no condition which may depend on a release guards."""
    todo: list[list[ast.stmt]] = [body]
    while todo:
        for node in todo.pop():
            if isinstance(node, ast.If):
                names = (getattr(n, "attr", getattr(n, "id", "")) for n in ast.walk(node.test))
                if not any(_CHOOSES.search(one) for one in names if one):
                    todo += [node.body, node.orelse]
                elif any(isinstance(o[-1], _LEAVES) for o in (node.body, node.orelse) if o):
                    return
            elif isinstance(node, (ast.With, ast.For, ast.While)):
                todo.append(node.body)
            elif isinstance(node, (ast.Expr, ast.Assign, ast.AnnAssign, ast.Return)) and node.value:
                yield from (one for one in evaluated([node.value]) if isinstance(one, ast.Call))
