"""The set-up of a bare machine, as shells take it, of each distribution, vendor and place; root's tools are played."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from museum import snapshot_of
from planting import plant

from tunedoctor.facts import Host
from tunedoctor.model.plan import Install, NewEnvironment, Pin, Plan
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.render.setup import (
    SetupMachine,
    is_setup,
    render_plan_script,
    render_setup,
    setting_of,
)

EVIL = '/tmp/it\'s $(touch started) `touch started` "x"/.venv'
DISTROS = (
    "ubuntu debian kali fedora rhel azurelinux amzn sles opensuse-tumbleweed arch alpine nixos"
)
"""Each that a table tells apart, and one that none has."""
RELEASES = {
    "debian": ("12", "13"),
    "ubuntu": ("24.04", "25.10"),
    "rhel": ("9.6", "10.0"),
    "amzn": ("2023",),
}
ADVICE = ("kali", "azurelinux", "sles", "opensuse-tumbleweed", "alpine", "nixos")
"""For these no way to the driver is verified; nor on Debian and Fedora for an old card."""
VENDORS: tuple[tuple[str, ...], ...] = ((), ("nvidia",), ("amd",), ("intel",), ("amd", "nvidia"))
OF_ROOT = ("apt-get", "dnf", "zypper", "pacman", "apk", "usermod", "modprobe", "sudo", "systemctl")


def plan(
    path: str, python: str = sys.executable, torch: str = "2.14.1+cu130", pins: bool = True
) -> Plan:
    hashed = Pin(name="torch", version=torch, hashes=("sha256:" + 64 * "a",))
    index = "https://download.pytorch.org/whl/cu130"
    install = (Install(pins=(hashed, Pin(name="peft", version="0.21.2")), index=index),)
    steps = (NewEnvironment(path=path, python=python), *(install if pins else ()))
    return Plan(steps=steps, reasons=("bitsandbytes is left out:\nnone $(x)",))


def rendered(made: Plan, at: SetupMachine, python: str = sys.executable) -> str:
    assert made.new is not None
    return render_setup(made, made.new, at, python)


def scripts() -> Iterator[tuple[str, str]]:
    systems = ((name, one) for name in DISTROS.split() for one in RELEASES.get(name, ("",)))
    for (distro, release), vendors, place in product(
        systems, VENDORS, ("metal", "wsl", "container")
    ):
        host = Host(os="linux", name="X\ny", distro=distro, distro_version=release)
        for old in {False, vendors == ("nvidia",)}:
            at = SetupMachine(host, place, vendors, old, (("HSA_OVERRIDE_GFX_VERSION", "10'3.0"),))
            name = f"{distro}{release}-{'-'.join(vendors)}-{place}-{old}.sh"
            yield name, rendered(plan(EVIL), at)


def test_every_script_is_one_that_posix_shells_take(tmp_path):
    """And shellcheck finds nothing, be it a style: in a fourth of them, of each distribution, vendor and place."""
    files = dict(scripts())
    assert len(files) > 150
    plant(tmp_path, files)
    each = 'for one; do sh -n "$one" || exit 1; done'
    subprocess.run(["sh", "-c", each, "sh", *files], cwd=tmp_path, check=True)
    for name, text in files.items():
        assert text.startswith("#!/bin/sh\n"), name
        user = text.partition("user_part() {")[2].partition("\n}\n")[0]
        assert not [word for word in OF_ROOT if f" {word} " in user], name
        assert "restart docker" not in text  # it would end what runs in containers
        if driver := text.partition("begin 'the NVIDIA driver'\n")[2].partition("\n    fi\n")[0]:
            advice = "stop 'install NVIDIA driver 580 or newer" in driver
            old = name.startswith(("debian", "fedora", "arch", "rhel", "amzn")) and "True" in name
            assert advice == (name.startswith(ADVICE) or old), name
            assert advice != any(f"\n        {word} " in driver for word in OF_ROOT[:4]), name
        if "amd-wsl-" in name:
            assert "stop 'install ROCm for WSL as AMD describes" in text
    checker = shutil.which("shellcheck")
    assert checker, "pip install 'tunedoctor[test]' brings it"
    # a hostile path in single quotes is what is wanted
    done = subprocess.run(
        [checker, "-s", "sh", "-e", "SC2016", *[*files][::4]],  # half a minute for all
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert done.stdout.decode() == ""


PLAIN = "sh sed tr cat mktemp mkdir uname grep cut dirname rm env"
"""All of the system that a script here finds: no docker, no gpg, nothing that writes outside of the folder."""


MIRROR = 'case $1 in indextargets) echo "http://mirror.test/debian/" ;; esac'


def shell(
    folder: Path, script: Path, *words: str, **tools: str
) -> subprocess.CompletedProcess[str]:
    """Run a script with tools that are played; each says in `log` how it was called."""
    played = {
        "id": "echo 0",
        "apt-get": MIRROR,
        "curl": "",
        "dpkg": "",
        "modprobe": "",
        "tee": "cat",
        **tools,
    }
    body = '#!/bin/sh\necho "{name} $*" >>{log}\n{body}\n'
    log = folder / "log"
    plant(folder / "bin", {n: body.format(name=n, log=log, body=b) for n, b in played.items()})
    for one in (folder / "bin").iterdir():
        one.chmod(0o755)
    log.unlink(missing_ok=True)
    shadow = f"open({str(folder / 'started')!r}, 'w')"
    plant(folder, {f"{name}.py": shadow for name in ("ensurepip", "venv", "ctypes", "pip")})
    for name in PLAIN.split():
        (folder / "bin" / name).unlink(missing_ok=True)
        (folder / "bin" / name).symlink_to(shutil.which(name) or name)
    env = {**os.environ, "PATH": str(folder / "bin")}
    return subprocess.run(
        ["/bin/sh", script, *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def written(folder: Path, made: Plan, at: SetupMachine, python: str = sys.executable) -> Path:
    (file := folder / "set up.sh").write_text(rendered(made, at, python))
    return file


def test_root_s_part_looks_acts_stops_and_goes_on(tmp_path):
    host = Host(os="linux", name="Debian 12", distro="debian", distro_version="12")
    at = SetupMachine(host, "metal", ("nvidia",))
    script = written(tmp_path, plan(str(tmp_path / "env")), at)
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("the driver of this machine is loaded: nothing is to be done")
    said = shell(tmp_path, script, "root", id="echo 1000")
    assert said.returncode == 1
    assert f"sudo sh {script} root" in said.stderr
    failed = shell(tmp_path, script, "root", modinfo="exit 1", dpkg="echo no such file >&2; exit 7")
    assert failed.returncode == 7
    assert "no such file\nfailed: the NVIDIA driver (exit status 7).\n" in failed.stderr
    assert "run the same command again" in failed.stderr
    assert "nvidia-open" not in (tmp_path / "log").read_text()
    done = shell(tmp_path, script, "root", modinfo="exit 1")
    log = (tmp_path / "log").read_text()
    assert "/cuda-keyring_1.1-1_all.deb\ndpkg -i " in log
    assert "tee /etc/apt/sources.list.d/doctor-contrib.list\n" in log
    assert "deb http://mirror.test/debian/ " in done.stdout  # of the mirror that is in use
    assert "apt-get install -y nvidia-open\nmodprobe nvidia" in log
    assert (done.returncode, "reboot" in done.stdout) == (3, True)
    assert f"then run it again: sudo sh {script} root" in done.stdout
    again = shell(tmp_path, script, "root", modinfo="exit 0")  # installed, and not yet loaded
    assert "nvidia-open" not in (tmp_path / "log").read_text()
    assert (again.returncode, "reboot" in again.stdout) == (3, True)
    before = shell(tmp_path, script)
    assert before.returncode == 1
    assert "driver is not loaded: first run the root part of this file" in before.stderr
    assert not (tmp_path / "env").exists()
    assert not (tmp_path / "started").exists()


def test_the_user_s_part_can_be_run_again_and_changes_nothing_of_others(tmp_path):
    host = Host(os="linux", name="Debian 13", distro="debian", distro_version="13")
    at = SetupMachine(host, "metal", (), variables=(("A_B", "it's"),))
    plant(tmp_path, {"own/doctor": '#!/bin/sh\necho "smoke: $*"\n'})
    (tmp_path / "own/doctor").chmod(0o755)
    place = tmp_path / "it's $(touch started)" / ".venv"
    own = str(tmp_path / "own/python")
    broken = written(tmp_path, plan(str(place), python="/no/python", pins=False), at, own)
    said = shell(tmp_path, broken)
    assert (said.returncode, "cannot create environments" in said.stderr) == (1, True)
    script = written(tmp_path, plan(str(place), pins=False), at, own)
    first = shell(tmp_path, script)
    assert (first.returncode, first.stderr) == (0, "")
    assert f"smoke: smoke --target {place}\n" in first.stdout
    # the last line alone: older releases of venv do not quote the path in theirs
    line = (place / "bin/activate").read_text().splitlines()[-1]
    told = subprocess.check_output(["sh", "-c", f'{line}; printf %s "$A_B"'], text=True)
    assert told == "it's"
    again = shell(tmp_path, script)
    assert "it exists already" in again.stdout
    (place / "setup-state").write_text("begun\n")  # killed while it was made
    taken_up = shell(tmp_path, script)
    assert (taken_up.returncode, "created" in taken_up.stdout) == (0, True)
    assert (place / "bin/activate").read_text().count("A_B") == 1
    (place / "setup-state").unlink()
    foreign = shell(tmp_path, script)
    assert (foreign.returncode, "not created by this script" in foreign.stderr) == (1, True)
    assert shell(tmp_path, script, "other").returncode == 1
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("name", "torch", "vendors", "place"),
    [
        ("healthy-rtx4090", "2.14.1+cu130", ["nvidia"], "metal"),
        ("healthy-rtx4090", "2.14.1+cpu", [], "metal"),
        # its driver is yet to come
        ("driver-nouveau-owns", "2.15.0+cu132", ["nvidia"], "metal"),
        ("healthy-rx7900xtx", "2.14.1+rocm6.4", ["amd"], "metal"),
        ("healthy-rocm-beside-nvidia-display-card", "2.14.1+rocm6.4", ["amd"], "metal"),
        ("healthy-wsl2-rtx4070", "2.14.1+cu130", ["nvidia"], "wsl"),
        ("healthy-docker-with-gpus", "2.14.1", ["nvidia"], "container"),
        ("healthy-cpu-server", "2.14.1", [], "metal"),
    ],
)
def test_what_is_set_up_is_what_the_wheel_needs(name, torch, vendors, place):
    at = setting_of(snapshot_of(name), plan("/x", torch=torch))
    assert ([*at.vendors], at.place) == (vendors, place)


def test_a_new_environment_elsewhere_than_on_linux_has_no_part_for_root():
    made, there = plan("/x"), Snapshot.of([Host(os="darwin", name="macOS 15")])
    assert not is_setup(made, there)
    text = render_plan_script(made, there, "pip")
    assert ("root_part" in text, '-m venv "$prefix"' in text) == (False, True)
