"""Runs trainers for the tests inside a target: torch and its friends are imported once, each run is a fork of that.

A line of JSON comes in: {"arguments": [..], "code": "..", "folder": ".."}. The code is run first, with the module as
`trainer`; then its main, if there are arguments. Out goes {"code": exit status or -signal, "out": "..", "err": ".."}.
"""

import importlib.util
import json
import os
import sys
import tempfile
import traceback
import warnings
from typing import Any

warnings.filterwarnings("ignore")
os.environ.update(
    HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1"
)
sys.modules["bitsandbytes"] = None  # type: ignore[assignment]

import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM  # noqa: E402, F401

torch.set_num_threads(1)
import peft  # noqa: E402, F401


def tiny(folder: str, width: int = 32) -> None:
    """Write a small Llama of random weights and a tokenizer of bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<pad>": 0, "<s>": 1, "</s>": 2, **{c: i + 3 for i, c in enumerate(letters)}}
    one = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    one.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    one.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=one, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'][0] + ':' + m['content'] + eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}a:{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    shape = {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    more = {
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "tie_word_embeddings": True,
        "initializer_range": 0.3,
    }
    ends = {"vocab_size": 259, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = LlamaConfig(**shape, **more, **ends)
    LlamaForCausalLM(config).save_pretrained(folder)


def child(trainer: Any, order: dict[str, Any]) -> int:
    os.chdir(order["folder"])
    try:
        exec(order["code"], {"trainer": trainer, "torch": torch, "tiny": tiny})  # noqa: S102
        return int(trainer.main(order["arguments"])) if order["arguments"] else 0
    except SystemExit as error:
        return int(error.code or 0)
    except BaseException:
        traceback.print_exc()
        return 99


def main(path: str) -> None:
    spec = importlib.util.spec_from_file_location("trainer", path)
    assert spec is not None
    assert spec.loader is not None
    trainer = importlib.util.module_from_spec(spec)
    sys.modules["trainer"] = trainer
    spec.loader.exec_module(trainer)
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            if not (pid := os.fork()):
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                code = child(trainer, json.loads(line))
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            out.seek(0)
            err.seek(0)
            print(json.dumps({"code": code, "out": out.read(), "err": err.read()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
