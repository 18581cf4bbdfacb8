"""doctor fit and doctor data as commands."""

import json
import os
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from torch_target import WHY_NOT, torch_python, torch_target
from typed import doctor as run


def test_exact_without_torch_in_the_target_says_so(tmp_path: Path) -> None:
    import venv

    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    ended = run("fit", "Llama-3.2-1B", "--vram", "24", "--exact", "--target", str(tmp_path / "env"))
    assert ended.returncode == 2
    assert "torch" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
@pytest.mark.parametrize("method", ["qlora", "full"])
def test_exact_agrees_with_the_closed_form(method: str) -> None:
    argv = (
        "--method",
        method,
        "--seq",
        "2048",
        "--stack",
        "hf",
        "--vram",
        "24",
        "--exact",
        "--format",
        "json",
    )
    found = json.loads(run("fit", "SmolLM2-135M", *argv, "--target", torch_target()).stdout)
    assert found["way"] == "traced"
    assert found["peak_gib"] == pytest.approx(found["closed_form_gib"], rel=0.01)


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


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.linked: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.linked += [v or "" for k, v in attrs if k in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_escapes(tmp_path: Path) -> None:
    row = {"<script>alert(1)</script>": "x"}
    file = lines(tmp_path / "a&b<i>.jsonl", [*GOOD, row])
    page = tmp_path / "page.html"
    assert run("data", file, "--format", "html", "-o", str(page)).returncode == 1
    found = _Page()
    found.feed(page.read_text())
    assert found.open == []
    assert found.linked == []
    assert found.scripts == 0
    assert "&lt;script&gt;" in page.read_text()


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
    made = subprocess.run(
        [PYTHON, "-c", write, source, str(file)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("the target has no pyarrow")
    found = report(str(file), "--target", PYTHON)
    assert found["rows"] == 8000
    assert not found["duplicates"]
