"""Exceptions of a failed import keep the frames that the child told of them."""

from tunedoctor.facts import Stage
from tunedoctor.probes.imports import texts

FAILED = (
    '  File "/env/site-packages/caller/api.py", line 12, in <module>\n'
    "  module neighbour\n"
    "ImportError: cannot import name 'gone' from 'neighbour'\n"
    '  File "/env/site-packages/top/__init__.py", line 3, in load\n'
    "RuntimeError: top cannot be loaded"
)


def test_each_exception_has_its_own_frames_and_type():
    first, last = texts(Stage(name="import top", outcome="failed", error=FAILED))
    assert first.text == "ImportError: cannot import name 'gone' from 'neighbour'"
    assert [frame.file for frame in first.frames] == ["/env/site-packages/caller/api.py"]
    assert first.type == "ImportError"
    assert last.type == "RuntimeError"
    assert [(f.file, f.line, f.function) for f in last.frames] == [
        ("/env/site-packages/top/__init__.py", 3, "load")
    ]
