"""Every way of installing gives a doctor that works, and nothing else in site-packages."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECKOUT = (ROOT / ".git").exists() and (ROOT / "checks" / "__init__.py").exists()
pytestmark = pytest.mark.skipif(not CHECKOUT, reason="not a checkout: nothing to install from")


def _run(*argv: str, cwd: Path) -> str:
    environ = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    ended = subprocess.run(
        list(argv), cwd=cwd, capture_output=True, text=True, env=environ, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the working tree as it stands, links and all, committed."""
    place = tmp_path_factory.mktemp("source") / "tunedoctor"
    listed = _run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).splitlines()
    for name in listed:
        from_, to = ROOT / name, place / name
        if not from_.is_symlink() and not from_.exists():
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        if from_.is_symlink():
            to.symlink_to(os.readlink(from_))
        else:
            shutil.copy2(from_, to)
    _run("git", "init", "-q", cwd=place)
    _run("git", "add", "-A", cwd=place)
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    _run("git", *who, "commit", "-qm", "all", cwd=place)
    return place


def _fresh(place: Path) -> Path:
    """A virtual environment that sees the dependencies of this one, but not the doctor in it."""
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    site = next((place / "lib").glob("python*/site-packages"))
    here = Path(sys.prefix) / site.relative_to(place)
    for one in here.iterdir():
        if "tunedoctor" not in one.name.lower():
            (site / one.name).symlink_to(one)
    return python


def _prove(python: Path, tmp_path: Path, *, editable: bool = False) -> None:
    site = next((python.parents[1] / "lib").glob("python*/site-packages"))
    ours = {p.name for p in site.iterdir() if not p.is_symlink() and p.name != "__pycache__"}
    if editable:
        assert {n.split("-")[0].removesuffix(".pth") for n in ours} == {
            "tunedoctor",
            "_editable_impl_tunedoctor",
        }
    else:
        assert {n.split("-")[0] for n in ours} == {"tunedoctor"}
    for command in (("doctor",), ("tunedoctor",), ("python", "-m", "tunedoctor")):
        out = _run(str(python.parent / command[0]), *command[1:], "explain", "--list", cwd=tmp_path)
        assert "driver-too-old" in out
    out = _run(
        str(python),
        "-c",
        "import tunedoctor.checks.driver as m; print(m.__name__)",
        cwd=tmp_path,
    )
    assert out.strip() == "tunedoctor.checks.driver"


PIP = ("-m", "pip", "install", "--no-deps", "--no-build-isolation", "-q")


@pytest.mark.parametrize("way", ["another folder", "editable", "git"])
def test_pip_installs(source: Path, tmp_path: Path, way: str) -> None:
    words = {
        "another folder": [str(source)],
        "editable": ["-e", "."],
        "git": [f"git+file://{source}"],
    }
    python = _fresh(tmp_path / "venv")
    _run(str(python), *PIP, *words[way], cwd=source if way == "editable" else tmp_path)
    _prove(python, tmp_path, editable=way == "editable")


def test_sdist_then_wheel(source: Path, tmp_path: Path) -> None:
    python = _fresh(tmp_path / "venv")
    out = tmp_path / "dist"
    _run(sys.executable, "-m", "build", "--no-isolation", "-o", str(out), str(source), cwd=tmp_path)
    (wheel,) = out.glob("*.whl")
    _run(str(python), *PIP, str(wheel), cwd=tmp_path)
    _prove(python, tmp_path)
    (sdist,) = out.glob("*.tar.gz")
    again = _fresh(tmp_path / "again")
    _run(str(again), *PIP, str(sdist), cwd=tmp_path)
    _prove(again, tmp_path)


def test_the_links_are_committed() -> None:
    for name in ("checks", "fixes"):
        link = ROOT / "src" / "tunedoctor" / name
        assert link.is_symlink()
        assert os.readlink(link) == f"../../{name}"
