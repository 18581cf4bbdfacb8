"""Every broken target is cured by `doctor fix --yes` and brought back by `doctor undo`, or left as it was."""

import re
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from gallery import doctor
from gallery.doctor import Said
from gallery.place import TORCH, Place, derive, empty, find_python
from rows import rows

pytestmark = pytest.mark.gallery

Row = dict[str, Any]
ROWS: list[Row] = rows("gallery/cures.jsonl")
"""`cause` is there before and gone afterwards; without one the target is left, and `says` is the reason.

`run`: it shows only when the packages run; `deep` is false where metadata claim a CUDA build that the binary is not.
"""
CURED = pytest.mark.parametrize("row", [r for r in ROWS if "cause" in r], ids=lambda r: r["name"])
LEFT = pytest.mark.parametrize("row", [r for r in ROWS if "says" in r], ids=lambda r: r["name"])
LOOKS = re.compile(r"home/\.local/state/tunedoctor/[^/]+/looks\.json")


@pytest.fixture(scope="module")
def known(base):
    """Read the base before and after: its files are shared by all targets."""
    before = doctor.read(base.environment)
    whole = derive(base, "whole")
    assert not doctor.record_faults(whole.site, before)
    shutil.rmtree(whole.root)
    yield before
    assert doctor.read(base.environment) == before


@CURED
def test_cured_and_brought_back(row, place, known):
    """After the fix the doctor says ready and every file is as its RECORD says; after undo all is as before."""
    deep: bool = row.get("deep", True)
    run = ["--deep"] if row.get("run") else []
    found = doctor.check(place, deep=bool(run))
    assert row["cause"] in _all(found), found.report["findings"]
    before = doctor.contents(place.target, known)
    claimed = set(doctor.record_faults(place.site, known))

    argv = ["fix", *row.get("ids", ()), "--yes", "--installer", row.get("installer", "uv"), *run]
    fixed = doctor.told(place, *argv, "--target", place.named)
    if doctor.SOURCES == "nothing" and fixed.report["end"] == "refused":
        # what needs no package is cured all the same
        assert fixed.status == 1, fixed.out
        assert "no answer from the package source" in fixed.report["why"], fixed.out
        assert any("pip download" in one for one in fixed.report["by_hand"]), fixed.out
        assert not doctor.differences(before, doctor.contents(place.target, known))
        return
    assert fixed.report["end"] == "applied", fixed.out
    assert fixed.status == 0, fixed.out
    assert "Traceback" not in fixed.err

    after = doctor.check(place, deep=deep, variables=doctor.activated(place))
    assert after.report["verdict"] == "ready", after.report
    assert row["cause"] not in _all(after), after.report["findings"]
    assert not after.wrong, after.report["findings"]
    hurt = set(doctor.record_faults(place.site, known))
    # files that are made up differ from their RECORD, before and after
    assert hurt <= (set() if deep else claimed)

    undone = doctor.told(place, "undo", "--target", place.named)
    assert undone.report["undone"]["done"], undone.out
    assert not doctor.differences(before, doctor.contents(place.target, known))
    again = doctor.check(place, deep=bool(run))
    assert again.findings == found.findings


@LEFT
def test_left_as_it_was(row, place, known):
    """What the doctor can't cure it doesn't touch, neither the environment nor what lies around it."""
    if row["name"] == "no-network" and doctor.SOURCES == "wheelhouse":
        pytest.skip("the folder of wheels cures it without any network")
    before = _seen(place, known)
    argv = ["fix", "--yes", *(["--deep"] if row.get("run") else [])]
    argv += ["--new", place.new] if place.new else ["--target", place.named]
    fixed = doctor.told(place, *argv)
    assert fixed.report["end"] == row.get("end", "told"), fixed.out
    assert "Traceback" not in fixed.err
    shown = doctor.run(place, *argv)
    assert row["says"].lower() in " ".join(shown.stdout.split()).lower(), shown.stdout
    assert row["by_hand"] in shown.stdout, shown.stdout
    assert shown.returncode == fixed.status
    assert not doctor.differences(before, _seen(place, known)), place.root


def _seen(place: Place, known: doctor.Known) -> dict[str, str]:
    """Return the target, the working folder and the home; a target elsewhere has to be small.

    What the doctor remembers of a look, in the state folder of the user's own, is left out, and the way to it.
    """
    every = doctor.contents(place.root, known)
    notes = {path for path in every if LOOKS.fullmatch(path)}
    way = {str(folder) for path in notes for folder in PurePosixPath(path).parents}
    found = {k: v for k, v in every.items() if k not in notes | (way - {".", "home"})}
    if place.asked.startswith("/usr"):
        of_the_system = ("lib/python3*/dist-packages", "lib/python3/*", "local/lib/python3*")
        for folder in (one for pattern in of_the_system for one in Path("/usr").glob(pattern)):
            found |= {f"{folder}/{k}": v for k, v in doctor.contents(folder).items()}
    return found


def _all(said: Said) -> set[str]:
    told = said.report
    return {one["id"] for one in (*told["findings"], *told["symptoms"])}


def test_a_missing_environment_is_made_and_taken_back(base, torch_index):
    """`--new` makes an environment that the doctor says is ready; undo takes it out of its place."""
    place = empty(base, "new")
    place.variables |= torch_index.variables
    before = doctor.contents(place.work)
    place.target = place.work / "env"
    argv = ["fix", "--new", str(place.target), "--yes", "--installer", "pip"]
    argv += ["--with", f"torch=={TORCH}"]
    made = doctor.told(place, *argv, "--python", find_python())
    assert made.report["end"] == "applied", made.out
    assert made.status == 0
    after = doctor.check(place, deep=True)
    assert after.report["verdict"] == "ready", after.report
    assert not after.wrong
    assert not doctor.record_faults(place.site)
    undone = doctor.told(place, "undo", "--target", str(place.target))
    assert undone.report["undone"]["done"], undone.out
    assert not place.target.exists()
    # what was undone is kept, so that it can be brought back
    (kept,) = (path for path in place.work.iterdir() if path.is_dir())
    assert kept.name.startswith("env.doctor-")
    shutil.rmtree(kept)
    assert doctor.contents(place.work).keys() == before.keys()
    shutil.rmtree(place.root)
