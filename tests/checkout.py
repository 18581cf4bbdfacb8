"""The working tree as it stands, for tests that install from it."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
IS_ONE = (ROOT / ".git").exists() and (ROOT / "checks" / "__init__.py").exists()
WHY_NOT = "not a checkout: nothing to install from"


def git(place: Path, *words: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    done = subprocess.run(["git", *who, *words], cwd=place, capture_output=True, check=True)
    return done.stdout.decode()


def copied(place: Path) -> Path:
    for name in git(ROOT, "ls-files", "-co", "--exclude-standard").splitlines():
        if os.path.lexists(ROOT / name):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name, follow_symlinks=False)
    return place


def committed(place: Path) -> Path:
    git(place, "init", "-q")
    git(place, "add", "-A")
    git(place, "commit", "-qm", "all")
    return place
