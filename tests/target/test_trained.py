"""A .gguf file is written, read back, trained and merged."""

import pytest
from torch_target import lacks
from trainers import LOADS, TH, done

WRITES = """
import gguf_file, loading, train_state
tokenizer = loading.load_tokenizer({'model': 'm', 'adapter': ''})
model, _ = train_state.merged('m', '')
table = json.load(open(gguf_file.__file__.replace('target/gguf_file.py', 'tables/gguf.json')))['write']
assert gguf_file.write(model, tokenizer, 'x.gguf', table).startswith("F16; read back, the logits differ by ")
"""


def test_a_gguf_file_is_written_read_back_and_trained(torch_python, train, tmp_path):
    if lacks("gguf"):
        pytest.skip("the target lacks gguf")
    done(train(code="tiny('m')" + TH.format("m") + WRITES))
    (tmp_path / "d.jsonl").write_text('{"prompt": "a", "completion": "b"}\n' * 4)
    words = ("--model=x.gguf", "--data=d.jsonl", "--batch=2", "--max-steps=2", "--save-every=1")
    done(train(*words, "--out=whole"))
    ended = done(train(*words, "--max-steps=1"))
    assert f"x.gguf is unpacked to {tmp_path}/out/base: 0.00 GB" in ended.out
    done(train(*words, "--resume=true"))
    done(train(*words, "--merge"))
    weights = [(tmp_path / o / "final/adapter_model.safetensors").read_bytes() for o in ("out", "whole")]
    assert weights[0] == weights[1]
    done(train(code=LOADS.replace("/merged", "/out/merged")))
