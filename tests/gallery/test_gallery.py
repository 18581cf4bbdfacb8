"""Every target of the gallery gets its diagnosis from the doctor's command."""

import shutil
from collections.abc import Iterator

import pytest
from gallery import doctor, faults
from gallery.base import Base, NoBaseError
from gallery.cases import CASES, Case
from gallery.place import Place, derive, empty

pytestmark = pytest.mark.gallery

STATUS = {"ready": 0, "findings": 1, "unknown": 2}


@pytest.fixture(params=CASES, ids=lambda c: c.name)
def case(request: pytest.FixtureRequest) -> Case:
    """Return one case after the other."""
    one: Case = request.param
    if one.made_up_gpu and faults.has_nvidia():
        pytest.skip("this machine has an NVIDIA driver of its own")
    return one


@pytest.fixture
def place(case: Case, base: Base) -> Iterator[Place]:
    """Build the target of a case, and take it away after the test."""
    made = derive(base, case.name) if case.start == "base" else empty(base, case.name)
    (made.work.parent / "home").mkdir()
    try:
        for step in case.build:
            step(made)
    except NoBaseError as error:
        pytest.skip(str(error))
    yield made
    shutil.rmtree(made.work.parent, ignore_errors=True)


def test_diagnosis(case: Case, place: Place) -> None:
    """The first cause, its severity, the verdict and the exit status are those expected."""
    said = doctor.check(place, deep=case.deep)
    assert "Traceback" not in said.out
    assert "Traceback" not in said.err
    failed = {i: why for i, why in said.report["unknown"].items() if "failed" in why}
    assert not failed
    wrong = [f for f in said.findings if f[1] != "note"]
    if case.cause:
        assert said.findings[:1] == [(case.cause, case.severity)], said.report["findings"]
        errors = [f for f in wrong if f[1] == "error"]
        assert errors in ([], [(case.cause, case.severity)]), said.report["findings"]
    else:
        assert not wrong, said.report["findings"]
    assert said.report["verdict"] == case.verdict, said.report
    assert said.status == STATUS[case.verdict]


def test_the_base_is_never_altered(base: Base) -> None:
    """Building a target leaves the files of the base as they were, though they are shared."""
    before = fingerprint(base)
    made = derive(base, "altered")
    faults.claims_cuda(made, "2.6.0", "0.21.0", "12.4")
    faults.torch_begins(made, "import time")
    faults.files_gone(made, "torch/lib/libtorch_cpu.so")
    made.pip("uninstall", "--yes", "tqdm")
    assert fingerprint(base) == before
    shutil.rmtree(made.work.parent)


def fingerprint(base: Base) -> dict[str, tuple[int, int]]:
    """Return size and time of every file of the base."""
    return {
        str(path): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in base.environment.rglob("*")
        if not path.is_dir()
    }
