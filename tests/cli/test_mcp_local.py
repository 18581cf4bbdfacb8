"""Calls of doctor mcp that run in the server's process answer as the command does, and nothing else runs there."""

import json
from typing import Any

import pytest
from typed import inside as doctor

from tunedoctor.cli.mcp_local import local_call
from tunedoctor.core.errors import DoctorError

TEXT = "Nvidia driver version: 550.144.03\nPyTorch version: 2.9.1+cu130\nIs CUDA available: False\n"
LINUX = {"platform": "linux", "driver": "580.65.06", "python": "3.12", "gpus": ["8.9"]}


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: one for key, one in answer.items() if key not in ("seconds", "taken")}


@pytest.mark.parametrize(
    ("command", "values", "text", "argv"),
    [
        ("triage", {}, TEXT, ["triage", "-"]),
        ("fit", {"model": "7B", "gpu": "RTX 4090"}, "", ["fit", "7B", "--gpu=RTX 4090"]),
        ("fit", {"model": "Qwen/Qwen3-8B", "vram": 80, "method": "full", "quant": "int8"}, "", ["fit", "Qwen/Qwen3-8B", "--vram=80", "--method=full", "--quant=int8"]),
        ("wheel", LINUX, "", ["wheel", "--platform=linux", "--driver=580.65.06", "--python=3.12", "--gpu=8.9"]),
    ],
)  # fmt: skip
def test_an_answer_is_what_the_command_prints(command, values, text, argv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    local = local_call(command, values, text)
    assert local
    ended = doctor(*argv, "--format", "json", stdin=text, cwd=tmp_path)
    assert plain(local()) == plain(json.loads(ended.stdout))


@pytest.mark.parametrize(
    ("values", "text", "argv"),
    [
        ({"id": "torch-cpu-only"}, "", ["explain", "torch-cpu-only"]),
        ({"id": "fit"}, "", ["explain", "fit"]),
        ({"id": "CUDA out of memory"}, "", ["explain", "CUDA out of memory"]),
        ({}, "torch.OutOfMemoryError: CUDA out of memory.\n", ["explain", "-"]),
    ],
)
def test_an_explanation_is_the_page(values, text, argv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    local = local_call("explain", values, text)
    assert local
    assert local()["text"] == doctor(*argv, stdin=text, cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("command", "values", "text"),
    [
        ("check", {}, ""),
        ("fix", {"ids": []}, ""),
        ("set", {"platform": "linux"}, ""),
        ("triage", {"here": True}, TEXT),
        ("triage", {}, TEXT * 5000),
        ("fit", {"model": "7B"}, ""),
        ("fit", {"model": "7B", "gpu": "H100", "stack": "trl"}, ""),
        ("fit", {"model": "7B", "gpu": "H100", "target": "/opt/venv"}, ""),
        ("wheel", {"driver": "580.65.06"}, ""),
        ("wheel", {"platform": "linux", "target": "/opt/venv"}, ""),
        ("explain", {"id": "fit"}, TEXT),
        ("explain", {}, ""),
    ],
)
def test_what_starts_or_examines_something_needs_a_child(command, values, text):
    assert local_call(command, values, text) is None


def test_a_folder_that_names_plugins_needs_a_child(tmp_path, monkeypatch):
    (tmp_path / "doctor.toml").write_text('plugins = ["theirs"]\n')
    monkeypatch.chdir(tmp_path)
    assert local_call("triage", {}, TEXT) is None
    assert local_call("explain", {"id": "fit"}, "") is None


@pytest.mark.parametrize(
    ("command", "values", "words"),
    [
        ("fit", {"model": "-", "vram": 24}, "begins with a dash"),
        ("fit", {"model": "no/model", "vram": 24}, "no model of the catalogue"),
        ("wheel", {"platform": "linux", "gpus": ["RTX 9"]}, "RTX 9"),
        ("explain", {"id": "torch-cpu-onyl"}, "is it torch-cpu-only"),
    ],
)
def test_a_mistake_says_the_way_out(command, values, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    local = local_call(command, values, "")
    assert local
    with pytest.raises(DoctorError, match=words):
        local()
