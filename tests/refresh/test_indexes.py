import pytest

from tunedoctor.refresh.indexes import (
    HOSTS,
    Indexes,
    default_index,
    in_help,
    indexes,
    offline,
    standard_index,
)


def test_pytorch_s_own_index_has_two_hosts_and_a_mirror_has_its_own() -> None:
    assert Indexes("https://download.pytorch.org/whl/", "").hosts == HOSTS
    assert Indexes("https://mirror.example:8443/whl/", "").hosts == {"mirror.example:8443"}


def test_an_index_ends_with_a_slash() -> None:
    settings = {"pip.index-url": "https://pip.example/simple"}
    got = indexes(" https://mirror.example/whl ", settings)
    assert got == Indexes("https://mirror.example/whl/", "https://pip.example/simple/")
    assert indexes("", settings).torch == "https://download.pytorch.org/whl/"


@pytest.mark.parametrize("text", ["ftp://x/", "mirror", "https://", "https://a b/", "file:///x"])
def test_what_is_no_url_of_an_index(text: str) -> None:
    with pytest.raises(ValueError, match="no URL of an index"):
        indexes(text, {"pip.index-url": "https://x.example/"})


def test_settings_name_the_default_index() -> None:
    assert (
        default_index({"uv.default-index": "own=https://uv.example/s"}) == "https://uv.example/s/"
    )
    both = {"uv.default-index": "https://uv.example/", "pip.index-url": "https://pip.example/"}
    assert default_index(both) == "https://pip.example/"


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


@pytest.mark.parametrize(
    ("settings", "variables", "says"),
    [
        ({}, {}, ""),
        ({}, {"DOCTOR_OFFLINE": "1"}, "DOCTOR_OFFLINE"),
        ({}, {"UV_OFFLINE": "true"}, "UV_OFFLINE"),
        ({}, {"PIP_NO_INDEX": "on"}, "PIP_NO_INDEX"),
        ({}, {"UV_OFFLINE": "0", "PIP_NO_INDEX": "false", "HF_HUB_OFFLINE": "1"}, ""),
        ({"pip.no-index": "yes"}, {}, "pip.no-index"),
        ({"uv.offline": "true"}, {}, "uv.offline"),
        ({"uv.offline": "false"}, {}, ""),
    ],
)
def test_offline(settings: dict[str, str], variables: dict[str, str], says: str) -> None:
    assert offline(settings, variables) == says
