"""Every target of the gallery gets its diagnosis from the doctor's command."""

import pytest
from gallery import doctor
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
