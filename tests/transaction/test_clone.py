"""Clones: what they share, what is their own, and what is taken out of them."""

import os
from pathlib import Path

import pytest

from tunedoctor.transaction.tree import clone, own_bytes, remove_tree

OWN = ("bin/tool", "lib/a-1.0.dist-info/RECORD", "lib/a.pth", "pyvenv.cfg", "conda-meta/state")


@pytest.fixture
def env(tmp_path: Path) -> Path:
    root = tmp_path / "env"
    for name in (*OWN, "lib/a/x.py", "lib/a/big.so", "bin/python-copy"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"z" * (2 << 20) if name.endswith(("so", "copy")) else name.encode())
    (root / "bin/tool").chmod(0o755)
    (root / "bin/python").symlink_to("/usr/bin/python3")
    (root / "lib64").symlink_to("lib")
    (root / "gone").symlink_to("nowhere")
    os.mkfifo(root / "lib/pipe")
    os.utime(root / "lib/a/x.py", ns=(1, 1_000_000_007))
    os.utime(root / "lib/a", ns=(1, 2_000_000_009))
    (root / "lib/a").chmod(0o555)
    return root


def test_a_clone_is_the_same_and_shares_what_is_never_rewritten(env: Path) -> None:
    other = env.with_name("other")
    assert clone(env, other) == len(OWN) + 3 + 3
    for path in env.rglob("*"):
        twin = other / path.relative_to(env)
        if path.name == "pipe":
            assert not twin.exists()
        elif path.is_symlink():
            assert twin.readlink() == path.readlink()
        else:
            one, two = path.stat(), twin.stat()
            assert (one.st_mode, one.st_mtime_ns) == (two.st_mode, two.st_mtime_ns), path
            if path.is_file():
                assert path.read_bytes() == twin.read_bytes()
    for name in OWN:
        assert (env / name).stat().st_nlink == 1, name
    shared = (other / "lib/a/x.py").stat()
    assert shared.st_nlink == 2 or shared.st_ino != (env / "lib/a/x.py").stat().st_ino
    assert own_bytes(other) <= sum(len(name) for name in OWN) or shared.st_nlink == 1
    (env / "lib/a").chmod(0o755)
    remove_tree(other)
    assert not other.exists()
    assert (env / "lib/a/x.py").exists()
