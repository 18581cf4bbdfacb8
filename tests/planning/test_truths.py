"""The table of breaks as constraints."""

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.planning.search import firing, named, outside, remedies
from tunedoctor.tables.known_bad import Broken, rows
from tunedoctor.tables.load import table
from tunedoctor.versions import pep440, specifiers, within

ROWS = [
    row
    for check in {r["check"] for r in table("known_bad")["rows"]}
    for row in rows(check)
    if row.trigger != "symptom"
]
_NUMBERS = st.lists(st.integers(0, 60), min_size=1, max_size=3).map(lambda n: ".".join(map(str, n)))


def _inside(specifier: str) -> str:
    """Return a version within a specifier, near its bounds."""
    if specifier == "*":
        return "1.0"
    bounds = [c.version.replace(".*", "") for c in specifiers(specifier) or ()]
    tries = [*bounds, *(f"{b}.1" for b in bounds), "0.0.1", "1.0", "999"]
    tries += [
        f"{'.'.join(b.split('.')[:-1])}.{int(b.split('.')[-1]) - 1}" for b in bounds if b[-1] != "0"
    ]
    return next(t for t in tries if pep440(t) and within(t, specifier))


def test_every_row_that_versions_fire_can_be_met_and_left() -> None:
    assert len(ROWS) > 40
    for row in ROWS:
        versions = {name: _inside(spec) for name, spec in row.when.items()}
        ways = remedies(Broken(row, versions, ""), (), frozenset())
        two_of_torch = all(name not in named() for name in row.when)
        any_version = row.when and all(spec == "*" for spec in row.when.values())
        assert ways or two_of_torch or any_version or row.env, row.id
        for way in ways:
            assert way.specifier == "" or specifiers(way.specifier) is not None, row.id


@given(st.sampled_from(ROWS), st.data())
def test_a_remedy_leads_out_of_the_row(row: object, data: st.DataObject) -> None:
    when: dict[str, str] = row.when  # type: ignore[attr-defined]
    versions = {name: _inside(spec) for name, spec in when.items()}
    for way in remedies(Broken(row, versions, ""), (), frozenset()):  # type: ignore[arg-type]
        if way.specifier in outside(when.get(way.name, "")):
            version = data.draw(_NUMBERS)
            if within(version, way.specifier):
                assert within(version, when[way.name]) is False


@given(_NUMBERS, _NUMBERS, _NUMBERS, st.sampled_from([">=", ">"]), st.sampled_from(["<", "<="]))
def test_outside_of_a_range_and_inside_are_all_there_is(
    low: str, high: str, version: str, floor: str, cap: str
) -> None:
    range_ = f"{floor}{low},{cap}{high}"
    out = [within(version, one) for one in outside(range_)]
    assert any(out) is not within(version, range_)


@given(st.text())
def test_outside_of_any_text_is_no_error(text: str) -> None:
    assert all(specifiers(one) is not None for one in outside(text))


@given(st.dictionaries(st.sampled_from(sorted(named())), _NUMBERS))
def test_what_fires_is_about_the_versions_given(versions: dict[str, str]) -> None:
    for pair in firing(versions):
        assert set(pair.row.when) <= set(versions)
        assert pair.row.severity != "note"
        for name, specifier in pair.row.when.items():
            assert specifier == "*" or within(versions[name], specifier)


def test_torch_and_what_it_brings_never_give_way() -> None:
    versions = {"transformers": "5.24.0", "torch": "2.5.1", "accelerate": "1.15.0"}
    (pair,) = firing(versions)
    ways = remedies(pair, (), frozenset({"torch"}))
    assert {way.name for way in ways} == {"transformers"}
    assert ways[0].specifier == "<5.20"


def test_what_was_seen_to_cure_comes_first_and_what_is_asked_for_last() -> None:
    (pair,) = firing({"pyarrow": "26.0.1", "numpy": "1.26.4"})
    assert remedies(pair, (), frozenset())[0][:2] == ("numpy", ">=2.0")
    assert remedies(pair, ("numpy",), frozenset())[0][:2] == ("pyarrow", "<26")


def test_a_missing_package_is_the_remedy_where_it_lacks() -> None:
    (pair,) = firing(
        {"transformers": "5.13.1", "tokenizers": "0.22.2", "huggingface-hub": "1.33.0"}
    )
    assert pair.row.absent == ("accelerate",)
    first = remedies(pair, (), frozenset())[0]
    assert (first.name, first.specifier) == ("accelerate", "")
