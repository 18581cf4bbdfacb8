"""core.nodes: a training on several nodes is refused with reasons, and nothing is printed."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from planting import plant
from torch_target import WHY_NOT, torch_target
from wrong_inputs import TINY

from tunedoctor import DoctorError, Interaction
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.environment import choose_target
from tunedoctor.core.nodes import NodeOptions, NodeTraining
from tunedoctor.core.train import TrainOptions, TrainRefusal, run_training
from tunedoctor.facts import Target


class Recorder(Interaction):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


class RefusingLauncher:
    """Nodes that cannot train together."""

    def start(self, stack: ExitStack, place: Target, words: Sequence[str]) -> TrainRefusal:
        del stack, place, words
        return TrainRefusal(problems=("n1: Memory.total 4 GiB, 3 others 64 GiB",))

    def run(self, command: Sequence[str], log: Path) -> int:
        raise AssertionError(f"{command} must not run, nor write {log}")


def test_a_cluster_without_its_programs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    said = Recorder()
    training = NodeTraining(NodeOptions(nodes=2, slurm=""), Criteria(), said)
    with (
        ExitStack() as stack,
        pytest.raises(DoctorError, match="Slurm: there is no command `sinfo`"),
    ):
        training.start(stack, choose_target(None), ["--model=m"])
    assert said.said == ["asks Slurm for 2 nodes"]


@pytest.mark.parametrize(
    ("options", "manager"),
    [
        (NodeOptions(nodes=2, slurm="debug"), "Slurm"),
        (NodeOptions(nodes=2, ray=""), "Ray"),
        (NodeOptions(nodes=2, kubernetes=""), "Kubernetes"),
    ],
)
def test_the_manager_is_the_one_that_is_named(options: NodeOptions, manager: str) -> None:
    assert options.manager == manager


@pytest.mark.skipif(not torch_target(), reason=WHY_NOT)
def test_the_result_of_a_refused_training_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    row = json.dumps({"prompt": "Who runs the lighthouse?", "completion": "Ada."})
    plant(
        tmp_path,
        {
            "d.jsonl": f"{row}\n" * 20,
            "m/config.json": json.dumps(TINY),
            "m/model.safetensors": "x",
            "m/tokenizer.json": "{}",
        },
    )
    result = run_training(
        TrainOptions(words=("--model=m", "--data=d.jsonl", "--max-steps=2"), nodes=2),
        choose_target(torch_target()),
        Criteria(),
        launcher=RefusingLauncher(),
    )
    assert (result.end, result.status) == ("refused", 1)
    assert result.problems == ("n1: Memory.total 4 GiB, 3 others 64 GiB",)
    assert capfd.readouterr() == ("", "")
