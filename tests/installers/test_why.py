"""Why an installer failed is taken from its output."""

import pytest

from tunedoctor.installers.uv import why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            (
                "Using CPython 3.11.7 interpreter at: env/bin/python\n"
                "Resolved 1 package in 10ms\n"
                "  × Failed to download `tqdm==4.70.1`\n"
                "  ├─▶ Network connectivity is disabled\n"
                "  ╰─▶ Not in the cache: https://index.example/tqdm\n"
            ),
            "Failed to download `tqdm==4.70.1`; Network connectivity is disabled; Not in the cache: https://index.example/tqdm",
        ),
        (
            "warning: no\n  cause: of it\nerror: \x1b[31mNot\x1b[0m there\n  cause: y\n",
            "Not there; y",
        ),
        (
            ("Looking in links: x\nWARNING: old\nERROR: one\nERROR: No matching distribution\n"),
            "No matching distribution",
        ),
        ("", "it printed nothing"),
    ],
)
def test_the_reason_of_a_failure_is_one_line(text, expected):
    assert why(text) == expected
