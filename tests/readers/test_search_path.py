"""A printed sys.path, on one line or over several."""

import pytest

from tunedoctor.facts import Interpreter
from tunedoctor.readers import search_path

USER = "/home/ada/.local/lib/python3.8/site-packages"
OWN = "/home/ada/conda/envs/ft/lib/python3.8/site-packages"
SITE = [
    "sys.path = [",
    "    '/home/ada',",
    f"    '{USER}',",
    f"    '{OWN}',",
    "]",
    "USER_BASE: '/x'",
]


@pytest.mark.parametrize(
    ("lines", "path"),
    [
        ([f"['', '/x/python38.zip', '{USER}', '{OWN}']"], ("", "/x/python38.zip", USER, OWN)),
        ([">>> sys.path", f'["{USER}", "{OWN}"]'], (USER, OWN)),
        (SITE, ("/home/ada", USER, OWN)),
    ],
)
def test_a_list_of_folders(lines: list[str], path: tuple[str, ...]) -> None:
    (found,) = search_path.read(lines)
    assert isinstance(found, Interpreter)
    assert found.path == path
    assert found.version == "3.8"


@pytest.mark.parametrize(
    "lines",
    [
        [f"['{OWN}']"],
        [f'File "{OWN}/torch/__init__.py", line 3, in <module>'],
        ["sys.path = [", f"    '{USER}',", f"    '{OWN}',"],
        ["['a/site-packages', 'b/site-packages']"],
    ],
)
def test_what_is_no_such_list(lines: list[str]) -> None:
    assert search_path.read(lines) == []
