"""Images and pods by podman: a build that is refused, a container's health, an init container that keeps a training back.

No registry is asked: the base is a Debian made of packages, and pip has a folder of wheels.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT, copied
from integrations.engines import FILES, Ended, ran
from platforms.places import container, debian

pytestmark = [
    pytest.mark.platforms,
    pytest.mark.skipif(
        not shutil.which("apt-get") or os.name != "posix" or os.geteuid() != 0,
        reason="root on Debian makes the containers",
    ),
]
MET, BROKEN = '[policy]\nram = "1 MiB"\n', '[policy]\nram = "900 TiB"\n'
TORCH = "lib/python3.13/site-packages/torch-2.9.1+cpu.dist-info/METADATA"


class Podman:
    """An image store of its own, and what the images are made from."""

    def __init__(self, work: Path, wheel: Path) -> None:
        base = debian(work, "amd64", "trixie", wheel)
        place = container(work, base)
        self.words = place.doctor[: place.doctor.index("run")]
        self.base = f"localhost/doctor:{base.root.name}"
        self.context, self.wheels = work / "context", work / "wheels"
        shutil.rmtree(self.context, ignore_errors=True)
        copied(self.context / "tunedoctor")
        pip = (sys.executable, "-m", "pip", "download", "-q", "-d", self.wheels)
        for glibc in (28, 17):
            pip = (*pip, f"--platform=manylinux_2_{glibc}_x86_64")
        got = ran(*pip, "--only-binary=:all:", "--python-version=3.13", wheel, "hatchling")
        assert got.code == 0, got.said
        (work / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        self.mounts = (
            "--volume=/etc/ssl/certs:/etc/ssl/certs:ro",
            f"--volume={work}/pip.conf:/etc/pip.conf:ro",
            f"--volume={self.wheels}:/wheels:ro",
        )

    def __call__(self, *words: str) -> Ended:
        """Run podman."""
        return ran(*self.words, *words)

    def build(self, policy: str, *more: str) -> Ended:
        """Build the image of the Dockerfile as localhost/training:latest."""
        (self.context / "doctor.toml").write_text(policy)
        return self(
            "build", "--format=docker", "--isolation=chroot", "--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096", f"--build-arg=BASE={self.base}", *more, *self.mounts,
            f"--file={FILES}/container/Dockerfile", "--tag=localhost/training:latest", str(self.context),
        )  # fmt: skip


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Podman:
    kept = os.environ.get("DOCTOR_PLATFORMS")
    work = Path(kept).resolve() if kept else tmp_path_factory.mktemp("platforms")
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "-q", "-w", "-n", "-o", out, ROOT], check=True)
    return Podman(work, next(out.glob("*.whl")))
