"""One table of overrides: what the wheel choice sets and what the checks advise are of it."""

import pytest

from tunedoctor.facts import AmdGpu, AmdGpus, Environment, Host, TorchBuild
from tunedoctor.registry import all_checks
from tunedoctor.snapshot import Snapshot
from tunedoctor.tables.load import table
from tunedoctor.tables.small import rocm_override
from tunedoctor.wheels.pick import override_of
from tunedoctor.wiring import call

ROWS = table("rocm_overrides")["rows"]
CHECKS = {one.id: one for one in all_checks()}


def test_every_row_has_a_source_and_stands_once() -> None:
    assert len({row["gfx"] for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert row["source"] in table("rocm_overrides")["sources"]
        own = rocm_override(row["gfx"])
        assert own is not None
        # never across a major generation
        assert own.runs[:-2] == own.gfx[:-2]
    assert rocm_override("gfx1030") is None
    assert "hsa_override" not in table("torch_wheels")["rocm"]


def machine(gfx: str, override: str = "") -> Snapshot:
    return Snapshot.of(
        [
            Host(os="linux", name="Ubuntu 24.04"),
            AmdGpus(gpus=(AmdGpu(index=0, gfx=gfx, name="a card"),)),
            TorchBuild(
                version="2.9.1+rocm6.4",
                hip="6.4",
                accelerator="rocm",
                variant="rocm6.4",
                archs=("gfx1030", "gfx1100"),
            ),
            Environment(variables={"HSA_OVERRIDE_GFX_VERSION": override} if override else {}),
        ]
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["gfx"])
def test_choice_and_checks_say_what_the_table_says(row: dict[str, str]) -> None:
    gfx, value, grade = row["gfx"], row["value"], row["grade"]
    assert override_of(gfx) == (value if grade == "works" else "")
    lacks = call(CHECKS["gpu-arch-not-in-rocm-build"].run, machine(gfx))
    cure = lacks.cure.command  # type: ignore[union-attr]
    # a stopgap is advised only where no build with the target can be had
    advised = grade in ("works", "older") or (grade == "stopgap" and "--index-url" not in cure)
    assert (f"HSA_OVERRIDE_GFX_VERSION={value}" in cure) is advised
    wrong = call(CHECKS["rocm-override-wrong"].run, machine(gfx, value))
    assert (wrong is None) is (grade != "fails")
    if wrong is not None:
        assert "unset HSA_OVERRIDE_GFX_VERSION" in wrong.cure.command  # type: ignore[union-attr]
