"""Combinations that break: the table, and which rows fire when."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import (
    Distribution,
    Environment,
    Errors,
    ErrorText,
    Packages,
    TorchBuild,
    empty,
)
from tunedoctor.model.versions import specifiers
from tunedoctor.tables import known_bad
from tunedoctor.tables.known_bad import Row, bitsandbytes_cuda, broken_pairs, rows
from tunedoctor.tables.load import table

CHECKS = sorted({row["check"] for row in table("known_bad")["rows"]})
ROWS: list[Row] = [row for check in CHECKS for row in rows(check)]
BARE = empty(TorchBuild)
GOOD = table("good_sets")["sets"]


def _packages(versions: dict[str, str], *, complete: bool = True) -> Packages:
    return Packages(
        distributions=tuple(Distribution(name=n, version=v) for n, v in versions.items()),
        complete=complete,
    )


def _errors(*texts: str) -> Errors:
    return Errors(errors=tuple(ErrorText(text=t) for t in texts))


def _ids(check: str, versions: dict[str, str], **more: object) -> list[str]:
    complete = bool(more.pop("complete", True))
    known: dict[str, Any] = {"torch": BARE, **more}
    found = broken_pairs(check, _packages(versions, complete=complete), **known)
    return [one.row.id for one in found]


def test_every_row_belongs_to_a_check() -> None:
    assert {row.check for row in ROWS} <= {check.id for check in all_checks()}


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.id)
def test_a_row_is_sound(row: Row) -> None:
    for specifier in (*row.when.values(), *row.when_not.values(), *row.fix.values()):
        assert specifier == "*" or specifiers(specifier) is not None
    assert row.source
    assert row.says
    assert re.search(row.symptom, row.says) or row.id == "numpy-2-abi-any" or len(row.says) > 8
    assert row.trigger == "symptom" or row.verified in ("run", "run-simulated", "source", "cited")
    if row.trigger != "symptom" and row.verified == "cited":
        assert len(row.source) > 1, "one weak source never decides alone"


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("versions", GOOD, ids=lambda v: f"torch {v['torch']}")
def test_good_sets_are_left_alone(check: str, versions: dict[str, str]) -> None:
    assert _ids(check, versions) == []


LIBRARIES, QUANT = "library-version-clash", "quantisation-library-mismatch"
NEW = {"transformers": "5.24.0"}
TEXT = "TypeError: SFTConfig.__init__() got an unexpected keyword argument 'max_seq_length'"


@pytest.mark.parametrize(
    ("check", "versions", "more", "ids"),
    [
        (LIBRARIES, {"peft": "0.17.1", **NEW}, {}, ["peft-0.16-0.17-hybridcache"]),
        (LIBRARIES, {"peft": "0.18.1", **NEW}, {}, []),
        (LIBRARIES, {"tokenizers": "0.22.1", **NEW}, {}, ["tokenizers-for-transformers-5.16"]),
        (LIBRARIES, {"tokenizers": "0.23.3", **NEW}, {}, []),
        (LIBRARIES, NEW, {}, []),
        # absence counts only where all is told
        ("missing-dependency", NEW, {}, ["accelerate-missing"]),
        ("missing-dependency", NEW, {"complete": False}, []),
        # a symptom row needs its text
        (LIBRARIES, {"trl": "1.16.0"}, {}, []),
        (
            LIBRARIES,
            {"trl": "1.16.0"},
            {"errors": _errors(TEXT)},
            ["trl-0.20-sftconfig-max-seq-length"],
        ),
        (LIBRARIES, {"trl": "0.15.2"}, {"errors": _errors(TEXT)}, []),
        # the environment decides, and what the build has
        (
            QUANT,
            {"bitsandbytes": "0.50.2"},
            {"environment": Environment(variables={"BNB_CUDA_VERSION": ""})},
            ["bnb-empty-override"],
        ),
        (QUANT, {"bitsandbytes": "0.50.2"}, {"environment": Environment(variables={})}, []),
        (QUANT, {"bitsandbytes": "0.50.2"}, {}, []),
        (
            QUANT,
            {"bitsandbytes": "0.44.1", "triton": "3.1.0"},
            {"torch": TorchBuild(version="2.5.1+cpu", accelerator="cpu")},
            ["triton-no-driver-import"],
        ),
        (
            QUANT,
            {"bitsandbytes": "0.44.1", "triton": "3.1.0"},
            {"torch": TorchBuild(version="2.5.1+cu124", cuda="12.4", accelerator="cuda")},
            [],
        ),
    ],
)
def test_which_rows_fire(
    check: str, versions: dict[str, str], more: dict[str, Any], ids: list[str]
) -> None:
    assert _ids(check, versions, **more) == ids


def test_the_build_knows_the_release_better_than_the_metadata() -> None:
    build, check = TorchBuild(version="2.5.1+cpu"), "torch-too-old-for-library"
    found = broken_pairs(check, _packages({**NEW, "torch": "2.9.1"}), build)
    assert found[0].versions == {"transformers": "5.24.0", "torch": "2.5.1+cpu"}
    assert found[0].row.id == "transformers-5.20-needs-torch-2.6"


def test_a_text_alone_decides_where_no_version_is_known() -> None:
    said = _errors("ImportError: cannot import name 'HybridCache' from 'transformers'")
    found = broken_pairs("library-version-clash", empty(Packages), BARE, errors=said)
    assert found[0].row.id == "peft-0.16-0.17-hybridcache"
    assert found[0].versions == {}
    vague = _errors("KeyError: 'past_key_values'")
    assert broken_pairs("library-version-clash", empty(Packages), BARE, errors=vague) == ()


@given(st.text(max_size=300), st.text(max_size=20), st.sampled_from(CHECKS))
def test_no_text_and_no_version_makes_it_fall(text: str, version: str, check: str) -> None:
    names = ("transformers", "peft", "trl", "torch", "bitsandbytes", "numpy")
    packages = _packages(dict.fromkeys(names, version))
    broken_pairs(check, packages, BARE, errors=_errors(text))


def test_binaries_of_bitsandbytes() -> None:
    for version, has, lacks in (
        ("0.43.3", 125, 126),
        ("0.45.2", 126, 128),
        ("0.47.0", 129, 130),
        ("0.49.2", 130, 132),
        ("0.50.2", 132, 129),
        ("0.60.0", 132, 129),
    ):
        assert has in bitsandbytes_cuda(version)
        assert lacks not in bitsandbytes_cuda(version)
    assert bitsandbytes_cuda("0.37.0") == bitsandbytes_cuda("of mine") == ()


def test_the_table_names_no_place_of_downloads() -> None:
    text = Path(known_bad.__file__).with_name("known_bad.json").read_text(encoding="utf-8")
    assert not re.search(r"\bpypi\.|files\.python", text)
    assert "as_of" in json.loads(text)


def test_all_rules_cost_little() -> None:
    versions = {n: "5.1.0" for row in ROWS for n in row.names}
    packages = _packages(versions)
    for check in CHECKS:
        broken_pairs(check, packages, BARE)
    begun = time.process_time()
    for check in CHECKS:
        broken_pairs(check, packages, BARE)
    assert time.process_time() - begun < 0.006
