"""Credentials stay out of facts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.probes.environment import is_secret, without_credentials


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("https://me:pw@host.test/simple", "https://host.test/simple"),
        ("https://token@host.test:8080/simple/", "https://host.test:8080/simple/"),
        ("a=https://me:p@w@host.test/x", "a=https://host.test/x"),
        ("https://me:p/w@host.test/x", "https://host.test/x"),
        ("https://host.test/x?sig=abc#frag", "https://host.test/x"),
        ("https://host.test:443/@scope/x", "https://host.test:443/@scope/x"),
        ("https://a:b@one.test https://c:d@two.test", "https://one.test https://two.test"),
        ("/home/me/wheels", "/home/me/wheels"),
        ("expandable_segments:True", "expandable_segments:True"),
    ],
)
def test_urls(text: str, wanted: str) -> None:
    assert without_credentials(text) == wanted


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("HF_TOKEN", True),
        ("NVIDIA_API_KEY", True),
        ("UV_INDEX_MINE_PASSWORD", True),
        ("UV_INDEX_MINE_USERNAME", True),
        ("TOKENIZERS_PARALLELISM", False),
        ("HF_HOME", False),
    ],
)
def test_names(name: str, secret: bool) -> None:
    assert is_secret(name) is secret


WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._~!$&()*+=:%", min_size=1)


@given(WORD, WORD)
def test_no_password_comes_through(user: str, password: str) -> None:
    marked = f"{password}SECRET"
    assert "SECRET" not in without_credentials(f"x https://{user}:{marked}@host.test/simple y")
