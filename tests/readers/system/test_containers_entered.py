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
