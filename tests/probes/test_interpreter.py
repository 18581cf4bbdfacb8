"""What is told of an interpreter agrees with what a plain start of it shows."""

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from planting import plant

from tunedoctor.facts import Interpreter, Target, Unknown
from tunedoctor.probes import interpreter as probe
from tunedoctor.probes.interpreter import Installation, added_by_pth, find
from tunedoctor.probes.program_header import program
from tunedoctor.probes.targeting import choose

PYENV = Path.home() / ".pyenv" / "versions"


def describe(found: Installation, **environ: str) -> Interpreter:
    return probe.describe(found, environ, "/where", same_user=True)


def plain_start(python: str | Path, *, env: dict[str, str]) -> list[str]:
    """Return sys.path of `python -c`, its first entry (the working folder) left out."""
    code = "import json, sys; print(json.dumps(sys.path[1:]))"
    done = subprocess.run([python, "-c", code], env=env, capture_output=True, text=True, check=True)
    return [place for place in json.loads(done.stdout) if Path(place).exists()]


@pytest.mark.parametrize("system_site", [False, True])
def test_path_of_a_real_venv(tmp_path, monkeypatch, *, system_site):
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


def test_old_python_is_named_as_what_it_is():
    found = sorted(PYENV.glob("2.7.*/bin/python"))
    if not found:
        pytest.skip("Python 2.7 is not installed under ~/.pyenv")
    for one in (probe.ask(str(found[0])), find(str(found[0]))):
        assert isinstance(one, Installation)
        assert describe(one).version.startswith("2.7.")
        (site,) = describe(one).site_packages
        assert site.endswith("/lib/python2.7/site-packages")


def test_faults_of_an_interpreter(tmp_path):
    target = Target(asked="x", chosen_by="--target", problem="x does not exist.")
    assert probe.interpreter(target) == Unknown(why="x does not exist.")
    bodies = ("sleep 30", "kill -SEGV $$", "echo no encodings >&2\nexit 1", "echo hello")
    plant(tmp_path, {str(n): f"#!/bin/sh\n{body}\n" for n, body in enumerate(bodies)})
    pythons = [*(str(tmp_path / str(n)) for n in range(len(bodies))), "/no/such"]
    said = (
        "no answer in 0 s", "signal SIGSEGV", "exit status 1: no encodings",
        "does not answer like a Python: 'hello'", "FileNotFoundError",
    )  # fmt: skip
    for python, why in zip(pythons, said, strict=True):
        told = probe.ask(python, seconds=0.3 if "no answer" in why else 60.0)
        assert isinstance(told, Unknown)
        assert why in told.why


UV = shutil.which("uv", path=str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])


ORACLE = """
import json, os, site, sys, sysconfig
from importlib.machinery import EXTENSION_SUFFIXES
here = os.path.dirname(sys.executable)
venv = next((f for f in (here, os.path.dirname(here)) if os.path.isfile(f + "/pyvenv.cfg")), None)
levels = {"alpha": "a", "beta": "b", "candidate": "rc"}
info = sys.version_info
told = {
    "executable": sys.executable,
    "version": "%d.%d.%d" % info[:3] + (levels[info[3]] + str(info[4]) if info[3] in levels else ""),
    "implementation": sys.implementation.name,
    "bits": 64 if sys.maxsize > 2**32 else 32,
    "prefix": sys.base_prefix,
    "base_prefix": sys.base_prefix,
    "stdlib": os.path.dirname(os.__file__),
    "path": [p for p in sys.path if p],
    "venv": venv,
    "platform": sysconfig.get_platform(),
    "machine": os.uname().machine,
    "soabi": EXTENSION_SUFFIXES[0].split(".")[1],
    "include": sysconfig.get_path("include", "posix_prefix"),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}
bases = [sys.base_prefix, sys.base_exec_prefix]
if venv:  # Debian goes by whether the two differ, as in a plain start
    sys.prefix = sys.exec_prefix = venv
told["venv_site"] = site.getsitepackages([venv]) if venv else []
told["base_site"] = site.getsitepackages(bases)
told["user_site"] = site.getusersitepackages()
print(json.dumps(told))
"""
"""What an interpreter tells of itself."""


def differences(python: str) -> list[tuple[str, object, object]]:
    """Return the fields of the fact that the started interpreter tells otherwise than its files."""
    argv = [python, "-I", "-S", "-c", ORACLE]
    said = subprocess.run(argv, capture_output=True, check=True).stdout
    files = find(python)
    assert not isinstance(files, Unknown), files.why
    assert probe.ask(python) == files
    fact = probe.describe(files, os.environ, "/where", same_user=True)
    told = json.loads(said)
    shared = not told["venv"] or fact.system_site
    user_on = shared and Path(told["user_site"]).is_dir()
    own, base = told.pop("venv_site"), told.pop("base_site")
    places = [*own, *([told["user_site"]] if user_on else []), *(base if shared else [])]
    sites = tuple(dict.fromkeys(p for p in places if Path(p).is_dir()))
    told["path"] = probe.plain_path(told["path"], sites)
    told["prefix"] = told.pop("venv") or told["prefix"]
    told["headers"] = Path(told["include"], "Python.h").is_file()
    told |= {"site_packages": sites, "user_site_on": user_on}
    pairs = ((name, value, getattr(fact, name)) for name, value in told.items())
    return [one for one in pairs if one[1] != one[2]]


def made(*argv: str) -> Callable[[str, Path], None]:
    def make(python: str, home: Path) -> None:
        first = UV if argv[0] == "uv" else python
        if first is None:
            pytest.skip("uv is not installed")
        own = ["-q", "-p", python] if argv[0] == "uv" else []
        subprocess.run([first, *argv[1:], *own, home], check=True, capture_output=True)

    return make


def home_moved(python: str, home: Path) -> None:
    made("python", "-m", "venv", "--without-pip")(python, home)
    (home / "pyvenv.cfg").write_text("home = /no/such/folder\n")


def relocated(python: str, home: Path) -> None:
    made("python", "-m", "venv", "--without-pip")(python, home.with_name("before"))
    home.with_name("before").rename(home)


KINDS = {"venv": made("python", "-m", "venv", "--without-pip"),
    "venv, system site": made("python", "-m", "venv", "--without-pip", "--system-site-packages"),
    "venv, copies": made("python", "-m", "venv", "--without-pip", "--copies"),
    "uv": made("uv", "venv"),
    "uv, system site": made("uv", "venv", "--system-site-packages", "--relocatable"),
    "relocated": relocated, "home moved": home_moved}  # fmt: skip


BASES = ["/usr/bin/python3", *sorted(map(str, PYENV.glob("3.*/bin/python")))]
PAIRS = {*((kind, BASES[-1]) for kind in KINDS), *(("venv", base) for base in BASES)}


@pytest.mark.parametrize(("kind", "base"), sorted(PAIRS))
def test_a_python_and_a_virtual_environment_of_it(kind, base, tmp_path):
    """Each Python that is installed here in one kind of environment, and each kind of one."""
    if not Path(base).exists():
        pytest.skip(f"{base} is not there")
    assert differences(base) == []
    KINDS[kind](base, tmp_path / "env")
    assert differences(str(tmp_path / "env" / "bin" / "python")) == []


def test_a_tree_that_was_copied_without_its_headers(tmp_path):
    """As conda lays it out: the release is then told by the program itself."""
    base = Path(os.path.realpath(sys.executable)).parent.parent
    version = "python{}.{}".format(*sys.version_info)
    (tmp_path / "bin").mkdir()
    (tmp_path / "conda-meta").mkdir()
    shutil.copy(os.path.realpath(sys.executable), tmp_path / "bin" / version)
    (tmp_path / "bin" / "python").symlink_to(version)
    shutil.copytree(
        base / "lib" / version, tmp_path / "lib" / version, symlinks=True,
        ignore=shutil.ignore_patterns("site-packages", "test", "__pycache__", "config-*", "idlelib"),
    )  # fmt: skip
    assert differences(str(tmp_path / "bin" / "python")) == []
    assert not (tmp_path / "include").exists()


@pytest.mark.parametrize("head", [sys.executable, "/bin/true"])
def test_a_head_that_is_cut_anywhere_raises_nothing(head):
    whole = Path(head).read_bytes()[:64]
    assert program(whole)
    for cut in range(64):
        program(whole[:cut])


def test_what_files_do_not_tell_is_unknown(tmp_path):
    """Another program, an environment without its base."""
    other, gone = (plant(tmp_path / n, {"bin": None}) / "bin" / "python" for n in ("c", "d"))
    shutil.copy("/bin/true", other)
    told = find(str(other))
    assert isinstance(told, Unknown)
    assert f"doctor check --deep --target {other}" in told.why
    shutil.copy(os.path.realpath(sys.executable), gone)
    plant(tmp_path / "d", {"pyvenv.cfg": "home = /no/such/folder\nversion = 3.11.7\n"})
    why = f"{gone} is in a virtual environment whose base, /no/such/folder, no longer exists"
    assert find(str(gone)) == Unknown(why=why)


def test_a_venv_that_its_python_no_longer_reads(tmp_path: Path) -> None:
    home = tmp_path / "env"
    venv.create(home, with_pip=False, symlinks=True)
    own = next(home.glob("lib/python3*"))
    own.rename(own.with_name("python3.2"))
    found = probe.interpreter(choose(str(home), {}, "/", sys.executable))
    assert isinstance(found, Unknown)
    assert "does not read" in found.why
    (home / "pyvenv.cfg").unlink()
    assert "has lost its pyvenv.cfg" in choose(str(home), {}, "/", sys.executable).problem
    (home / "conda-meta").mkdir()
    assert not choose(str(home), {}, "/", sys.executable).problem


def test_lines_of_pth_files_count_and_their_code_is_never_run(tmp_path):
    lines = {
        "a.pth": "\ufeff# made by a tool\n../one\n@root/gone\n",
        "b.pth": "@root/two\nimport os; open('@root/proof', 'w')\n",
        ".c.pth": "@root/hidden\n",
    }
    plant(
        tmp_path,
        {"one": None, "two": None, "hidden": None, **{f"site/{n}": t for n, t in lines.items()}},
    )
    site, proof = tmp_path / "site", tmp_path / "proof"
    assert added_by_pth(site) == (str(tmp_path / "one"), str(tmp_path / "two"))
    assert added_by_pth(tmp_path / "gone") == ()
    assert not proof.exists()
