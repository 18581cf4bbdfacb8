"""What the files of an interpreter tell is what it tells itself when it is started: field by field."""

import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tunedoctor.facts import Unknown
from tunedoctor.probes import interpreter as asked
from tunedoctor.probes.interpreter_files import Installation, find
from tunedoctor.programs import Program, program

VERSIONS = Path.home() / ".pyenv" / "versions"
INSTALLED = sorted(
    {
        "/usr/bin/python3",
        os.path.realpath(sys.executable),
        *map(str, VERSIONS.glob("3.*/bin/python")),
        *map(str, VERSIONS.glob("3.*/bin/python3.*[0-9m]")),
    }
)
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
    assert asked.ask(python) == files
    fact = asked.describe(files, os.environ, "/where", same_user=True)
    told = json.loads(said)
    shared = not told["venv"] or fact.system_site
    user_on = shared and Path(told["user_site"]).is_dir()
    own, base = told.pop("venv_site"), told.pop("base_site")
    places = [*own, *([told["user_site"]] if user_on else []), *(base if shared else [])]
    sites = tuple(dict.fromkeys(p for p in places if Path(p).is_dir()))
    told["path"] = asked.plain_path(told["path"], sites)
    told["prefix"] = told.pop("venv") or told["prefix"]
    told["headers"] = Path(told["include"], "Python.h").is_file()
    told |= {"site_packages": sites, "user_site_on": user_on}
    pairs = ((name, value, getattr(fact, name)) for name, value in told.items())
    return [one for one in pairs if one[1] != one[2]]


@pytest.mark.parametrize("python", INSTALLED)
def test_an_installed_python(python: str) -> None:
    if not Path(python).exists():
        pytest.skip(f"{python} is not there")
    assert differences(python) == []


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


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("base", ["/usr/bin/python3", *map(str, VERSIONS.glob("3.*/bin/python"))])
def test_a_virtual_environment(kind: str, base: str, tmp_path: Path) -> None:
    if not Path(base).exists() or (kind.startswith("uv") and "/3.6" in base):
        pytest.skip(f"{base} is not there, or too old for uv")
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
    for folder in (
        base / "Lib",
        base / "DLLs",
        base / "Include",
        home / "Scripts",
        home / "Lib" / "site-packages",
    ):
        folder.mkdir(parents=True)
    (base / "python312.dll").write_bytes(b"x\0" + b"3.12.7\0")
    (base / "Lib" / "os.py").touch()
    for place in (base / "python.exe", home / "Scripts" / "python.exe"):
        place.write_bytes(windows_program(0x8664))
    (home / "pyvenv.cfg").write_text(f"home = {base}\nversion = 3.12.1\n")
    found = find(str(home / "Scripts" / "python.exe"))
    assert isinstance(found, Installation)
    told = asked.describe(found, {"APPDATA": "/roaming"}, "/where", same_user=True)
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
