"""What a finding hangs on, by experiment: facts of another machine take the place of this one's. Pure.

What makes the finding go explains it; no list says what belongs to what.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

import msgspec
from msgspec import structs

from tunedoctor.diagnosis.engine import diagnose, kinds_of
from tunedoctor.facts import Fact
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.tables.load import table

TRIES = 100
"""Diagnoses by which the change that a finding hangs on is made smaller: a real one takes about 20."""
_KEYS = re.compile(r"\[[^\]]*\]")


class Item(NamedTuple):
    """A part of an answer that can be exchanged: all of it, a field, a part of a field, or one value of that."""

    kind: type[Fact]
    field: str = ""
    key: str | None = None
    name: str = ""
    main: bool = False
    """The value that stands for its part."""

    @property
    def path(self) -> str:
        """Where it stands in the fact."""
        there = self.field if self.key is None else f"{self.field}[{key_of(self.key)}]"
        return f"{there}.{self.name}" if self.name and not self.main else there

    def covers(self, path: str) -> bool:
        """Tell whether a change stands in it."""
        return (
            path == self.path
            if self.main
            else not self.field or f"{path}.".startswith((f"{self.path}.", f"{self.path}["))
        )


Goes = Callable[[Iterable[Item]], bool]
"""Whether a finding goes with some items."""


def explained(failing: Snapshot, well: Snapshot, check: Check) -> list[list[Item]]:
    """Return what makes the finding of a check go, taken over from `well`: each set does, and is as small as can be.

    One kind of fact at a time, else as few of them as are enough; none where not even all are.
    """
    blind = check.id in diagnose(well, [check]).unknown

    def goes(items: Iterable[Item]) -> bool:
        seen = diagnose(exchanged(failing, well, items), [check])
        return not seen.causes and (blind or check.id not in seen.unknown)

    kinds = dict.fromkeys(kinds_of(check))
    differ = [Item(kind) for kind in kinds if failing.get(kind) != well.get(kind)]
    if goes(()) or not goes(differ):
        return []
    sets = [[one] for one in differ if goes([one])] or [_fewest(differ, goes)]
    return [_narrowed(some, failing, well, goes) for some in sets]


def exchanged(failing: Snapshot, well: Snapshot, items: Iterable[Item]) -> Snapshot:
    """Return `failing` with these of `well` in the place of its own."""
    answers = failing.answers()
    by_field: dict[tuple[type[Fact], str], list[tuple[str | None, str]]] = {}
    for kind, field, key, name, _ in items:
        by_field.setdefault((kind, field), []).append((key, name))
    for (kind, field), keys in by_field.items():
        own, other = answers.get(kind), well.get(kind)
        new = _mixed(getattr(own, field), getattr(other, field), keys) if field else other
        answers[kind] = structs.replace(own, **{field: new}) if own and field else other
    return Snapshot(answers, taken=failing.taken, doctor=failing.doctor)


def _mixed(own: Any, other: Any, keys: Iterable[tuple[str | None, str]]) -> Any:  # noqa: ANN401  of any field
    """Return a field with the parts of another's that have these names, or values of them; all of that for None."""
    if (None, "") in keys:
        return other
    mine, theirs, wanted = (
        dict(parts_of(own)),
        parts_of(other),
        {key for key, name in keys if not name},
    )
    for key, name in keys:
        if key is not None and name:
            mine[key] = structs.replace(mine[key], **{name: getattr(theirs[key], name)})
    mixed = {key: theirs.get(key) if key in wanted else part for key, part in mine.items()}
    mixed |= {key: part for key, part in theirs.items() if key in wanted}
    held = {key: part for key, part in mixed.items() if part is not None}
    return held if isinstance(own, Mapping) else tuple(held.values())


def _narrowed(some: list[Item], failing: Snapshot, well: Snapshot, goes: Goes) -> list[Item]:
    """Return the fields, and the parts of fields, that are enough of some facts."""
    items: list[Item] = []
    for kind, *_ in some:
        own, other = failing.get(kind), well.get(kind)
        if not (isinstance(own, kind) and isinstance(other, kind)):
            items.append(Item(kind))
            continue
        for field in kind.__struct_fields__:
            one, two = getattr(own, field), getattr(other, field)
            if one != two:
                mine, theirs = parts_of(one), parts_of(two)
                keys = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
                # what is on one side alone is left out before what is on both
                keys.sort(key=lambda key: key not in mine or key not in theirs)
                items += [Item(kind, field, key) for key in keys] or [Item(kind, field)]
    # and before that what tells nothing by itself
    items.sort(key=lambda item: incidental(item.kind.__name__, item.path))
    if not goes(items):
        return some
    items = _fewest(items, goes)
    finer = [*chain(*(_values(item, failing, well) for item in items))]
    finer.sort(key=lambda item: incidental(item.kind.__name__, item.path))
    return _fewest(finer, goes) if goes(finer) else items


def _values(item: Item, failing: Snapshot, well: Snapshot) -> list[Item]:
    """Return the values in which a part that both sides have differs, else the item."""
    kind, field, key, *_ = item
    one, two = (parts_of(getattr(s.get(kind), field, None)).get(key or "") for s in (failing, well))
    if not (isinstance(one, msgspec.Struct) and isinstance(two, msgspec.Struct)):
        return [item]
    names = one.__struct_fields__
    main = names[str(getattr(one, names[0])) == key]
    differ = [name for name in names if getattr(one, name) != getattr(two, name)]
    return [Item(kind, field, key, name, name == main) for name in differ]


def _fewest(items: list[Item], goes: Goes) -> list[Item]:
    """Leave out ever smaller runs of items that it goes without, the last first."""
    tries, size = 0, len(items) // 2
    while size and tries < TRIES:
        end = len(items)
        while end > 0 and tries < TRIES:
            start, tries = max(end - size, 0), tries + 1
            rest = items[:start] + items[end:]
            items = rest if rest and goes(rest) else items
            end = start
        size //= 2
    return items


def parts_of(value: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Return the parts of a list or a mapping by what they are called; none of what has no parts."""
    if isinstance(value, Mapping):
        return value
    if not (isinstance(value, tuple) and value and isinstance(value[0], msgspec.Struct)):
        return {}
    first = value[0].__struct_fields__[0]
    keys = [str(getattr(part, first)) for part in value]
    if len({*keys}) < len(keys) or max(map(len, keys)) > 60:  # names tell them apart, and are short
        keys = [str(number) for number in range(len(keys))]
    return dict(zip(keys, value, strict=True))


def key_of(key: str) -> str:
    """Return how a part is called in a path."""
    return key.replace("[", "(").replace("]", ")")


@cache
def _incidental() -> frozenset[tuple[str, str]]:
    rows = table("incidental")["rows"]
    return frozenset((row["fact"], field) for row in rows for field in row["fields"])


def incidental(fact: str, path: str) -> bool:
    """Tell a difference that says nothing by itself: what moves, a path, the name of one thing among equals."""
    return bool({(fact, path), (fact, _KEYS.sub("", path))} & _incidental())
