"""What docker inspect tells of the GPU that was asked for, and of memory."""

import pytest

from tunedoctor.facts import Container, Errors
from tunedoctor.readers.system.read import read

ASKED = "$ docker inspect web --format '{{.HostConfig.DeviceRequests}} {{.HostConfig.Runtime}}'"
KILLED = "$ docker inspect web --format '{{.State.OOMKilled}} {{.State.ExitCode}}'"


def _container(lines: list[str]) -> Container | None:
    return next((f for f in read(lines) if isinstance(f, Container)), None)


@pytest.mark.parametrize(
    "lines",
    [
        [ASKED, "[] runc"],
        [ASKED, "<no value> runc"],
        [
            "$ docker inspect web",
            '            "DeviceRequests": null,',
            '            "Runtime": "runc",',
        ],
        ['            "DeviceRequests": [],'],
    ],
)
def test_no_gpu_was_asked_for(lines: list[str]) -> None:
    found = _container(lines)
    assert found is not None
    assert found.gpu_asked is False


@pytest.mark.parametrize(
    "lines",
    [
        [ASKED, "[{nvidia 0 [] [[gpu]] map[]}] runc"],
        [ASKED, "[] nvidia"],
        [ASKED],
        ['            "DeviceRequests": null,', '            "Runtime": "nvidia",'],
        ["DeviceRequests is null in the answer of docker inspect"],
    ],
)
def test_no_container_is_made_of_others(lines: list[str]) -> None:
    assert _container(lines) is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([KILLED, "true 137"], 1),
        (['            "OOMKilled": true,'], 1),
        ([KILLED, "false 1"], 0),
        (['            "OOMKilled": false,'], 0),
    ],
)
def test_memory_ended_it(lines: list[str], said: int) -> None:
    texts = [e.text for f in read(lines) if isinstance(f, Errors) for e in f.errors]
    assert len([text for text in texts if "OOMKilled" in text]) == said


@pytest.mark.parametrize(("answer", "asked"), [('{"limits":{"cpu":"8"}}', False), ("{}", False)])
def test_a_pod_without_a_gpu(answer: str, asked: bool) -> None:
    command = "$ kubectl get pod web -o jsonpath='{.spec.containers[0].resources}'"
    found = _container([command, answer])
    assert found is not None
    assert found.gpu_asked is asked
    assert _container([command, '{"limits":{"nvidia.com/gpu":"1"}}']) is None
