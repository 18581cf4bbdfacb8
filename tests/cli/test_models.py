"""What doctor fit and doctor train take for a model: .gguf files, the hub's cache, configurations."""

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planting import plant
from typed import inside as doctor
from typed import soon
from wrong_inputs import TINY, gguf, text

from tunedoctor.memory.band import Device
from tunedoctor.memory.catalogue import Head, head_of, shape_of_head
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.fit_report import forecast
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.system.reading import toml

CARD = ("--vram", "24", "--format", "json")
WHOLE = gguf(words=300)
HEAD = WHOLE[: len(WHOLE) - head_of(WHOLE).elements * 4]


def told(folder: Path, *argv: str, **env: str) -> dict[str, Any]:
    ended = doctor("fit", *argv, *CARD, cwd=folder, **env)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_model_is_the_same_however_it_is_named(tmp_path):
    commit, config = "0" * 40, json.dumps(TINY)
    cache = "hub/models--some--model"
    snapshot = {f"{cache}/refs/main": commit, f"{cache}/snapshots/{commit}/config.json": config}
    plant(tmp_path, {"m.gguf": WHOLE, "m/config.json": config, **snapshot})
    plant(tmp_path, {"c.toml": 'model = "m.gguf"\ndata = "d.jsonl"\n'})
    env = {"HF_HUB_CACHE": str(tmp_path / "hub")}
    as_trained = ("--seq=1024", "--batch=4", "--accum=4", "--no-checkpointing")
    as_trained = (*as_trained, "--optimizer=adamw_fused")
    ways = [told(tmp_path, one, *as_trained, **env) for one in ("m.gguf", "m", "some/model")]
    ways.append(told(tmp_path, "c.toml"))
    assert len({json.dumps({**one, "model": ""}, sort_keys=True) for one in ways}) == 1


def test_a_configuration_says_what_the_options_do_not(tmp_path):
    lines = "method = 'full'\nrank = 4\nmax_length = 256\nmicro_batch = 2\nbatch = 6\noptimizer = 'adamw8bit'\n"
    lines += "checkpointing = true\nprecision = 'pure-bf16'\nchunk = 0\n"
    whole = f"model = '{tmp_path}/m.gguf'\ndata = 'd'\n{lines}"
    plant(tmp_path, {"m.gguf": WHOLE, "c.toml": whole})
    wanted = forecast(toml(whole), shape_of(TINY, "m"), (Device("", "nvidia", 24.0),))
    found = told(tmp_path, "c.toml")
    assert (found["peak_gib"], found["terms"]) == (pytest.approx(wanted.peak_gib), wanted.terms)
    over = told(tmp_path, "c.toml", "--batch=1", "--seq", "512", "--method=lora")["settings"]
    assert (over["batch"], over["seq"], over["method"], over["rank"]) == (1, 512, "lora", 4)
    ended = doctor("fit", "c.toml", "--vram=24", cwd=tmp_path)
    assert ended.stdout.endswith("Next: train\n  doctor train c.toml\n")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("model = 'none.gguf'\n", "none.gguf can't be read"),
        ("data = 'd'\n", "c.toml contains no model"),
        ("model = 'm.gguf'\nrank = [1]\n", "c.toml: rank: expected int, got array"),
        ("model = \n", "c.toml: "),
    ],
)
def test_a_faulty_configuration_is_told(tmp_path, lines, says):
    plant(tmp_path, {"m.gguf": WHOLE, "c.toml": lines})
    ended = doctor("fit", "c.toml", "--vram=24", cwd=tmp_path)
    assert (ended.returncode, says in ended.stderr) == (2, True), ended.stderr


def made(*values: bytes, tensors: bytes = b"", many: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, many, len(values)) + b"".join(values) + tensors


HOSTILE = {
    "big endian": made(version=3 << 24),
    "more values than bytes": b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63),
    "more tensors than bytes": made(many=2**63),
    "a text without end": made(text("a") + struct.pack("<IQ", 8, 2**64 - 1)),
    "texts without end": made(text("a") + struct.pack("<IIQ", 9, 8, 2**63) + bytes(1 << 22)),
    "texts longer than the file": made(text("a") + struct.pack("<IIQQ", 9, 8, 2, 2**64 - 1)),
    "numbers without end": made(text("a") + struct.pack("<IIQ", 9, 4, 2**62)),
    "arrays in arrays": made(text("a") + struct.pack("<IIQ", 9, 9, 1) * 1000),
    "an unknown type": made(text("a") + struct.pack("<I", 77)),
    "an unknown weight": made(tensors=text("t") + struct.pack("<IQIQ", 1, 1, 77, 0), many=1),
    "a huge weight": made(tensors=text("t") + struct.pack("<I5QIQ", 5, *[2**63] * 5, 0, 0), many=1),
    "no model": b"PK\x03\x04",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_head_is_refused_soon(name):
    def refused():
        with pytest.raises(MemoryModelError):
            shape_of_head(head_of(HOSTILE[name]), "m")

    assert soon(refused, 0.5)


@given(st.data())
def test_a_damaged_head_is_read_or_refused(data):
    changed = bytearray(HEAD[: data.draw(st.integers(1, len(HEAD)))])
    for _ in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    try:
        head = head_of(bytes(changed))
        assert isinstance(head, Head)
        shape_of_head(head, "m")
    except MemoryModelError as error:
        assert str(error)


def test_twice_the_words_take_twice_the_time():
    def cost(words):
        head = gguf(words=words)
        spent: list[float] = []
        for _ in range(5):
            began = time.process_time()
            head_of(head)
            spent.append(time.process_time() - began)
        return min(spent)

    assert cost(400_000) < 4 * cost(200_000) < 2
