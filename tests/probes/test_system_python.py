"""--system: the Python that PATH has outside of virtual environments."""

import json
import os
import sys
import venv

from planting import plant
from typed import doctor

from tunedoctor.probes.targeting import system_python

SH = "#!/bin/sh\n"


def test_virtual_environments_are_passed_over_and_a_name_without_a_number_is_one_too(tmp_path):
    plant(tmp_path, {"v/bin/python3": SH, "v/pyvenv.cfg": "", "none/other": "", "conda/bin/python": SH, "usr/bin/python3": SH})  # fmt: skip
    for name in ("v/bin/python3", "conda/bin/python", "usr/bin/python3"):
        (tmp_path / name).chmod(0o755)
    folders = [
        str(tmp_path / name) for name in ("missing", "v/bin", "none", "conda/bin", "usr/bin")
    ]
    place = system_python({"PATH": os.pathsep.join(folders)})
    assert (place.python, place.chosen_by) == (str(tmp_path / "conda/bin/python"), "--system")
    place = system_python({"PATH": folders[1]})
    assert (place.python, place.problem) == (
        "",
        "PATH has no Python outside of virtual environments.",
    )


def test_the_command_examines_it_though_another_environment_is_active(tmp_path):
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    base = os.path.dirname(os.path.realpath(sys.executable))  # noqa: PTH120
    path = os.pathsep.join([str(tmp_path / "env" / "bin"), base, "/usr/bin", "/bin"])
    around = {"PATH": path, "VIRTUAL_ENV": str(tmp_path / "env")}
    ended = doctor("check", "--system", "--format", "json", cwd=tmp_path, **around)
    target = json.loads(ended.stdout)["target"]
    assert target["chosen_by"] == "--system"
    assert os.path.realpath(os.path.dirname(target["python"])) == base  # noqa: PTH120
    assert target["version"].startswith("{}.{}.".format(*sys.version_info))
    for more in ("--self", "--target=x", "--from=x", "--project"):
        assert doctor("check", "--system", more, cwd=tmp_path, **around).returncode == 2
