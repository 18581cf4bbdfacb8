"""The arguments of public functions: types that several share, and one error type for what cannot be used.

`Meta(description=...)` in an annotation is what `doctor mcp` tells an agent about the parameter.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from os import PathLike
from types import UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    ParamSpec,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
from msgspec import Meta

from tunedoctor.core.errors import DoctorError, misuse
from tunedoctor.diagnosis.gate import ProfileName
from tunedoctor.tables.config import FailOn

P = ParamSpec("P")
T = TypeVar("T")
Place = str | PathLike[str] | None
"""A `target`: an interpreter or the folder of an environment; None for the active one, or the one that is found."""
TargetArgument = Annotated[Place, Meta(description="Interpreter or environment folder to examine.")]
OnlyArgument = Annotated[Sequence[str], Meta(description="Ids of the only checks to run.")]
SkipArgument = Annotated[Sequence[str], Meta(description="Ids of checks to skip.")]
FailOnArgument = Annotated[
    FailOn | None,
    Meta(description="Lowest severity that makes the verdict 'findings' (default: error)."),
]
StrictArgument = Annotated[
    bool, Meta(description="Count warnings and undecided checks against the verdict.")
]
ProfileArgument = Annotated[
    ProfileName,
    Meta(description="What to examine: 'node' is the machine without a Python environment."),
]
GpusArgument = Annotated[
    Sequence[str],
    Meta(description="GPU models or architectures, for example 8.9; ['none'] for no GPU."),
]
DriverArgument = Annotated[str | None, Meta(description="NVIDIA driver version, or 'none'.")]
PythonArgument = Annotated[str | None, Meta(description="Python version, for example 3.12.")]
PlatformArgument = Annotated[
    str | None, Meta(description="Describe another machine: linux, wsl, windows or macos.")
]
ArchArgument = Annotated[
    str | None, Meta(description="CPU architecture: x86_64, aarch64 or arm64.")
]
GlibcArgument = Annotated[str | None, Meta(description="glibc version, for example 2.28.")]


def public(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function that raises only DoctorError for input that cannot be used, or is of another type."""

    @wraps(function)
    def examined(*args: P.args, **named: P.kwargs) -> T:
        # a command calls none of these functions
        from tunedoctor.model.snapshot import SnapshotError  # noqa: PLC0415
        from tunedoctor.tables.config import ConfigError, mirrors  # noqa: PLC0415

        hints = get_type_hints(function)
        given = {**dict(zip(hints, args, strict=False)), **named}
        for name, value in given.items():
            if name in hints:  # Python itself reports a name that does not exist
                _examine(name, value, hints[name])
        try:
            mirrors()
            return function(*args, **named)
        except (ConfigError, SnapshotError) as error:
            raise DoctorError(str(error)) from error

    return examined


def _examine(name: str, value: object, hint: Any) -> None:  # noqa: ANN401  an annotation
    """Raise DoctorError if a value is not of the type that a parameter has."""
    types = _types(hint)
    inner = value if isinstance(value, list | tuple) else ()
    accepted = tuple(types.values())
    if isinstance(value, str | bytes):  # a sequence of its characters is never meant
        accepted = tuple(one for one in accepted if one is not Sequence)
    fits = isinstance(value, accepted) and all(isinstance(x, _item_types(hint)) for x in inner)
    if not fits or (isinstance(value, bool) and not {"bool", "object"} & {*types}):
        words = " or ".join(one for one in types if one != "NoneType")
        raise DoctorError(f"{name} is of type {type(value).__name__}; it takes {words}")
    choices = _choices(hint)
    if choices and isinstance(value, str) and value not in choices:
        misuse(f"{name} is {value[:60]!r}", f"choose one of {', '.join(choices)}")


def _types(hint: Any) -> dict[str, type]:  # noqa: ANN401  an annotation
    """Return name -> what isinstance knows of each type in an annotation; numpy's numbers are numbers."""
    from numbers import Integral, Real  # noqa: PLC0415  a command calls no public function

    origin = get_origin(hint) or hint
    if origin in (Union, UnionType):
        return {name: one for part in get_args(hint) for name, one in _types(part).items()}
    if origin is Literal:
        return {type(one).__name__: type(one) for one in get_args(hint)}
    if not isinstance(origin, type):
        return {"object": object}
    name = "a list of str" if origin is Sequence else origin.__name__
    numbers: dict[Any, Any] = {int: Integral, float: Real}
    return {name: numbers.get(origin, origin)}


def _item_types(hint: Any) -> tuple[type, ...]:  # noqa: ANN401  an annotation
    """Return the types that the items of a list may have."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    items = [get_args(one)[0] for one in parts if get_origin(one) is Sequence]
    return tuple(kind for one in items for kind in _types(one).values()) or (str,)


def _choices(hint: Any) -> tuple[str, ...]:  # noqa: ANN401  an annotation
    """Return the strings that a parameter takes; () if it takes any."""
    parts = [hint] if get_origin(hint) is Literal else get_args(hint)
    every = (one for part in parts if get_origin(part) is Literal for one in get_args(part))
    return tuple(one for one in every if isinstance(one, str))


def options_of(kind: type[T], **values: object) -> T:
    """Return an options struct of values. Raises DoctorError, which names the value that cannot be."""
    try:
        return msgspec.convert(values, kind, from_attributes=True)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        name = place.strip("`$.").partition("[")[0]
        choices = _choices(get_type_hints(kind).get(name))
        takes = (
            f"choose one of {', '.join(choices)}" if choices else f"{what[:1].lower()}{what[1:]}"
        )
        raise DoctorError(f"{name} is {repr(values.get(name))[:60]}; {takes}") from None


def values_of(kind: type[T], given: msgspec.Struct, **instead: object) -> T:
    """Return a struct or tuple whose fields have the names of options; `instead` are other values."""
    names = kind.__annotations__
    values = {**msgspec.structs.asdict(given), **instead}
    return kind(**{name: value for name, value in values.items() if name in names})
