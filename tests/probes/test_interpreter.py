"""What is told of an interpreter agrees with what a plain start of it shows."""

import json
import os
import shutil
import struct
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from tunedoctor.facts import Interpreter, Target, Unknown
from tunedoctor.probes import interpreter as probe
from tunedoctor.probes.interpreter import Installation, added_by_pth, find
from tunedoctor.probes.targeting import Program, program

PYENV = Path.home() / ".pyenv" / "versions"


def describe(found: Installation, **environ: str) -> Interpreter:
    return probe.describe(found, environ, "/where", same_user=True)


def script(path: Path, text: str) -> str:
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
    assert found.user_site_on == system_site
    assert found.user_site == str(user_site)
    assert found.pythonpath == (str(more), str(tmp_path / "nothing"))
    assert str(site) in found.site_packages
    assert not found.externally_managed


def test_old_python_is_named_as_what_it_is() -> None:
    found = sorted(PYENV.glob("2.7.*/bin/python"))
    if not found:
        pytest.skip("Python 2.7 is not installed under ~/.pyenv")
    for one in (probe.ask(str(found[0])), find(str(found[0]))):
        assert isinstance(one, Installation)
        assert describe(one).version.startswith("2.7.")
        (site,) = describe(one).site_packages
        assert site.endswith("/lib/python2.7/site-packages")


def test_faults_of_an_interpreter(tmp_path: Path) -> None:
    target = Target(asked="x", chosen_by="--target", problem="x does not exist.")
    assert probe.interpreter(target) == Unknown(why="x does not exist.")
    hangs = script(tmp_path / "hangs", "#!/bin/sh\nsleep 30\n")
    dies = script(tmp_path / "dies", "#!/bin/sh\nkill -SEGV $$\n")
    fails = script(tmp_path / "fails", "#!/bin/sh\necho no encodings >&2\nexit 1\n")
    babbles = script(tmp_path / "babbles", "#!/bin/sh\necho hello\n")
    answers = [probe.ask(p, seconds=0.3) for p in (hangs, dies, fails, babbles, "/no/such")]
    assert all(isinstance(a, Unknown) for a in answers)
    why = [a.why for a in answers if isinstance(a, Unknown)]
    assert why[0].endswith("no answer in 0 s")
    assert why[1].endswith("signal SIGSEGV")
    assert why[2].endswith("exit status 1: no encodings")
    assert why[3].endswith("answered what no Python does: 'hello'")
    assert "FileNotFoundError" in why[4]


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
    said = subprocess.run(argv, capture_output=True, check=True, timeout=60).stdout
    files = find(python)
    assert not isinstance(files, Unknown), files.why
    assert probe.ask(python) == files
    fact = probe.describe(files, os.environ, "/where", same_user=True)
    told = json.loads(said)
    shared = not told["venv"] or files.settings.get("include-system-site-packages") == "true"
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


KINDS = {
    "venv": made("python", "-m", "venv", "--without-pip"),
    "venv, system site": made("python", "-m", "venv", "--without-pip", "--system-site-packages"),
    "venv, copies": made("python", "-m", "venv", "--without-pip", "--copies"),
    "uv": made("uv", "venv"),
    "uv, system site": made("uv", "venv", "--system-site-packages", "--relocatable"),
    "relocated": relocated,
    "home moved": home_moved,
}


BASES = ["/usr/bin/python3", *sorted(map(str, PYENV.glob("3.*/bin/python")))]
PAIRS = {*((kind, BASES[-1]) for kind in KINDS), *(("venv", base) for base in BASES)}


@pytest.mark.parametrize(("kind", "base"), sorted(PAIRS))
def test_a_python_and_a_virtual_environment_of_it(kind: str, base: str, tmp_path: Path) -> None:
    """Each Python that is installed here in one kind of environment, and each kind of one."""
    if not Path(base).exists():
        pytest.skip(f"{base} is not there")
    assert differences(base) == []
    KINDS[kind](base, tmp_path / "env")
    assert differences(str(tmp_path / "env" / "bin" / "python")) == []


def test_a_tree_that_was_copied_without_its_headers(tmp_path: Path) -> None:
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


def windows_program(machine: int) -> bytes:
    return b"MZ".ljust(60, b"\0") + struct.pack("<I4sH", 64, b"PE\0\0", machine) + bytes(64)


def test_the_layout_of_windows(tmp_path: Path) -> None:
    base, home = tmp_path / "Python312", tmp_path / "env"
    for inside in (
        "Python312/Lib",
        "Python312/DLLs",
        "Python312/Include",
        "env/Scripts",
        "env/Lib/site-packages",
    ):
        (tmp_path / inside).mkdir(parents=True)
    (base / "python312.dll").write_bytes(b"x\0" + b"3.12.7\0")
    (base / "Lib" / "os.py").touch()
    for place in (base / "python.exe", home / "Scripts" / "python.exe"):
        place.write_bytes(windows_program(0x8664))
    (home / "pyvenv.cfg").write_text(f"home = {base}\nversion = 3.12.1\n")
    found = find(str(home / "Scripts" / "python.exe"))
    assert isinstance(found, Installation)
    told = probe.describe(found, {"APPDATA": "/roaming"}, "/where", same_user=True)
    assert (told.version, told.base_prefix, told.prefix) == ("3.12.7", str(base), str(home))
    assert (told.soabi, told.platform, told.machine) == ("cp312-win_amd64", "win-amd64", "amd64")
    assert (told.stdlib, told.include) == (f"{base}/Lib", f"{base}/Include")
    assert told.site_packages == (str(home), f"{home}/Lib/site-packages")
    assert told.user_site == "/roaming/Python/Python312/site-packages"


def test_heads_of_programs() -> None:
    elf = b"\x7fELF\x02\x01".ljust(18, b"\0") + struct.pack("<H", 183) + bytes(44)
    assert program(elf) == Program("elf", 64, "aarch64")
    assert program(windows_program(0xAA64)) == Program("pe", 64, "arm64")
    assert program(b"\xcf\xfa\xed\xfe" + struct.pack("<I", 0x0100000C)) == Program(
        "mach", 64, "arm64"
    )
    for whole in (elf, windows_program(0x8664)):
        for cut in range(64):
            program(whole[:cut])  # raises nothing
    assert program(elf[:19]) is None
    assert program(b"MZ" + b"\xff" * 80) is None


def test_what_files_do_not_tell_is_unknown(tmp_path: Path) -> None:
    """A shim of pyenv, an empty alias of the Windows store, another program, an environment without its base."""
    shim, alias, other, gone = (tmp_path / n / "bin" / "python" for n in ("a", "b", "c", "d"))
    for one in (shim, alias, other, gone):
        one.parent.mkdir(parents=True)
    shim.write_text('#!/usr/bin/env bash\nexec pyenv exec python "$@"\n')
    alias.touch()
    shutil.copy(shutil.which("true") or "/bin/true", other)
    shutil.copy(os.path.realpath(sys.executable), gone)
    (gone.parent.parent / "pyvenv.cfg").write_text("home = /no/such/folder\nversion = 3.11.7\n")
    for place in (shim, alias, other):
        told = find(str(place))
        assert isinstance(told, Unknown)
        assert f"doctor check --deep --target {place}" in told.why
    told = find(str(gone))
    assert told == Unknown(
        why=f"{gone} is of a virtual environment whose base, /no/such/folder, is gone"
    )


def test_lines_of_pth_files_count_and_their_code_is_never_run(tmp_path: Path) -> None:
    for name in ("site", "one", "two", "hidden"):
        (tmp_path / name).mkdir()
    site, proof = tmp_path / "site", tmp_path / "proof"
    (site / "b.pth").write_text(f"{tmp_path}/two\nimport os; open({str(proof)!r}, 'w')\n")
    (site / "a.pth").write_text(f"\ufeff# made by a tool\n../one\n{tmp_path}/gone\n", "utf-8")
    (site / ".c.pth").write_text(f"{tmp_path}/hidden\n")
    assert added_by_pth(site) == (str(tmp_path / "one"), str(tmp_path / "two"))
    assert added_by_pth(tmp_path / "gone") == ()
    assert not proof.exists()
