"""`doctor smoke --model --data`: the stages on a model and data of the user."""

from pathlib import Path

import pytest
from smoke.training import answer, needs_torch, stages, torch_target

pytestmark = needs_torch


def test_the_stages_run_on_it(model: str, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    lines = ['{"text": "A first sample."}', '{"prompt": "Who?", "completion": "Nobody."}', ""]
    lines += ['{"messages": [{"role": "user", "content": "Hello"}]}']
    data.write_text("\n".join(lines))
    found = answer(
        torch_target(), "--model", model, "--data", str(data), "--steps", "3", "--device", "cpu"
    )
    assert found["verdict"] == "ready"
    assert len(found["losses"]) == 3
    told = stages(found)
    assert told["data"]["says"] == "3 samples"
    assert told["build"]["says"].startswith("LlamaForCausalLM")
    assert {
        told[n]["outcome"] for n in ("backward", "train", "base weights", "save", "reload")
    } == {"ok"}
    assert list(told)[-1] == "reload"
    # 31,456 weights in float32, and little beside them
    assert 31_456 * 4 < found["forecast"] < 4e6
    assert found["libraries"] > 50e6


@pytest.mark.parametrize(("last", "says"), [
    ('{"text": "cut', "line 2: no JSON: Unterminated string"),
    ('{"text": "half \\ud800"}', "sample 2: the model's tokenizer or chat template refuses it"),
])  # fmt: skip
def test_damaged_data_are_told_before_the_model_is_loaded(
    model: str, tmp_path: Path, last: str, says: str
) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text('{"text": "well"}\n' + last)
    asked = ("--model", model, "--data", str(data), "--device", "cpu")
    found = answer(torch_target(), *asked)
    assert found["verdict"] == "findings"
    blame = found["blames"][0]
    assert (blame["stage"], blame["finding"]) == ("data", "")
    assert says in blame["found"]
    assert "the data are not what was expected" in blame["cause"]
    assert "build" not in stages(found)
