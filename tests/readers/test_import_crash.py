"""An import that a signal ended, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Runtime
from tunedoctor.readers.import_crash import read
from tunedoctor.readers.tidy import tidy

FAULTHANDLER = """\
Fatal Python error: Segmentation fault

Current thread 0x1 (most recent call first):
  File "<frozen importlib._bootstrap>", line 488 in _call_with_frames_removed
  File "/v/lib/site-packages/torch/__init__.py", line 426 in <module>
"""


def _signal(text: str) -> str:
    facts = read(tidy(text))
    if not facts:
        return ""
    (run,) = facts
    assert isinstance(run, Runtime)
    (stage,) = run.stages
    assert (stage.name, stage.outcome) == ("import torch", "crashed")
    return stage.error.removeprefix("signal ")


@pytest.mark.parametrize(
    ("text", "signal"),
    [
        ('$ python -c "import torch"\nIllegal instruction (core dumped)', "SIGILL"),
        (">>> import torch\nSegmentation fault (core dumped)", "SIGSEGV"),
        ("In [1]: import torch\n[1]    4711 bus error  ipython", "SIGBUS"),
        ("$ python3.11 -X faulthandler -c 'import torch'\nAborted", "SIGABRT"),
        ("% python -c 'import torch'\nzsh: illegal hardware instruction  python -c", "SIGILL"),
        (
            FAULTHANDLER,
            "SIGSEGV",
        ),
        # the import went well, or something else crashed
        (">>> import torch\n>>> torch.zeros(1).cuda()\nSegmentation fault (core dumped)", ""),
        ('$ python -c "import torch; torch.rand(3).cuda()"\nSegmentation fault', ""),
        ("$ python train.py\nSegmentation fault (core dumped)", ""),
        (
            'Fatal Python error: Segmentation fault\n\n  File "/v/lib/site-packages/cv2/__init__.py", line 8 in <module>',
            "",
        ),
        ("import torch gave a segmentation fault on my other machine", ""),
    ],
)
def test_signals(text: str, signal: str) -> None:
    assert _signal(text) == signal


def test_quoting_changes_nothing() -> None:
    text = '> $ python -c "import torch"\r\n> Illegal instruction (core dumped)\r\n'
    assert _signal(text) == "SIGILL"


@given(st.text(max_size=400))
def test_any_text(text: str) -> None:
    read(tidy(f">>> import torch\n{text}"))
