"""What was trained is asked, merged and written for other programs, by the commands themselves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from trainers import Train, done

MERGES = """
d = json.load(open('m/tokenizer.json'))
d['model']['vocab'] = {('th' if i == 258 else c): i for c, i in d['model']['vocab'].items()}
d['model']['merges'] = [['t', 'h']]
json.dump(d, open('m/tokenizer.json', 'w'))
"""
WRITES = """
import gguf_file, loading, train_state
tokenizer = loading.load_tokenizer({'model': 'm', 'adapter': ''})
model, _ = train_state.merged('m', '')
table = json.load(open(gguf_file.__file__.replace('target/gguf_file.py', 'tables/gguf.json')))['write']
assert gguf_file.write(model, tokenizer, 'x.gguf', table).startswith("F16; read back, the logits differ by ")
"""
LOADS = """
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM
import os
ids, here = torch.tensor([[5, 6, 7, 8]]), os.getcwd()
os.chdir("/")
one = AutoPeftModelForCausalLM.from_pretrained(here + "/out/final").eval()(ids).logits
one = one[..., :259]  # peft makes room for a token that transformers gives to each GPT-2 kind
two = AutoModelForCausalLM.from_pretrained(here + "/merged").eval()(ids).logits
assert torch.allclose(one, two, atol=1e-3)
"""


def test_a_model_is_trained_asked_and_exported(
    torch_python: str, train: Train, tmp_path: Path
) -> None:
    def doctor(*words: str) -> str:
        argv = [sys.executable, "-m", "tunedoctor", *words, "--target", torch_python]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        ended = subprocess.run(
            argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr[-2000:]
        return ended.stdout

    (tmp_path / "d.csv").write_text("ask;reply\n" + "a;b\n" * 4)
    done(train(code="import json\ntiny('m')" + MERGES))
    words = (
        "--data=d.csv",
        "--columns",
        "prompt=ask,completion=reply",
        "--batch=2",
        "--max-steps=2",
        "--no-check",
        "--save-every=1",
    )
    told = doctor("train", "--model=m", *words)
    assert "Learned in 2 steps: the loss of the steps went from" in told
    assert "Next: doctor chat out --target" in told
    told = doctor("train", "--model=m", *words, "--resume=true", "--max-steps=3")
    assert "Learned in 3 steps, resumed from step 2: " in told
    assert "3 steps on 4 rows of `d.csv`" in (tmp_path / "out/final/README.md").read_text()
    base = json.loads((tmp_path / "out/final/adapter_config.json").read_text())
    assert base["base_model_name_or_path"] == str(tmp_path / "m")
    told = doctor("chat", "out", "--prompt", "a", "--compare", "--max-tokens", "3")
    assert told.startswith("base:\n")
    assert "\nadapter:\n" in told
    told = doctor("export", "out", "--merged", "merged", "--modelfile", "Modelfile")
    assert f"vllm serve {tmp_path / 'merged'}" in told
    assert "from a .gguf alone: --gguf NAME" in told
    text = (tmp_path / "Modelfile").read_text()
    assert f"FROM {tmp_path / 'merged'}\n" in text
    assert "{{ if .Prompt }}u:{{ .Prompt }}</s>{{ end }}a:{{ .Response }}</s>" in text
    done(train(code=LOADS))


def test_a_gguf_file_is_written_read_back_and_trained(
    torch_python: str, train: Train, tmp_path: Path
) -> None:
    has = subprocess.run([torch_python, "-c", "import gguf"], capture_output=True, check=False)
    if has.returncode:
        pytest.skip("the target lacks gguf")
    done(train(code="import json\ntiny('m')" + MERGES + WRITES))
    (tmp_path / "d.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 4)
    words = ("--model=x.gguf", "--data=d.jsonl", "--batch=2", "--max-steps=2", "--save-every=1")
    done(train(*words, "--out=whole"))
    ended = done(train(*words, "--max-steps=1"))
    assert f"x.gguf is unpacked to {tmp_path}/out/base: 0.00 GB" in ended.out
    done(train(*words, "--resume=true"))
    done(train(*words, "--merge"))
    weights = [(tmp_path / o / "final/adapter_model.safetensors").read_bytes() for o in ("out", "whole")]  # fmt: skip
    assert weights[0] == weights[1]
    done(train(code=LOADS.replace("/merged", "/out/merged")))
