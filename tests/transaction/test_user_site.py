"""A real user site: packages that pip put there with --user are changed there, and brought back."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from transaction.environment import PLAN, apply, beside, contents, python
from transaction.index import Index
from transaction.test_apply import said
from tunedoctor.transaction.outcome import Ways
from tunedoctor.transaction.undoing import list_states, undo

CONSENT = Ways(checks=(), consent=True)


@pytest.fixture
def site(
    prefix: Path, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Return the user's own site, which holds alpha 1; that of the Python is empty and read-only."""
    base = tmp_path / "user's own"
    monkeypatch.setenv("PYTHONUSERBASE", str(base))
    (own,) = prefix.glob("lib/python*/site-packages")
    subprocess.run([python(prefix), "-m", "pip", "uninstall", "-qy", "alpha", "gamma"], check=True)
    argv = [python(prefix), "-m", "pip", "install", "-q", "--user", "--no-warn-script-location"]
    subprocess.run([*argv, "alpha==1.0"], check=True)
    if os.geteuid() == 0:  # the mode keeps nobody out who is root
        if subprocess.run(["mount", "--bind", own, own], check=False).returncode:
            pytest.skip("this system lets nobody mount")
        subprocess.run(["mount", "-o", "remount,ro,bind", own], check=True)
    else:
        own.chmod(0o555)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    yield base / "lib" / version / "site-packages"
    if os.geteuid() == 0:
        subprocess.run(["umount", "--lazy", own], check=True)
    else:
        own.chmod(0o755)


def versions(prefix: Path) -> str:
    code = "import alpha, beta; print(alpha.__version__, beta.__version__, alpha.__file__)"
    ended = subprocess.run(
        [python(prefix), "-c", code], capture_output=True, text=True, check=False
    )
    return ended.stdout.strip()


def test_the_users_own_packages_are_changed_and_brought_back(site: Path, prefix: Path) -> None:
    before, commands = contents(site), contents(site.parents[2] / "bin")
    refused = said(apply(PLAN, str(prefix), ways=Ways(checks=())))
    assert refused.end == "refused"
    assert contents(site) == before
    done = said(apply(PLAN, str(prefix), ways=CONSENT))
    assert (done.end, done.why, done.strategy) == ("applied", "", "stash")
    assert versions(prefix) == f"2.0 1.0 {site / 'alpha/__init__.py'}"
    ran = subprocess.run(
        [site.parents[2] / "bin" / "alpha-run"], capture_output=True, text=True, check=False
    )
    assert ran.stdout.strip() == "2.0"
    (kept,) = list_states(str(prefix))
    assert kept.changes == ("alpha 1.0 -> 2.0", "beta 1.0")
    assert undo(str(prefix)).done
    assert contents(site) == before
    assert contents(site.parents[2] / "bin") == commands
    assert beside(site) == []
