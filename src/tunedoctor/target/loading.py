"""Shared parts of chat.py and export.py: settings of libraries, locks for unfinished files, and the tokenizer."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
os.environ.update(TORCH_FORCE_WEIGHTS_ONLY_LOAD="1", TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD="0")
for name in ("HF_HUB_DISABLE_PROGRESS_BARS", "TQDM_DISABLE"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
warnings.filterwarnings("ignore")
sys.modules.setdefault("bitsandbytes", None)  # type: ignore[arg-type]  # peft loads it: 1.5 s
try:
    import fcntl as locks
except ImportError:  # Windows
    locks = None  # type: ignore[assignment]
from train_input import DIGESTS, check_digests, or_stop  # type: ignore[import-not-found]
from train_state import source  # type: ignore[import-not-found]

UNFINISHED = ".tunedoctor-unfinished-"
"""Prefix of the names of files and folders that are being written."""
LOCKS: list[Any] = []
"""Open lock files; this process holds the locks until it ends."""


def lock_of(path: Path) -> Path:
    """Return the file that is locked while something is written to a path."""
    return path.with_name(f"{UNFINISHED}{path.name}.lock")


def lock_unfinished(path: Path) -> None:
    """Lock the unfinished file for a path, so that no other process removes it."""
    if locks is not None:
        LOCKS.append(lock := lock_of(path).open("w"))
        locks.flock(lock, locks.LOCK_EX)
        atexit.register(lock_of(path).unlink, missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove unfinished files and folders that no process has locked: killed exports left them."""
    for lock in folder.glob(f"{UNFINISHED}*.lock") if locks is not None else ():
        with contextlib.suppress(OSError), lock.open("r+") as file:
            locks.flock(file, locks.LOCK_EX | locks.LOCK_NB)
            left = lock.with_suffix("")
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
            lock.unlink()


def load_tokenizer(options: dict[str, Any]) -> Any:
    """Return the tokenizer of the adapter, or else of the model; the adapter's files are checked first."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    if options["adapter"] and Path(options["adapter"], DIGESTS).exists():
        check_digests(Path(options["adapter"]), "train again")
    with or_stop("the tokenizer does not load", "download the model again, or repeat the training"):
        place = source(options["adapter"] or options["model"])
        return transformers.AutoTokenizer.from_pretrained(**place)
