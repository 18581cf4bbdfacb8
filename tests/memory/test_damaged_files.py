"""Files of models that state absurd sizes are refused at once, however large they are."""

import json
import struct
import sys

import pytest
from typed import doctor, soon

from tunedoctor.memory.catalogue import head_of
from tunedoctor.memory.shape import MemoryModelError

HUGE = 1 << 40
ONE_KEY = struct.pack("<Q", 1) + b"a"
HEADS = {
    "keys": struct.pack("<IQQ", 3, 1, HUGE),
    "tensors": struct.pack("<IQQ", 3, HUGE, 0),
    "a list of texts": struct.pack("<IQQ", 3, 1, 1) + ONE_KEY + struct.pack("<IIQ", 9, 8, HUGE),
    "a list of numbers": struct.pack("<IQQ", 3, 1, 1) + ONE_KEY + struct.pack("<IIQ", 9, 4, HUGE),
}


@pytest.mark.parametrize("what", HEADS)
@pytest.mark.parametrize("command", ["fit", "chat"])
def test_a_gguf_file_that_states_absurd_counts_is_refused(command, what, tmp_path):
    place = tmp_path / "model.gguf"
    with place.open("wb") as file:
        file.write(b"GGUF" + HEADS[what])
        file.truncate(20 << 30)  # sparse: it takes no room
    words = ["--prompt", "Hello"] if command == "chat" else []
    ended = doctor(command, str(place), *words)
    assert ended.returncode == 2
    assert "it is damaged: it claims 1,099,511,627,776" in ended.stderr
    assert len(ended.stderr.splitlines()) <= 3


@pytest.mark.parametrize(
    ("keys", "tensors", "is_sane"),
    [(10_000, 0, True), (10_001, 0, False), (0, 100_000, True), (0, 100_001, False)],
)
def test_counts_up_to_the_limit_are_read_and_no_more(keys, tensors, is_sane):
    key = struct.pack("<Q", 0) + struct.pack("<IB", 0, 1)
    tensor = struct.pack("<QIQIQ", 0, 1, 1, 0, 0)
    data = b"GGUF" + struct.pack("<IQQ", 3, tensors, keys) + key * keys + tensor * tensors
    if is_sane:
        assert soon(lambda: head_of(data), 5.0)
        return
    with pytest.raises(MemoryModelError, match="it claims"):
        head_of(data)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "[1]", "{", "\0"])
def test_an_adapter_configuration_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "adapter_config.json").write_text(text)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"x")
    for words in (["chat", str(tmp_path), "--prompt", "Hello"], ["export", str(tmp_path)]):
        ended = doctor(*words)
        assert ended.returncode == 2
        assert "adapter_config.json can't be read" in ended.stderr


@pytest.mark.parametrize(
    "base", ["a/" * 100_000, "x\0", ["a"], {"a": 1}, 7, "../nowhere", "a b", "--help"]
)
def test_an_adapter_whose_base_is_no_name_is_refused(base, tmp_path):
    text = json.dumps({"base_model_name_or_path": base, "r": 1e400})
    (tmp_path / "adapter_config.json").write_text(text)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"x")
    ended = doctor("chat", str(tmp_path), "--prompt", "Hello")
    assert ended.returncode == 2
    assert "does not exist" in ended.stderr
    assert "base_model_name_or_path" in ended.stderr


@pytest.mark.parametrize("deep", [{"num_hidden_layers": 10**18}, {"text_config": {"n_layer": 3e6}}])
def test_a_model_that_states_absurd_depth_is_refused_before_it_is_made(deep, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", **deep}))
    for name in ("model.safetensors", "tokenizer.json", "d.jsonl"):
        (tmp_path / name).write_text("{}")
    for words in (
        ["chat", str(tmp_path), "--prompt", "Hello"],
        ["export", str(tmp_path)],
        ["train", f"--model={tmp_path}", "--data=d.jsonl", "--target", sys.executable],
    ):
        ended = doctor(*words, cwd=tmp_path)
        assert ended.returncode == 2
        assert "config.json says" in ended.stderr, ended.stderr


def test_a_configuration_with_odd_values_is_refused_or_reckoned(tmp_path):
    sound = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "vocab_size": 99,
             "num_hidden_layers": 2, "num_attention_heads": 4}  # fmt: skip
    odd = (10**300, -1, 0, True, 1e308, "x" * 9999, [1, 2], {"a": 1}, None)
    for key in sound:
        for value in odd:
            (tmp_path / "config.json").write_text(json.dumps({**sound, key: value}))
            assert doctor("fit", str(tmp_path)).returncode in (0, 1, 2), (key, value)
