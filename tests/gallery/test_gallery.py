"""Every target of the gallery gets its diagnosis from the doctor's command."""

import shutil

import pytest
from gallery import doctor
from gallery.damage import broken
from gallery.place import derive
from rows import rows

pytestmark = pytest.mark.gallery

STATUS = {"ready": 0, "findings": 1, "unknown": 2}


@pytest.mark.parametrize("row", rows("gallery/cases.jsonl"), ids=lambda row: row["name"])
def test_diagnosis(row, place):
    """The first cause ("" of a healthy target), its severity, the verdict and the exit status are those expected.

    `deep` is false where metadata claim what the binary is not.
    """
    said = doctor.check(place, deep=row.get("deep", True))
    assert "Traceback" not in said.out + said.err
    assert not {i: why for i, why in said.report["unknown"].items() if "failed" in why}
    if row["cause"]:
        first = (row["cause"], row.get("severity", "error"))
        assert said.findings[:1] == [first], said.report["findings"]
        errors = [one for one in said.wrong if one[1] == "error"]
        assert errors in ([], [first]), said.report["findings"]
    else:
        assert not said.wrong, said.report["findings"]
    verdict = row.get("verdict", "findings")
    assert (said.report["verdict"], said.status) == (verdict, STATUS[verdict]), said.report


def test_the_base_is_never_altered(base):
    """Building a target leaves the files of the base as they were, though they are shared."""
    every = [path for path in base.environment.rglob("*") if not path.is_dir()]
    before = [(path, path.lstat().st_size, path.lstat().st_mtime_ns) for path in every]
    made = derive(base, "altered")
    gone = ["files_gone", "torch/lib/libtorch_cpu.so"]
    claimed = ["claims_cuda", "2.6.0", "0.21.0", "12.4"]
    begun = ["rewritten", "torch/__init__.py", "import ", "import time\nimport "]
    broken(made, [claimed, begun, gone, ["pip", "uninstall", "--yes", "tqdm"]])
    assert [(path, path.lstat().st_size, path.lstat().st_mtime_ns) for path in every] == before
    shutil.rmtree(made.root)
