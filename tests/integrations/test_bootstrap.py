"""bootstrap.sh in the shells of old and small systems: it runs uv, and no uv whose hash is another."""

import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from checkout import IS_ONE, ROOT, WHY_NOT
from loopback import Answer, Server

pytestmark = [
    pytest.mark.skipif(not IS_ONE, reason=WHY_NOT),
    pytest.mark.skipif(sys.platform != "linux", reason="its builds are those of Linux and macOS"),
]
SCRIPT = ROOT / "integrations" / "bootstrap.sh"
SHELLS = [["dash"], ["busybox", "sh"], ["bash", "--posix"]]
UV = '#!/bin/sh\nprintf \'%s|\' "$0" "$@"\n'
ALWAYS = "uname mkdir mktemp rm chmod mv cut cat tar gzip sh"
BUILD = f"{os.uname().machine}-unknown-linux-musl"


def archive(uv: str) -> bytes:
    """A release of uv: a folder with the program."""
    bytes_ = io.BytesIO()
    with tarfile.open(fileobj=bytes_, mode="w") as tar:
        head = tarfile.TarInfo(f"uv-{BUILD}/uv")
        head.size, head.mode = len(uv), 0o755
        tar.addfile(head, io.BytesIO(uv.encode()))
    return gzip.compress(bytes_.getvalue(), mtime=0)


class Machine:
    """A user's machine with a few programs, and a script that expects the hash of an archive."""

    def __init__(self, folder: Path, programs: str, expects: bytes) -> None:
        self.folder, self.bin = folder, folder / "bin"
        self.bin.mkdir()
        for name in programs.split():
            if not (found := shutil.which(name)):
                pytest.skip(f"there is no {name}")
            (self.bin / name).symlink_to(os.path.realpath(found))
        text, digest = SCRIPT.read_text("utf-8"), hashlib.sha256(expects).hexdigest()
        text, changed = re.subn(rf"(?<={re.escape(BUILD)}\) echo )[0-9a-f]{{64}}", digest, text)
        assert changed == 1
        self.script = folder / "bootstrap.sh"
        self.script.write_text(text)
        self.asked: list[str] = []

    def __call__(
        self, shell: list[str], *words: str, gives: bytes = b"", **more: str
    ) -> subprocess.CompletedProcess[str]:
        def answer(_host: str, path: str) -> Answer:
            self.asked.append(path)
            return Answer("application/gzip", gives) if gives else Answer("text/plain", b"", 404)

        if not (program := shutil.which(shell[0])):
            pytest.skip(f"there is no {shell[0]}")
        with Server(answer) as server:
            around = {
                "PATH": str(self.bin),
                "HOME": str(self.folder / "my home"),
                "DOCTOR_UV_DOWNLOADS": server.url,
                **more,
            }
            argv = [program, *shell[1:], str(self.script), *words]
            return subprocess.run(
                argv, env=around, capture_output=True, text=True, check=False, timeout=60
            )


GOOD = archive(UV)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize("programs", ["curl sha256sum", "wget openssl", "python3", "curl shasum"])
def test_it_downloads_uv_once_and_runs_doctor_with_it(tmp_path, shell, programs):
    machine = Machine(tmp_path, f"{ALWAYS} {programs}", GOOD)
    first = machine(shell, "triage", "my error.txt", gives=GOOD)
    uv = tmp_path / "my home/.cache/tunedoctor/uv-0.12.5/uv"
    assert first.stdout == f"{uv}|tool|run|--from|tunedoctor|doctor|triage|my error.txt|", (
        first.stderr
    )
    assert first.stderr.count("\n") == 1
    again = machine(shell, DOCTOR_VERSION="0.2.0")
    assert (again.stdout, again.stderr) == (
        f"{uv}|tool|run|--from|tunedoctor==0.2.0|doctor|check|",
        "",
    )
    assert machine.asked == [f"/0.12.5/uv-{BUILD}.tar.gz"]
    assert [one.name for one in uv.parent.iterdir()] == ["uv"]


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize(("programs", "gives", "says"), [
    ("curl sha256sum", archive(UV + "# changed\n"), "the hash of "),
    ("wget openssl", GOOD[:-1], "the hash of "),
    ("curl", GOOD, "to check the hash of uv with"),
    ("curl sha256sum", b"", "could not be downloaded"),
    ("sha256sum", GOOD, "no curl, wget or python3"),
])  # fmt: skip
def test_what_is_not_the_expected_file_is_never_run_or_kept(tmp_path, shell, programs, gives, says):
    if shell[0] == "busybox" and programs in ("curl", "sha256sum"):
        pytest.skip("wget and sha256sum are built into this shell")
    machine = Machine(tmp_path, f"{ALWAYS} {programs}", GOOD)
    ended = machine(shell, "check", gives=gives)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert says in ended.stderr
    assert len(ended.stderr.splitlines()) <= 4
    assert [one for one in (tmp_path / "my home").rglob("*") if one.is_file()] == []


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_an_installed_uv_is_used_and_half_a_script_does_nothing(tmp_path, shell):
    machine = Machine(tmp_path, ALWAYS, GOOD)
    (machine.bin / "uv").write_text(UV)
    (machine.bin / "uv").chmod(0o755)
    assert machine(shell).stdout.endswith("bin/uv|tool|run|--from|tunedoctor|doctor|check|")
    assert not machine.asked
    lines = machine.script.read_text().splitlines(keepends=True)
    for end in range(0, len(lines) - 1, 7):
        machine.script.write_text("".join(lines[:end]))
        assert machine(shell).stdout == ""
    assert not (tmp_path / "my home").exists()


def test_its_hashes_are_distinct_and_complete():
    text = SCRIPT.read_text("utf-8")
    hashes = re.findall(r"\) echo ([0-9a-f]+) ;;", text)
    assert len(hashes) == len({*hashes}) == 6
    assert {len(one) for one in hashes} == {64}
