"""Images and pods by podman: a build that is refused, a container's health, an init container that holds a pod back.

No registry is asked: the base is a Debian made of packages, and pip has a folder of wheels.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT, copied
from integrations.engines import FILES, POLICIES, Ended, ran
from libraries.environment import installed
from platforms.places import AS_ROOT, container, debian

pytestmark = [pytest.mark.platforms, AS_ROOT]


class Podman:
    """An image store of its own, and what the images are made from."""

    def __init__(self, work: Path, wheel: Path) -> None:
        base = debian(work, "amd64", "trixie", wheel)
        shutil.rmtree(base.root / "opt/venv", ignore_errors=True)
        made = installed(base.root / "opt/venv", "torch==2.9.1+cpu")
        (made / "bin/python").unlink()
        (made / "bin/python").symlink_to("/usr/bin/python3")
        next(made.glob("lib/python*")).rename(made / "lib/python3.13")
        settings = "home = /usr/bin\nversion = 3.13.0\n"
        (made / "pyvenv.cfg").write_text(settings)
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
        (self.context / "doctor.toml").write_text(POLICIES[policy])
        return self(
            "build", "--format=docker", "--isolation=chroot", "--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096", f"--build-arg=BASE={self.base}", *more, *self.mounts,
            f"--file={FILES}/container/Dockerfile", "--tag=localhost/training:latest", str(self.context),
        )  # fmt: skip


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    kept = os.environ.get("DOCTOR_PLATFORMS")
    work = Path(kept).resolve() / "images" if kept else tmp_path_factory.mktemp("platforms")
    work.mkdir(exist_ok=True)
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "-q", "-w", "-n", "-o", out, ROOT], check=True)
    return Podman(work, next(out.glob("*.whl")))


def test_an_image_that_cannot_train_is_not_built(podman):
    ended = podman.build("met", "--build-arg=TARGET=/usr")
    assert ended.code != 0
    assert "torch-missing" in ended.said


def test_an_image_tells_its_health_and_an_init_container_holds_a_pod_back(podman, tmp_path):
    ended = podman.build("met")
    assert ended.code == 0, ended.said
    run = ("run", "--detach", "--network=none", "localhost/training:latest", "sleep", "60")
    container = podman(*run).said.strip()
    ended = podman("healthcheck", "run", container)
    assert ended.code == 0, ended.said
    broken = "printf '[policy]\\nram = \"900 TiB\"\\n' >/etc/doctor.toml"
    podman("exec", container, "sh", "-c", broken)
    ended = podman("healthcheck", "run", container)
    assert (ended.code, "unhealthy" in ended.said) == (1, True), ended.said
    told = json.loads((FILES / "devcontainer/devcontainer.json").read_bytes())
    ended = podman("exec", container, "sh", "-c", told["postCreateCommand"])
    assert (ended.code, "torch 2.9.1+cpu" in ended.said) == (0, True), ended.said
    podman("rm", "--force", "--time=0", container)

    pod = (FILES / "container/pod.yaml").read_text()
    for policy in ("4 GiB", "900 TiB"):
        (tmp_path / "pod.yaml").write_text(pod.replace('ram = "4 GiB"', f'ram = "{policy}"'))
        played = podman("kube", "play", "--network=none", str(tmp_path / "pod.yaml"))
        cause, logs = (podman("logs", f"training-{one}").said for one in ("doctor", "training"))
        podman("kube", "down", "--force", str(tmp_path / "pod.yaml"))
        assert ("training" in logs.split()) == (policy == "4 GiB"), played.said + cause + logs
        assert ("policy-ram" in cause) == (policy != "4 GiB"), cause
