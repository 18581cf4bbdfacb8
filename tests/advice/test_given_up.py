"""Names that a torch gave up, in errors."""

import pytest

from tunedoctor.advice.misfits import given_up
from tunedoctor.facts import Errors, ErrorText, Frame

SITE = "/opt/venv/lib/python3.11/site-packages"


def _errors(text: str, *files: str) -> Errors:
    frames = tuple(Frame(file=f, line=1, function="f") for f in files)
    return Errors(errors=(ErrorText(text=text, where="line 1", frames=frames),))


@pytest.mark.parametrize(
    ("text", "file", "torch", "owner", "since"),
    [
        (
            "ModuleNotFoundError: No module named 'torch._six'",
            f"{SITE}/deepspeed/a.py",
            "",
            "deepspeed",
            "2.0",
        ),
        ("ModuleNotFoundError: No module named 'torch._six'", "/home/me/a.py", "2.6.0", "", "2.0"),
        (
            "ImportError: cannot import name 'log' from 'torch.distributed.elastic.agent.server.api'",
            f"{SITE}/torch/a.py",
            "2.4.1+cu121",
            "",
            "2.4",
        ),
    ],
)
def test_it_names_the_caller_and_the_release(
    text: str, file: str, torch: str, owner: str, since: str
) -> None:
    one = given_up(_errors(text, file), torch)
    assert one is not None
    assert (one.owner, one.since) == (owner, since)


def test_a_torch_that_has_the_name_is_not_the_cause() -> None:
    assert given_up(_errors("ModuleNotFoundError: No module named 'torch._six'"), "1.13.1") is None
