"""What chat.py and export.py share: how libraries behave, and the tokenizer."""

from __future__ import annotations

import os
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
from train_input import DIGESTS, check_digests, or_stop  # type: ignore[import-not-found]
from train_state import source  # type: ignore[import-not-found]


def load_tokenizer(told: dict[str, Any]) -> Any:
    """Return the tokenizer, of the adapter where there is one, whose files are looked at."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    if told["adapter"] and Path(told["adapter"], DIGESTS).exists():
        check_digests(Path(told["adapter"]), "train again")
    with or_stop("the tokenizer does not load", "download the model anew, or train again"):
        place = source(told["adapter"] or told["model"])
        return transformers.AutoTokenizer.from_pretrained(**place)
