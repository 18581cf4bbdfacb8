"""Runs trainers for the tests inside a target: torch and its friends are imported once, each run is a fork of that.

A line of JSON comes in: {"arguments": [..], "code": "..", "folder": "..", "two": false}. The code is run first, with
the module as `trainer`; then its main, if there are arguments, by two processes that train together where "two" is
true. Out goes {"code": exit status or -signal, "out": "..", "err": ".."}.
"""

import importlib.util
import json
import os
import socket
import sys
import tempfile
import traceback
import warnings
from typing import Any

warnings.filterwarnings("ignore")
os.environ.update(
    HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", HF_HUB_DISABLE_PROGRESS_BARS="1"
)
sys.modules["bitsandbytes"] = None

import torch  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM  # noqa: E402

torch.set_num_threads(1)
import peft  # noqa: E402
import torch.distributed.checkpoint.state_dict  # noqa: E402
import torch.distributed.fsdp  # noqa: E402


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
    shape = {"hidden_size": width, "intermediate_size": 2 * width, "num_hidden_layers": 2,
        "num_attention_heads": 4}  # fmt: skip
    more = {"num_key_value_heads": 2, "max_position_embeddings": 256, "tie_word_embeddings": True,
        "initializer_range": 0.3}  # fmt: skip
    ends = {"vocab_size": 259, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = LlamaConfig(**shape, **more, **ends)
    LlamaForCausalLM(config).save_pretrained(folder)


def second() -> int:
    """Become two processes that meet each other; returns the second one's number to the first."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        port = str(place.getsockname()[1])
    os.environ.update(WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    number = os.fork()
    os.environ["RANK"] = os.environ["LOCAL_RANK"] = "0" if number else "1"
    return number


def child(path: str, order: dict[str, Any]) -> int:
    os.chdir(order["folder"])
    other = second() if order["two"] else 0
    # the first operation after a fork makes torch's pool anew, and two threads at once fail: so once by one
    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("trainer", path)
    trainer = sys.modules["trainer"] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(trainer)
        exec(order["code"], {"trainer": trainer, "torch": torch, "tiny": tiny})  # noqa: S102
        code = int(trainer.main(order["arguments"])) if order["arguments"] else 0
    except SystemExit as error:
        code = int(error.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 99
    return code or (os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) if other else 0)


def warm() -> None:
    """Have libraries do before the forks what they do once: most of the time of a short run."""
    with tempfile.TemporaryDirectory() as folder:
        tiny(folder)
        AutoTokenizer.from_pretrained(folder).apply_chat_template([{"role": "user", "content": ""}])
        model = AutoModelForCausalLM.from_pretrained(folder)
        adapters = peft.LoraConfig(target_modules="all-linear")
        peft.get_peft_model(model, adapters).save_pretrained(folder)


def main(path: str) -> None:
    warm()
    for line in sys.stdin:
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            if not (pid := os.fork()):
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                code = child(path, json.loads(line))
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            out.seek(0)
            err.seek(0)
            print(json.dumps({"code": code, "out": out.read(), "err": err.read()}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
