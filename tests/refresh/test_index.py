"""Which indexes are asked, what their pages link to, and what names of wheels say."""

import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.refresh import index
from tunedoctor.refresh.index import (
    HOSTS,
    Indexes,
    Link,
    Wheel,
    indexes,
    parsed,
    standard_index,
    wheel_of,
)

X86, ARM = "linux_x86_64", "linux_aarch64"
BASE = "https://index.example/whl/torch/"
NAME = "torch-2.15.0+cu132-cp312-cp312-manylinux_2_28_x86_64.whl"
HREF = f"/whl/cu132/{NAME.replace('+', '%2B')}"
DIGEST = "ab" * 32


def test_which_indexes_are_asked() -> None:
    assert Indexes("https://download.pytorch.org/whl/", "").hosts == HOSTS
    assert Indexes("https://mirror.example:8443/whl/", "").hosts == {"mirror.example:8443"}
    got = indexes(" https://mirror.example/whl ", "https://pip.example/simple")
    assert got == Indexes("https://mirror.example/whl/", "https://pip.example/simple/")
    assert indexes("", got.default).torch == "https://download.pytorch.org/whl/"
    assert indexes("", "/folder/of/wheels").default == ""
    for text in ("ftp://x/", "mirror", "https://", "https://a b/", "file:///x"):
        with pytest.raises(ValueError, match="no URL of an index"):
            indexes(text, "https://x.example/")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("Base URL (default\n   https://a.example/simple). This", "https://a.example/simple/"),
        ("index (by default: <https://b.example/simple>) [env]", "https://b.example/simple/"),
        ("nothing of the kind", ""),
    ],
)
def test_the_standard_index_stands_in_help_texts(
    text: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert standard_index().endswith("/simple/"), "that of the real pip"

    class Ended(NamedTuple):
        out: str

    monkeypatch.setattr(index, "run", lambda *_, **__: Ended(text))
    assert standard_index() == url


def test_a_link_with_all_that_it_can_say() -> None:
    page = parsed(
        f'<html><a href="{HREF}#sha256={DIGEST}" data-requires-python="&gt;=3.11" '
        f'data-core-metadata="sha256={DIGEST}">x</a></html>'.encode(),
        BASE,
    )
    assert page.links == (Link(NAME, f"https://index.example{HREF}", DIGEST, DIGEST),)
    older = f'<a href="https://files.example/{NAME}" data-dist-info-metadata="sha256={DIGEST}" data-yanked>'
    (link,) = parsed(f"{older}x</a>".encode(), BASE).links
    assert link == Link(NAME, f"https://files.example/{NAME}", "", DIGEST, yanked=True)
    for value in ("true", "sha256=", "sha256=zz", "md5=" + "a" * 32, f"sha256={DIGEST[:-1]}g"):
        page = parsed(f'<a href="{HREF}" data-core-metadata="{value}">x</a>'.encode(), BASE)
        assert page.links[0].metadata_sha256 == "", "without a hash it is none"


def test_json_says_the_same_as_html_and_a_cut_page_is_not_whole() -> None:
    files: list[dict[str, Any]] = [
        {
            "filename": NAME,
            "url": HREF,
            "hashes": {"sha256": DIGEST},
            "core-metadata": {"sha256": DIGEST},
        },
        {"filename": NAME, "url": f"https://files.example/{NAME}", "hashes": {}, "yanked": "bad"},
        {"filename": "x.tar.gz", "url": "x.tar.gz", "hashes": {}, "core-metadata": True},
    ]
    data = json.dumps({"meta": {"api-version": "1.1"}, "name": "torch", "files": files}).encode()
    html = f"""<html>
        <a href="{HREF}#sha256={DIGEST}" data-core-metadata="sha256={DIGEST}">x</a>
        <a href="https://files.example/{NAME}" data-yanked="bad">x</a><a href="x.tar.gz">x</a></html>""".encode()
    assert parsed(data, BASE) == parsed(html, BASE)
    assert parsed(data, BASE).whole
    assert not any(
        parsed(text[:end], BASE).whole for text in (data, html) for end in range(len(text))
    )
    for other in (b'{"files": 3}', b"{}", b"[" * 100_000, b'{"files": [' + b"[" * 100_000):
        assert parsed(other, BASE) == ((), False, ())


def test_what_a_page_is_counted_and_left_for() -> None:
    other = NAME.replace("torch-", "torchvision-").replace("+", "%2B")
    links = f'<a href="a/{NAME}">x</a><a href="b/{NAME}">x</a><a href="{other}">x</a>'
    page = parsed(links.encode(), BASE)
    assert (page.files("torch"), page.files("torchvision")) == (1, 1)
    bad = f'<a href="https://[::1/{NAME}">x</a><a href="/{"a" * 5000}/{NAME}">x</a>'
    assert parsed(bad.encode(), BASE).links == ()


@given(
    st.one_of(st.binary(max_size=300), st.text(alphabet="<!-[]>a/=\"' \n&#x;\0ht:", max_size=200)),
    st.text(max_size=100),
)
def test_any_page_link_and_name_is_read(data: bytes | str, text: str) -> None:
    parsed(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"), BASE)
    quoted = text.replace("&", "&amp;").replace('"', "&quot;")
    parsed(f'<a href="{quoted}.whl">x</a>'.encode("utf-8", "surrogatepass"), BASE)
    wheel_of(Link(text, text, "", ""))
    wheel_of(Link(f"torch-2.0.0-{text}.whl", text, "", ""))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (NAME, ("2.15.0", "cu132", X86, "3.12", "2.28")),
        (
            "torch-2.15.0+cu132-cp314-cp314t-manylinux_2_28_aarch64.whl",
            ("2.15.0", "cu132", ARM, "3.14t", "2.28"),
        ),
        (
            "torch-2.5.1+rocm6.2.4-cp39-cp39-linux_x86_64.whl",
            ("2.5.1", "rocm6.2.4", X86, "3.9", ""),
        ),
        (
            "torch-2.0.0-1-cp310-cp310-manylinux2014_aarch64.whl",
            ("2.0.0", "cpu", ARM, "3.10", "2.17"),
        ),
        ("torch-2.6.0-cp312-cp312-manylinux1_x86_64.whl", ("2.6.0", "cpu", X86, "3.12", "2.5")),
        ("torch-2.16.0+xpu-cp313-cp313-win_amd64.whl", ("2.16.0", "xpu", "win_amd64", "3.13", "")),
        (
            "torch-2.12.0-cp313-cp313-macosx_14_0_arm64.whl",
            ("2.12.0", "cpu", "macos_arm64", "3.13", "14.0"),
        ),
        (
            "torch-2.16.0+cu132-cp312-cp312-manylinux_2_34_x86_64.manylinux_2_31_x86_64.whl",
            ("2.16.0", "cu132", X86, "3.12", "2.31"),
        ),
        ("torchvision-0.29.2-py3-none-any.whl", ("0.29.2", "cpu", "any", "any", "")),
    ],
)
def test_names(name: str, found: tuple[str, ...]) -> None:
    link = Link(name, "", "", "")
    assert wheel_of(link) == Wheel(link, name.partition("-")[0], *found)


@pytest.mark.parametrize(
    "name",
    [
        "torch-2.16.0rc1+cu132-cp312-cp312-manylinux_2_28_x86_64.whl",
        "torch-2.17.0.dev20261101+cu132-cp312-cp312-manylinux_2_28_x86_64.whl",
        "torch-2.5.0+cpu.cxx11.abi-cp312-cp312-linux_x86_64.whl",
        "torch-2.6.0+cu124.full-cp312-cp312-linux_x86_64.whl",
        "torch-2.16.0+cu132-cp312-cp312-win_arm64.whl",
        "torch-2.16.0+cu132-cp312-cp312-musllinux_1_2_x86_64.whl",
        "torch-2.16.0+cu132-pp310-pypy310_pp73-manylinux_2_28_x86_64.whl",
        "torch-1.9.0+cu111-cp37-cp37m-linux_x86_64.whl",
        "torch-2.16.0.tar.gz",
        "torch.whl",
    ],
)
def test_what_is_no_release_wheel_for_us(name: str) -> None:
    assert wheel_of(Link(name, "", "", "")) is None


def test_a_folder_names_the_variant_of_an_unlabelled_file_for_aarch64_alone() -> None:
    for folder, platform, variant in (
        ("cu124", "linux_aarch64", "cu124"),
        ("cpu", "linux_aarch64", "cpu"),
        ("cu124", "macosx_11_0_arm64", "cpu"),
    ):
        name = f"torch-2.5.1-cp312-cp312-{platform}.whl"
        found = wheel_of(Link(name, f"https://download.pytorch.org/whl/{folder}/{name}", "", ""))
        assert found is not None
        assert found.variant == variant
