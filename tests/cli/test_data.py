"""doctor data as a command."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from torch_target import WHY_NOT, torch_python
from typed import doctor as run

GOOD = [
    {"messages": [{"role": "user", "content": f"What is {i} and {i}?"}, {"role": "assistant", "content": f"It is {2 * i}."}]}
    for i in range(40)
]  # fmt: skip
PYTHON = torch_python()


def lines(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def report(*argv: str) -> dict[str, Any]:
    ended = run("data", *argv, "--format", "json")
    assert ended.returncode in (0, 1), ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    assert (found["verdict"] == "faults") == (ended.returncode == 1)
    return found


def test_a_report_keeps_to_its_schema(tmp_path: Path) -> None:
    ended = run("data", lines(tmp_path / "clean.jsonl", GOOD))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "40 rows; no faults" in ended.stdout
    assert "ua 40" in ended.stdout
    file = lines(tmp_path / "train.jsonl", [*GOOD, {"text": "x"}, [1], GOOD[0]])
    found = report(file, "--seq", "20")
    jsonschema.validate(found, json.loads(run("schema", "data").stdout))
    assert (found["schema"], found["rows"], found["duplicates"]) == ("doctor.data/1", 42, 1)
    assert found["lengths"]["cut_rows"] > 0
    assert found["lengths"]["by"] == "estimate"
    assert 0 < found["lengths"]["masked_share"] < 1
    assert sum(bar["rows"] for bar in found["lengths"]["bars"]) == 42


def test_each_fault_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    good = [json.dumps(row).encode() for row in GOOD]
    file.write_bytes(b"\n".join([good[0], b"{oops", good[1], b"", b'{"a": "\xff"}', good[2]]))
    ended = run("data", str(file))
    assert ended.returncode == 1
    assert "line 2" in ended.stdout
    places = {f["kind"]: [p["line"] for p in f["places"]] for f in report(str(file))["faults"]}
    assert places["no-json"] == [2]
    assert places["not-utf8"] == [5]
    assert places["unknown-form"] == [5]


def test_a_folder_and_its_splits(tmp_path: Path) -> None:
    lines(tmp_path / "train.jsonl", GOOD)
    lines(tmp_path / "valid.jsonl", GOOD[:2])
    found = report(str(tmp_path))
    splits = {Path(one["name"]).name: one["split"] for one in found["files"]}
    assert splits == {"train.jsonl": "train", "valid.jsonl": "valid"}
    assert found["leaks"] == [{"kind": "same row", "splits": ["train", "valid"], "rows": 2}]
    other = lines(tmp_path / "other.jsonl", GOOD[:3])
    found = report(str(tmp_path / "train.jsonl"), "--test", other)
    assert found["leaks"][0]["splits"] == ["train", "test"]


def test_no_output_holds_a_secret(tmp_path: Path) -> None:
    token = "hf_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ2cF4iL6o"
    said = ("jane.roe@firm.co.uk", "4539148803436467", token)
    file = lines(tmp_path / "a.jsonl", [{"text": f"Write to {one} now."} for one in said])
    for format_ in ("terminal", "json", "html"):
        ended = run("data", file, "--format", format_)
        assert ended.returncode == 1
        assert not any(one in ended.stdout for one in said)
        assert "hub token" in ended.stdout
        assert "card number" in ended.stdout


def test_the_page_stands_alone_and_escapes(tmp_path: Path) -> None:
    row = {"<script>alert(1)</script>": "x"}
    file = lines(tmp_path / "a&b<i>.jsonl", [*GOOD, row])
    page = tmp_path / "page.html"
    assert run("data", file, "--format", "html", "-o", str(page)).returncode == 1
    text = page.read_text()
    assert "&lt;script&gt;" in text
    for one in ("html", "head", "title", "style", "body", "pre", "code", "span"):
        assert len(re.findall(rf"<{one}\b", text)) == text.count(f"</{one}>"), one
    assert not re.search(r"<script|<i>|<[^>]* (?:src|href)=|url\(", text)


def test_several_processes_find_the_same(tmp_path: Path) -> None:
    rows = [{"text": f"{i} " + f"word{i % 97} " * 60} for i in range(6000)]
    file = lines(tmp_path / "a.jsonl", [*rows, rows[0], "x"])
    one, two = (report(file, "--jobs", n) for n in ("1", "2"))
    one.pop("seconds")
    two.pop("seconds")
    assert one == two
    assert one["duplicates"] == 1


def test_steps_time_and_memory(tmp_path: Path) -> None:
    file = lines(tmp_path / "train.jsonl", GOOD)
    found = report(
        file, "--model", "Llama-3.1-8B", "--gpu", "RTX 4090", "--batch", "8", "--epochs", "3",
        "--target", sys.executable,
    )  # fmt: skip
    costs = found["costs"]
    assert costs["steps"] == 15
    assert costs["rows"] == 40
    assert 14 < costs["peak_gib"] < 20
    assert costs["verdict"] == "fits"
    assert 0 < costs["hours_low"] <= costs["hours"] <= costs["hours_high"]
    assert any("estimate" in note for note in found["notes"])


def test_parquet_without_pyarrow_is_said(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    file.write_bytes(b"PAR1" + b"\0" * 20)
    found = report(str(file), "--target", sys.executable)
    (fault,) = found["faults"]
    assert fault["kind"] in ("no-pyarrow", "unreadable-file")
    assert "pyarrow" in fault["places"][0]["detail"]


MADE = """
import sys
from trainer_server import tiny
tiny(sys.argv[1])
from transformers import AutoTokenizer
one = AutoTokenizer.from_pretrained(sys.argv[1])
one.chat_template = one.chat_template.replace("{{", "{% if m['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}{{", 1)
one.save_pretrained(sys.argv[1])
"""


@pytest.mark.skipif(not PYTHON, reason=WHY_NOT)
def test_the_models_own_tokenizer_and_template_count(tmp_path: Path) -> None:
    model = tmp_path / "model"
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "target")}
    subprocess.run([PYTHON, "-c", MADE, str(model)], check=True, env=env)
    system = {"messages": [{"role": "system", "content": "s"}, *GOOD[7]["messages"]]}
    file = lines(tmp_path / "train.jsonl", [GOOD[1], system])
    found = report(file, "--model", str(model), "--target", PYTHON, "--seq", "22")
    sizes = found["lengths"]
    # bytes are tokens, and the end of a turn is one: u:What is 1 and 1?</s>a:It is 2.</s>
    assert sizes["by"] == "tokenizer"
    assert (sizes["counted"], sizes["tokens"], sizes["learned"]) == (1, 2 + 16 + 1 + 2 + 8 + 1, 9)
    assert (sizes["cut_rows"], sizes["cut_tokens"], sizes["nothing_left"]) == (1, 8, 0)
    template = next(one for one in found["faults"] if one["kind"] == "template")
    assert [(one["line"], one["detail"]) for one in template["places"]] == [(2, "no system here")]
    shorter = report(file, "--model", str(model), "--target", PYTHON, "--seq", "21")
    assert shorter["lengths"]["nothing_left"] == 1


@pytest.mark.skipif(not PYTHON, reason=f"{WHY_NOT}, which could have pyarrow")
def test_parquet_is_read_by_the_target(tmp_path: Path) -> None:
    source = lines(tmp_path / "a.jsonl", [{"text": f"row {i} " + "x" * 5000} for i in range(8000)])
    write = (
        "import sys, pyarrow.json as j, pyarrow.parquet as p; "
        "p.write_table(j.read_json(sys.argv[1]), sys.argv[2], row_group_size=700)"
    )
    file = tmp_path / "a.parquet"
    argv = [PYTHON, "-c", write, source, str(file)]
    if subprocess.run(argv, capture_output=True, check=False).returncode:
        pytest.skip("the target has no pyarrow")
    found = report(str(file), "--target", PYTHON)
    assert found["rows"] == 8000
    assert not found["duplicates"]
