"""Every target of the gallery gets its diagnosis from the doctor's command."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from gallery import doctor, machine
from gallery.damage import broken
from gallery.place import Base, NoBaseError, Place, derive, empty
from rows import rows

pytestmark = pytest.mark.gallery

STATUS = {"ready": 0, "findings": 1, "unknown": 2}
Case = dict[str, Any]


@pytest.fixture(params=rows("gallery/cases.jsonl"), ids=lambda row: row["name"])
def case(request: pytest.FixtureRequest) -> Case:
    """Return a row: its cause is the first finding, "" of a healthy target; `deep` is false where metadata claim
    what the binary is not."""
    one: Case = request.param
    if one.get("gpu") and machine.has_nvidia():
        pytest.skip("this machine has an NVIDIA driver of its own")
    return one


@pytest.fixture
def place(case: Case, base: Base) -> Iterator[Place]:
    """Build the target of a case, and take it away after the test."""
    made = (empty if case.get("start") == "nothing" else derive)(base, case["name"])
    (made.work.parent / "home").mkdir()
    try:
        broken(made, case.get("build", []))
    except NoBaseError as error:
        pytest.skip(str(error))
    yield made
    shutil.rmtree(made.work.parent, ignore_errors=True)


def test_diagnosis(case: Case, place: Place) -> None:
    """The first cause, its severity, the verdict and the exit status are those expected."""
    said = doctor.check(place, deep=case.get("deep", True))
    assert "Traceback" not in said.out
    assert "Traceback" not in said.err
    failed = {i: why for i, why in said.report["unknown"].items() if "failed" in why}
    assert not failed
    wrong = [f for f in said.findings if f[1] != "note"]
    if case["cause"]:
        first = (case["cause"], case.get("severity", "error"))
        assert said.findings[:1] == [first], said.report["findings"]
        assert [f for f in wrong if f[1] == "error"] in ([], [first]), said.report["findings"]
    else:
        assert not wrong, said.report["findings"]
    verdict = case.get("verdict", "findings")
    assert (said.report["verdict"], said.status) == (verdict, STATUS[verdict]), said.report


def test_the_base_is_never_altered(base: Base) -> None:
    """Building a target leaves the files of the base as they were, though they are shared."""
    every = [path for path in base.environment.rglob("*") if not path.is_dir()]
    before = [(path, path.lstat().st_size, path.lstat().st_mtime_ns) for path in every]
    made = derive(base, "altered")
    gone = ["files_gone", "torch/lib/libtorch_cpu.so"]
    claimed = ["claims_cuda", "2.6.0", "0.21.0", "12.4"]
    broken(made, [claimed, ["torch_begins", "import time"], gone, ["removed", "tqdm"]])
    assert [(path, path.lstat().st_size, path.lstat().st_mtime_ns) for path in every] == before
    shutil.rmtree(made.work.parent)
