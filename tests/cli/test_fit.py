"""doctor fit and doctor data where they take the target's torch, tokenizer and pyarrow."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from torch_target import WHY_NOT, torch_python, torch_target
from typed import inside as run

PYTHON = torch_python()


@pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
def test_exact_agrees_with_the_closed_form():
    argv = "fit SmolLM2-135M --method qlora --seq 2048 --stack hf --vram 24 --exact"
    found = json.loads(run(*argv.split(), "--format=json", "--target", torch_target()).stdout)
    assert found["way"] == "traced"
    assert found["peak_gib"] == pytest.approx(found["closed_form_gib"], rel=0.01)


def test_a_pair_takes_two_sequences_and_no_second_model():
    def told(*more: str) -> dict[str, Any]:
        argv = ("fit", "SmolLM2-135M", "--vram", "24", "--format", "json", *more)
        return dict(json.loads(run(*argv).stdout))

    pairs, sft = told("--objective", "dpo", "--seq", "1024"), told("--batch", "2", "--seq", "1024")
    assert pairs["settings"]["objective"] == "dpo"
    assert pairs["peak_gib"] == pytest.approx(sft["peak_gib"], rel=0.05)
    assert pairs["trained"] == sft["trained"]
    refused = run("fit", "SmolLM2-135M", "--objective", "dpo", "--method", "full")
    assert refused.returncode == 2
    assert "dpo needs an adapter" in refused.stderr
    assert "dpo, rank 16" in run("fit", "SmolLM2-135M", "--objective", "dpo", "--vram", "24").stdout


def lines(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def report(*argv: str) -> dict[str, Any]:
    ended = run("data", *argv, "--format", "json", "--target", PYTHON)
    assert ended.returncode in (0, 1), ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    assert (found["verdict"] == "faults") == (ended.returncode == 1)
    return found


NO_SYSTEM = "{% if m['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}{{"


def test_the_models_own_tokenizer_and_template_count(tiny_model, tmp_path):
    model = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    for file in (model / "chat_template.jinja", model / "tokenizer_config.json"):
        if file.is_file():
            file.write_text(file.read_text().replace("{{", NO_SYSTEM, 1))
    roles = {"system": "s", "user": "What is 1 and 1?", "assistant": "It is 2."}
    turns = [{"role": role, "content": text} for role, text in roles.items()]
    file = lines(tmp_path / "train.jsonl", [{"messages": turns[1:]}, {"messages": turns}])
    found = report(file, "--model", str(model), "--seq", "22")
    sizes = found["lengths"]
    # bytes are tokens, and the end of a turn is one: u:What is 1 and 1?</s>a:It is 2.</s>
    assert sizes["by"] == "tokenizer"
    assert (sizes["counted"], sizes["tokens"], sizes["learned"]) == (1, 2 + 16 + 1 + 2 + 8 + 1, 9)
    assert (sizes["cut_rows"], sizes["cut_tokens"], sizes["nothing_left"]) == (1, 8, 0)
    assert [one["parts"] for one in found["rows_shown"]] == [
        [["", "u:What is 1 and 1?</s>a:", False], ["", "It is 2.</s>", True]],
        [
            [role, text, role == "assistant"] for role, text in roles.items()
        ],  # the template refuses it
    ]
    template = next(one for one in found["faults"] if one["kind"] == "template")
    assert [(one["line"], one["detail"]) for one in template["places"]] == [(2, "no system here")]
    shorter = report(file, "--model", str(model), "--seq", "21")
    assert shorter["lengths"]["nothing_left"] == 1


@pytest.mark.skipif(not PYTHON, reason=f"{WHY_NOT}, which could have pyarrow")
def test_parquet_is_read_by_the_target(tmp_path):
    source = lines(tmp_path / "a.jsonl", [{"text": f"row {i} " + "x" * 5000} for i in range(8000)])
    write = (
        "import sys, pyarrow.json as j, pyarrow.parquet as p; "
        "p.write_table(j.read_json(sys.argv[1]), sys.argv[2], row_group_size=700)"
    )
    file = str(tmp_path / "a.parquet")
    if subprocess.run([PYTHON, "-c", write, source, file], check=False).returncode:
        pytest.skip("the target has no pyarrow")
    found = report(file)
    assert (found["rows"], found["duplicates"]) == (8000, 0)
