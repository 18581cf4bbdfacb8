import pytest

from tunedoctor.refresh.indexes import (
    HOSTS,
    Indexes,
    in_help,
    indexes,
    standard_index,
)


def test_pytorch_s_own_index_has_two_hosts_and_a_mirror_has_its_own() -> None:
    assert Indexes("https://download.pytorch.org/whl/", "").hosts == HOSTS
    assert Indexes("https://mirror.example:8443/whl/", "").hosts == {"mirror.example:8443"}


def test_an_index_ends_with_a_slash() -> None:
    got = indexes(" https://mirror.example/whl ", "https://pip.example/simple")
    assert got == Indexes("https://mirror.example/whl/", "https://pip.example/simple/")
    assert indexes("", got.default).torch == "https://download.pytorch.org/whl/"
    assert indexes("", "/folder/of/wheels").default == ""


@pytest.mark.parametrize("text", ["ftp://x/", "mirror", "https://", "https://a b/", "file:///x"])
def test_what_is_no_url_of_an_index(text: str) -> None:
    with pytest.raises(ValueError, match="no URL of an index"):
        indexes(text, "https://x.example/")


def test_the_standard_index_is_the_one_that_pip_names() -> None:
    url = standard_index()
    assert url.startswith("https://")
    assert url.endswith("/simple/")


def test_help_texts() -> None:
    assert (
        in_help("Base URL (default\n   https://a.example/simple). This")
        == "https://a.example/simple/"
    )
    assert (
        in_help("index (by default: <https://b.example/simple>) [env]")
        == "https://b.example/simple/"
    )
    assert in_help("nothing of the kind") == ""
