"""What calls in the functions of a file pass by keyword, and what a definition takes."""

import ast
import re
from typing import Any, Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Set, Tuple

NEED_NOT_RUN = (
    *(ast.Lambda, ast.IfExp, ast.BoolOp),
    *(ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp),
)
"""Expressions whose parts need not be evaluated."""
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_HARMLESS = frozenset(
    ("dataclass", "requires", "export", "auto_docstring", "add_start_docstrings", "no_grad")
)
"""Decorators that leave the keywords as they are."""
_CHOOSES = re.compile(
    r"version|avail|hasattr|has_|signature|param|install|support|compat|_G[ET]|_L[ET]|^_?[A-Z_0-9]+$|^is_"
)
"""Names in a condition that may ask which release is there."""


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
    needs: Tuple[str, ...] = ()
    """Packages without which it is not asked."""
    certain: bool = True
    """Every import of the file asks it, where these are there."""


class Signature(NamedTuple):
    """What a definition takes by keyword."""

    keywords: Optional[FrozenSet[str]]
    """None where it may take any."""
    base: Tuple[str, ...] = ()
    """The one class, as dotted, that the definition takes the rest from."""


class Call(NamedTuple):
    """A call with keywords; only a condition that asks for no release stands before it."""

    line: int
    within: str
    """The function: "SFTTrainer.__init__"."""
    called: Asks
    keywords: Tuple[str, ...]


def dotted(node: Any) -> Tuple[str, ...]:
    """Return the parts of a name with attributes; () of anything else."""
    path: List[str] = []
    while isinstance(node, ast.Attribute):
        path.append(node.attr)
        node = node.value
    return (node.id, *reversed(path)) if isinstance(node, ast.Name) else ()


def parts(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the expressions right below one, keywords' values among them."""
    yield from (one for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr))
    yield from (one.value for one in getattr(node, "keywords", ()))


def signature(node: Any) -> Signature:
    """Return what a function or class at module level takes."""
    named = {(dotted(getattr(one, "func", one)) or ("?",))[-1] for one in node.decorator_list}
    if not named <= _HARMLESS:
        return Signature(None)
    if isinstance(node, _FUNCTIONS):
        return Signature(_taken(node))
    inits = [one for one in node.body if getattr(one, "name", "") in ("__init__", "__new__")]
    bases = [
        dotted(getattr(one, "value", one)) for one in node.bases
    ]  # Generic[T] is no base for this
    if node.keywords or len(bases) > 1 or () in bases:
        return Signature(None)
    base = bases[0] if bases else ()
    if "dataclass" in named and not inits:
        fields = [one.target for one in node.body if isinstance(one, ast.AnnAssign)]
        return Signature(frozenset(one.id for one in fields if isinstance(one, ast.Name)), base)
    if len(inits) == 1 and inits[0].name == "__init__":
        plain = isinstance(inits[0], _FUNCTIONS) and not inits[0].decorator_list
        return Signature(_taken(inits[0]) if plain else None)
    return Signature(frozenset(), base) if base and not inits else Signature(None)


def _taken(function: Any) -> Optional[FrozenSet[str]]:
    its = function.args
    return None if its.kwarg else frozenset(one.arg for one in [*its.args, *its.kwonlyargs])


def calls(tree: ast.Module, bound: Dict[str, Asks]) -> Iterator[Call]:
    """Yield the calls in the functions and methods of a file of what its imports bind."""
    for node in tree.body:
        if isinstance(node, _FUNCTIONS):
            yield from _within(node, node.name, (), bound)
        elif isinstance(node, ast.ClassDef):
            base = dotted(node.bases[0]) if len(node.bases) == 1 and not node.keywords else ()
            for one in node.body:
                if isinstance(one, _FUNCTIONS):
                    yield from _within(one, node.name + "." + one.name, base, bound)


def _within(
    function: Any, name: str, base: Tuple[str, ...], bound: Dict[str, Asks]
) -> Iterator[Call]:
    own: Optional[Set[str]] = None
    for node in _calls_of(function.body):
        keywords = tuple(one.arg for one in node.keywords if one.arg)
        path = dotted(node.func)
        func = node.func
        if (
            name.endswith(".__init__")
            and isinstance(func, ast.Attribute)
            and func.attr == "__init__"
        ):
            over = func.value
            path = base if isinstance(over, ast.Call) and dotted(over.func) == ("super",) else ()
        if not keywords or not path or path[0] not in bound:
            continue
        if own is None:
            args = [getattr(one, "arg", "") for one in ast.walk(function.args)]
            held = [one for one in ast.walk(function) if isinstance(one, (ast.Name, ast.alias))]
            own = {
                *args,
                *(
                    getattr(n, "id", "")
                    for n in held
                    if isinstance(getattr(n, "ctx", None), ast.Store)
                ),
            }
            own.update(getattr(n, "asname", "") or getattr(n, "name", "") for n in held)
        if path[0] not in own:
            ask = bound[path[0]]
            yield Call(node.lineno, name, ask._replace(names=ask.names + path[1:]), keywords)


def _calls_of(body: List[ast.stmt]) -> Iterator[ast.Call]:
    """Yield the calls that no condition guards that may ask which release is there."""
    todo: List[List[ast.stmt]] = [body]
    while todo:
        for node in todo.pop():
            if isinstance(node, ast.If):
                names = (getattr(n, "attr", getattr(n, "id", "")) for n in ast.walk(node.test))
                if any(_CHOOSES.search(one) for one in names if one):
                    if any(_leaves(one) for one in (node.body, node.orelse)):
                        return
                    continue
                todo += [node.body, node.orelse]
            elif isinstance(node, (ast.With, ast.For, ast.While)):
                todo.append(node.body)
            elif isinstance(node, (ast.Expr, ast.Assign, ast.AnnAssign, ast.Return)) and node.value:
                yield from _evaluated(node.value)


def _leaves(body: List[ast.stmt]) -> bool:
    return bool(body) and isinstance(body[-1], (ast.Return, ast.Continue, ast.Break))


def _evaluated(value: ast.expr) -> Iterator[ast.Call]:
    todo = [value]
    while todo:
        one = todo.pop()
        if not isinstance(one, NEED_NOT_RUN):
            todo.extend(parts(one))
            if isinstance(one, ast.Call):
                yield one
