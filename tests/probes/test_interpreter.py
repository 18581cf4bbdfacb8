"""What is told of an interpreter agrees with what a plain start of it shows."""

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Literal

import pytest

from tunedoctor.facts import Interpreter, Target, Unknown
from tunedoctor.probes import interpreter as probe
from tunedoctor.probes.interpreter_files import Installation, find, settings_of
from tunedoctor.programs import Program

PYENV = Path.home() / ".pyenv" / "versions"
HERE = Installation(
    python="/opt/py/bin/python",
    program=Program("elf", 64, "x86_64"),
    venv=None,
    settings={},
    prefix="/opt/py",
    library="/opt/py/lib/python3.12",
    short="3.12",
    path=(),
)


def describe(found: Installation, **environ: str) -> Interpreter:
    return probe.describe(found, environ, "/where", same_user=True)


def program(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def plain_start(python: str | Path, *, env: dict[str, str]) -> list[str]:
    """Return sys.path of `python -c`, its first entry (the working folder) left out."""
    code = "import json, sys; print(json.dumps(sys.path[1:]))"
    done = subprocess.run([python, "-c", code], env=env, capture_output=True, text=True, check=True)
    return [place for place in json.loads(done.stdout) if Path(place).exists()]


@pytest.mark.parametrize("system_site", [False, True])
def test_path_of_a_real_venv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, system_site: bool
) -> None:
    home = tmp_path / "env"
    venv.create(home, with_pip=False, system_site_packages=system_site, symlinks=True)
    site = next(home.glob("lib/python3.*/site-packages"))
    extra, more, user = tmp_path / "extra", tmp_path / "more", tmp_path / "user"
    version = ".".join(map(str, sys.version_info[:2]))
    user_site = user / "lib" / f"python{version}" / "site-packages"
    for folder in (extra, more, user_site):
        folder.mkdir(parents=True)
    (site / "b.pth").write_text(f"# comment\n{extra}\nimport os\n{tmp_path}/missing\n")
    environ = {"PYTHONPATH": f"{more}:{tmp_path}/nothing", "PYTHONUSERBASE": str(user)}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PYTHONNOUSERSITE", raising=False)
    found = probe.interpreter(Target(asked="", chosen_by="own", python=str(home / "bin/python")))
    assert isinstance(found, Interpreter)
    assert list(found.path) == plain_start(home / "bin/python", env=environ)
    assert (found.kind, found.prefix) == ("venv", str(home))
    assert (found.system_site, found.user_site_on) == (system_site, system_site)
    assert found.user_site == str(user_site)
    assert found.pythonpath == (str(more), str(tmp_path / "nothing"))
    assert str(site) in found.site_packages
    assert not found.externally_managed


@pytest.mark.parametrize(
    "python", ["/usr/bin/python3", *sorted(map(str, PYENV.glob("3.*/bin/python")))]
)
def test_path_of_installed_pythons(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path(python).exists():
        pytest.skip(f"{python} is not there")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.delenv("PYTHONNOUSERSITE", raising=False)
    found = probe.interpreter(Target(asked=python, chosen_by="--target", python=python))
    assert isinstance(found, Interpreter)
    home = {"HOME": str(Path.home())}
    assert list(found.path) == list(dict.fromkeys(plain_start(python, env=home)))
    assert found.kind == ("system" if python.startswith("/usr/") else "standalone")
    assert found.machine
    assert found.headers is not None


def test_old_python_is_named_as_what_it_is() -> None:
    found = sorted(PYENV.glob("2.7.*/bin/python"))
    if not found:
        pytest.skip("Python 2.7 is not installed under ~/.pyenv")
    for one in (probe.ask(str(found[0])), find(str(found[0]))):
        assert isinstance(one, Installation)
        assert describe(one).version.startswith("2.7.")
        (site,) = describe(one).site_packages
        assert site.endswith("/lib/python2.7/site-packages")


def test_no_interpreter_is_unknown() -> None:
    target = Target(asked="x", chosen_by="--target", problem="x does not exist.")
    assert probe.interpreter(target) == Unknown(why="x does not exist.")


def test_faults_of_an_interpreter(tmp_path: Path) -> None:
    hangs = program(tmp_path / "hangs", "#!/bin/sh\nsleep 30\n")
    dies = program(tmp_path / "dies", "#!/bin/sh\nkill -SEGV $$\n")
    fails = program(tmp_path / "fails", "#!/bin/sh\necho no encodings >&2\nexit 1\n")
    babbles = program(tmp_path / "babbles", "#!/bin/sh\necho hello\n")
    answers = [probe.ask(p, seconds=0.3) for p in (hangs, dies, fails, babbles, "/no/such")]
    assert all(isinstance(a, Unknown) for a in answers)
    why = [a.why for a in answers if isinstance(a, Unknown)]
    assert why[0].endswith("no answer in 0 s")
    assert why[1].endswith("signal SIGSEGV")
    assert why[2].endswith("exit status 1: no encodings")
    assert why[3].endswith("answered what no Python does: 'hello'")
    assert "FileNotFoundError" in why[4]


def test_conda_prefix(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    assert describe(HERE._replace(prefix=str(tmp_path))).kind == "conda"
    assert describe(HERE).kind == "standalone"


def test_pep_668(tmp_path: Path) -> None:
    (tmp_path / "EXTERNALLY-MANAGED").write_text("[externally-managed]\n")
    system = HERE._replace(prefix="/usr", library=str(tmp_path))
    assert describe(system).externally_managed
    assert not describe(system._replace(venv="/x")).externally_managed
    assert not describe(HERE).externally_managed


def test_user_site_can_be_switched_off(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "python3.12" / "site-packages"
    site.mkdir(parents=True)
    base = {"PYTHONUSERBASE": str(tmp_path)}
    assert describe(HERE, **base).user_site_on
    assert describe(HERE, **base).site_packages == (str(site),)
    assert not describe(HERE, **base, PYTHONNOUSERSITE="1").user_site_on
    assert not probe.describe(HERE, base, "/where", same_user=False).user_site_on
    assert not describe(HERE, PYTHONUSERBASE=str(tmp_path / "gone")).user_site_on


@pytest.mark.parametrize(
    ("prefix", "format_", "kind"),
    [
        ("/usr", "elf", "system"),
        ("/usr/local", "elf", "system"),
        ("/opt/homebrew/opt/python@3.12", "mach", "system"),
        ("/home/me/.local/share/uv/python/cpython-3.12", "elf", "standalone"),
        ("C:\\Program Files\\Python312", "pe", "system"),
        ("C:\\tools\\py", "pe", "standalone"),
    ],
)
def test_kind_of_a_prefix(prefix: str, format_: Literal["elf", "mach", "pe"], kind: str) -> None:
    found = HERE._replace(prefix=prefix, program=Program(format_, 64, ""))
    assert probe.kind_of(found) == kind


def test_pythonpath_with_empty_entries() -> None:
    assert probe.search_path(":/a:", "/where", windows=False) == ("/where", "/a")
    assert probe.search_path("lib", "/where", windows=False) == ("/where/lib",)
    assert probe.search_path("", "/where", windows=False) == ()


def test_pyvenv_cfg(tmp_path: Path) -> None:
    def includes(text: str) -> bool:
        (tmp_path / "pyvenv.cfg").write_text(text)
        home = str(tmp_path)
        return describe(HERE._replace(venv=home, settings=settings_of(home))).system_site

    assert includes("home = /usr\nInclude-System-Site-Packages = TRUE\n")
    assert not includes("include-system-site-packages = false\n")
    assert not includes("")
    assert not describe(HERE).system_site
