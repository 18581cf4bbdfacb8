"""doctor fit as a command."""

import json
from pathlib import Path

import jsonschema
import pytest
from torch_target import WHY_NOT, torch_target
from typed import doctor as run

CONFIG = {
    "model_type": "llama", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False,
}  # fmt: skip


def fit(*argv: str) -> dict[str, object]:
    ended = run("fit", *argv, "--format", "json")
    assert ended.returncode in (0, 1), ended.stderr
    found = json.loads(ended.stdout)
    assert isinstance(found, dict)
    return found


def test_an_answer_has_what_it_promises_and_keeps_to_its_schema() -> None:
    found = fit("Llama-3.1-8B", "--gpu", "RTX 4090")
    jsonschema.validate(found, json.loads(run("schema", "fit").stdout))
    assert found["verdict"] == "fits"
    terms = found["terms"]
    assert isinstance(terms, dict)
    assert sum(terms.values()) == pytest.approx(found["peak_gib"])
    assert {"phase", "ram", "disk", "time", "advice", "largest", "need_gib"} <= found.keys()


def test_a_folder_a_file_and_stdin_are_one_model(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(CONFIG))
    wanted = fit("Llama-3.1-8B", "--vram", "24")["peak_gib"]
    assert fit(str(tmp_path), "--vram", "24")["peak_gib"] == wanted
    assert fit(str(file), "--vram", "24")["peak_gib"] == wanted
    ended = run("fit", "-", "--vram", "24", "--format", "json", stdin=json.dumps(CONFIG))
    assert json.loads(ended.stdout)["peak_gib"] == wanted


def test_the_tables_are_printed() -> None:
    article = run("fit", "--article")
    assert "8-12" in article.stdout
    assert "140+" in article.stdout
    cards = run("fit", "--cards")
    assert "RTX 4090" in cards.stdout
    machine = run("fit", "--vram", "24")
    assert machine.returncode == 0
    assert "Llama-3.1-8B" in machine.stdout
    assert all(len(line) <= 80 for line in machine.stdout.splitlines())
    for argv in (["--article"], ["--cards"], ["--vram", "24"]):
        assert json.loads(run("fit", *argv, "--format", "json").stdout)["schema"].startswith(
            "doctor.fit."
        )


def test_exact_without_torch_in_the_target_says_so(tmp_path: Path) -> None:
    import venv

    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    ended = run("fit", "Llama-3.2-1B", "--vram", "24", "--exact", "--target", str(tmp_path / "env"))
    assert ended.returncode == 2
    assert "torch" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
@pytest.mark.parametrize(
    ("method", "stack"), [("lora", "hf"), ("qlora", "hf"), ("full", "hf"), ("lora", "doctor")]
)
def test_exact_agrees_with_the_closed_form(method: str, stack: str) -> None:
    target = torch_target()
    found = fit("SmolLM2-135M", "--method", method, "--seq", "2048", "--stack", stack, "--vram", "24",
                "--exact", "--target", target)  # fmt: skip
    assert found["way"] == "traced"
    assert found["peak_gib"] == pytest.approx(found["closed_form_gib"], rel=0.01)
