"""A shell that somebody opened in a container puts what a paste shows after it inside."""

import pytest

from tunedoctor.facts import Container
from tunedoctor.readers.read import read_report


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("docker run --gpus all -it --rm nvcr.io/nvidia/pytorch:24.05-py3 bash", "docker"),
        ("docker exec -it train bash", "docker"),
        ("sudo docker container exec -it train /bin/bash", "docker"),
        ("docker compose exec app sh", "docker"),
        ("podman exec -ti x zsh", "podman"),
        ("docker exec train python train.py", "docker"),
        ("kubectl exec -it pod-1 -- bash", "kubernetes"),
    ],
)
def test_what_follows_is_inside(command: str, kind: str) -> None:
    snapshot = read_report(f'$ {command}\n# python -c "import torch"\nRuntimeError: no GPU\n')
    assert snapshot is not None
    container = snapshot.find(Container)
    assert container is not None
    assert container.kind == kind


@pytest.mark.parametrize(
    "text",
    [
        "$ docker exec -it train bash\n# nvidia-smi\n# exit\n$ pip list\ntorch 2.9.1",
        "$ docker exec train nvidia-smi\nNVIDIA-SMI has failed\n",
        "$ docker exec train cat /tmp/bash_history\nRuntimeError: x\n",
    ],
)
def test_what_was_left_or_only_asked_is_not(text: str) -> None:
    snapshot = read_report(text)
    assert snapshot is None or snapshot.find(Container) is None


NO_LIBRARY = "nvidia-container-cli: initialization error: load library failed: libnvidia-ml.so.1: cannot open"


@pytest.mark.parametrize(
    ("text", "kind", "evidence"),
    [
        ("Singularity> nvidia-smi\nNo devices were found\n", "apptainer", "the prompt"),
        ("Apptainer> python train.py\nRuntimeError: x\n", "apptainer", "the prompt"),
        (
            "In the pod it fails:\nRuntimeError: Found no NVIDIA driver on your system.\n",
            "kubernetes",
            "the text",
        ),
        (f"I use the newest Docker Desktop\n{NO_LIBRARY}\n", "docker", "Docker Desktop"),
        (
            "qna-transformers_1  | RuntimeError: Found no NVIDIA driver on your system.\n",
            "docker",
            "the text",
        ),
        (
            'srun --container-image="mine" bash\nRuntimeError: Found no NVIDIA driver on your system.\n',
            "enroot",
            "the text",
        ),
    ],
)
def test_words_and_prompts_tell_of_a_container(text: str, kind: str, evidence: str) -> None:
    snapshot = read_report(text)
    assert snapshot is not None
    container = snapshot.find(Container)
    assert container is not None
    assert (container.kind, container.evidence) == (kind, evidence)


@pytest.mark.parametrize(
    "text",
    [
        "In the pod it works.\nValueError: x\n",
        "qna-transformers_1  | ValueError: x\n",
        "| column_1  | RuntimeError: Found no NVIDIA driver on your system.\n",
        "RuntimeError: Found no NVIDIA driver on your system.\n",
        f"{NO_LIBRARY}\n",
    ],
)
def test_words_alone_do_not(text: str) -> None:
    snapshot = read_report(text)
    assert snapshot is None or snapshot.find(Container) is None
