"""The tools of doctor mcp: their schemas come from functions of the library, and a call answers as the command does."""

import inspect
import json
from collections.abc import Sequence
from os import PathLike
from typing import Annotated, Any, Literal

import msgspec
import pytest
from jsonschema import Draft202012Validator
from msgspec import Meta
from typed import inside as doctor

from tunedoctor.cli.mcp import _called_function as called
from tunedoctor.cli.mcp_tools import TOOLS, Interface, child_reason
from tunedoctor.cli.tool_schema import arguments_of, input_schema, input_type, summary
from tunedoctor.core.errors import DoctorError

TEXT = "Nvidia driver version: 550.144.03\nPyTorch version: 2.9.1+cu130\nIs CUDA available: False\n"
LINUX = {"platform": "linux", "driver": "580.65.06", "python": "3.12", "gpus": ["8.9"]}


def sample(
    model: Annotated[str | PathLike[str], Meta(description="A model.")],
    *,
    rank: Annotated[int | None, Meta(ge=1, le=64), Meta(description="LoRA rank.")] = None,
    gpus: Sequence[str] = (),
    goal: Literal["chat", "code"] = "chat",
    share: float | None = None,
    log: str = "",
    fast: bool = False,
    secret: str = "",
) -> None:
    """Estimate `a thing`,
    in one line.

    More for people.
    """


NAMES = ("model", "rank", "gpus", "goal", "share", "log", "fast")
SAMPLE = input_type(sample, NAMES, texts=("log",), more={"all": bool})


def test_a_schema_has_the_names_types_limits_and_descriptions_of_the_signature():
    assert summary(sample) == "Estimate a thing, in one line."
    assert input_schema(SAMPLE, sample) == {
        "type": "object",
        "required": ["model"],
        "additionalProperties": False,
        "properties": {
            "model": {"type": "string", "maxLength": 4096, "description": "A model."},
            "rank": {"type": "integer", "minimum": 1, "maximum": 64, "description": "LoRA rank."},
            "gpus": {
                "type": "array",
                "items": {"type": "string", "maxLength": 4096},
                "maxItems": 100,
            },
            "goal": {"enum": ["chat", "code"], "default": "chat"},
            "share": {"type": "number"},
            "log": {"type": "string", "minLength": 1, "maxLength": 4 << 20},
            "fast": {"type": "boolean"},
            "all": {"type": "boolean"},
        },
    }


VALID: list[dict[str, Any]] = [
    {"model": "m"},
    {"model": "m", "rank": 8, "gpus": ["8.9"], "goal": "code", "share": 1, "log": "x" * 9000},
    {"model": "m", "rank": 8.0, "all": True},
]
INVALID: list[dict[str, Any]] = [
    {},
    {"model": 7},
    {"model": None},
    {"model": "m" * 5000},
    {"model": "m", "rank": 0},
    {"model": "m", "rank": 10**30},
    {"model": "m", "rank": "8"},
    {"model": "m", "rank": 1.5},
    {"model": "m", "rank": True},
    {"model": "m", "gpus": "8.9"},
    {"model": "m", "gpus": [8.9]},
    {"model": "m", "gpus": ["x"] * 101},
    {"model": "m", "goal": "sing"},
    {"model": "m", "log": ""},
    {"model": "m", "fast": "yes"},
    {"model": "m", "secret": "x"},
    {"model": "m", "no_such": 1},
]


@pytest.mark.parametrize("values", VALID)
def test_what_the_schema_allows_is_taken(values):
    assert Draft202012Validator(input_schema(SAMPLE, sample)).is_valid(values)
    assert arguments_of(SAMPLE, values) == values


@pytest.mark.parametrize("values", INVALID)
def test_what_the_schema_forbids_is_refused(values):
    assert not Draft202012Validator(input_schema(SAMPLE, sample)).is_valid(values)
    with pytest.raises(msgspec.ValidationError):
        arguments_of(SAMPLE, values)


@pytest.mark.parametrize("name", TOOLS)
def test_a_tool_takes_described_parameters_of_its_function(name):
    tool, interface = TOOLS[name], Interface(TOOLS[name])
    Draft202012Validator.check_schema(interface.input)
    Draft202012Validator.check_schema(interface.output)
    assert {*tool.parameters} <= {*inspect.signature(tool.function).parameters}
    assert [*interface.input["properties"]] == [*tool.parameters, *(["all"] if tool.leaves else [])]
    assert all(row["description"] for row in interface.input["properties"].values())
    # an agent must not read settings of a file, run plug-ins or write files
    assert not {*tool.parameters} & {"config", "plugins", "freeze", "pyproject", "apply", "system"}
    assert tool.child or not tool.network


def plain(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: one for key, one in answer.items() if key not in ("seconds", "taken", "said")}


@pytest.mark.parametrize(
    ("name", "values", "argv"),
    [
        ("check", {"profile": "node"}, ["check", "--profile=node"]),
        ("triage", {"text": TEXT}, ["triage", "-"]),
        ("fit", {"model": "7B", "gpu": "RTX 4090"}, ["fit", "7B", "--gpu=RTX 4090"]),
        ("fit", {"model": "Qwen/Qwen3-8B", "vram": 80, "method": "full", "quant": "int8"}, ["fit", "Qwen/Qwen3-8B", "--vram=80", "--method=full", "--quant=int8"]),
        ("wheel", LINUX, ["wheel", "--platform=linux", "--driver=580.65.06", "--python=3.12", "--gpu=8.9"]),
    ],
)  # fmt: skip
def test_an_answer_is_what_the_command_prints(name, values, argv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not child_reason(TOOLS[name], values)
    ended = doctor(*argv, "--format", "json", stdin=str(values.get("text", "")), cwd=tmp_path)
    assert plain(called(TOOLS[name], values)) == plain(json.loads(ended.stdout))


@pytest.mark.parametrize(
    ("values", "stdin", "argv"),
    [
        ({"id": "torch-cpu-only"}, "", ["explain", "torch-cpu-only"]),
        ({"id": "fit"}, "", ["explain", "fit"]),
        ({"id": "CUDA out of memory"}, "", ["explain", "CUDA out of memory"]),
        ({"text": "torch.OutOfMemoryError: CUDA out of memory.\n"}, "torch.OutOfMemoryError: CUDA out of memory.\n", ["explain", "-"]),
    ],
)  # fmt: skip
def test_an_explanation_is_the_page(values, stdin, argv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = called(TOOLS["explain"], values)["text"]
    assert page == doctor(*argv, stdin=stdin, cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("check", {"deep": True}),
        ("plan_fix", {}),
        ("apply_fix", {"plan": "0" * 16}),
        ("set", {"platform": "linux"}),
        ("triage", {"text": TEXT * 5000}),
        ("explain", {"text": TEXT * 5000}),
    ],
)
def test_what_is_long_or_changes_something_needs_a_child(name, values, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert child_reason(TOOLS[name], values)


def test_a_folder_with_settings_needs_a_child(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not child_reason(TOOLS["triage"], {"text": TEXT})
    (tmp_path / "doctor.toml").write_text('plugins = ["theirs"]\n')
    assert child_reason(TOOLS["triage"], {"text": TEXT})
    assert child_reason(TOOLS["explain"], {"id": "fit"})
    (tmp_path / "doctor.toml").write_text("plugins = 5\n")
    with pytest.raises(DoctorError, match=r"doctor\.toml"):
        child_reason(TOOLS["check"], {})


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("fit", {"model": "-", "vram": 24}, "begins with a dash"),
        ("fit", {"model": "no/model", "vram": 24}, "the catalogue has no model"),
        ("wheel", {"platform": "linux", "gpus": ["RTX 9"]}, "RTX 9"),
        ("explain", {"id": "torch-cpu-onyl"}, "is it torch-cpu-only"),
        ("explain", {"id": "fit", "text": TEXT}, "give one of them"),
        ("explain", {}, "no finding is named"),
    ],
)
def test_a_mistake_says_the_way_out(name, values, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DoctorError, match=words):
        called(TOOLS[name], values)


def test_a_bug_ends_one_call_and_not_the_server(capsys):
    def broken(**_: object) -> None:
        raise SystemExit("gone")

    with pytest.raises(DoctorError, match="a bug in it: SystemExit: gone"):
        called(TOOLS["check"]._replace(function=broken), {})
    assert "gone" in capsys.readouterr().err
