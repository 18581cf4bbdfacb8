import json

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.refresh.page import parsed

BASE = "https://index.example/whl/torch/"
NAME = "torch-2.15.0+cu132-cp312-cp312-manylinux_2_28_x86_64.whl"
HREF = f"/whl/cu132/{NAME.replace('+', '%2B')}"
DIGEST = "ab" * 32


def test_a_link_with_all_that_it_can_say() -> None:
    page = parsed(
        f'<html><a href="{HREF}#sha256={DIGEST}" data-requires-python="&gt;=3.11" '
        f'data-core-metadata="sha256={DIGEST}">x</a></html>'.encode(),
        BASE,
    )
    (link,) = page.links
    assert link.name == NAME
    assert link.url == f"https://index.example{HREF}"
    assert (link.sha256, link.metadata_sha256) == (DIGEST, DIGEST)
    assert not link.yanked
    assert page.whole


def test_older_name_of_the_metadata_attribute_and_another_host() -> None:
    page = parsed(
        f'<html><a href="https://files.example/{NAME}" data-dist-info-metadata="sha256={DIGEST}" '
        "data-yanked>x</a></html>".encode(),
        BASE,
    )
    (link,) = page.links
    assert link.url == f"https://files.example/{NAME}"
    assert link.metadata_sha256 == DIGEST
    assert link.yanked
    assert page.files("torch") == 1


def test_json_says_the_same_as_html() -> None:
    files = [
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
        <a href="https://files.example/{NAME}" data-yanked="bad">x</a><a href="x.tar.gz">x</a></html>"""
    assert parsed(data, BASE) == parsed(html.encode(), BASE)
    for end in range(len(data)):
        assert not parsed(data[:end], BASE).whole
    for other in (b'{"files": 3}', b"{}", b"[" * 100_000, b'{"files": [' + b"[" * 100_000):
        assert parsed(other, BASE).links == ()
        assert not parsed(other, BASE).whole


def test_metadata_without_a_hash_is_none() -> None:
    for value in ("true", "sha256=", "sha256=zz", "md5=" + "a" * 32, f"sha256={DIGEST[:-1]}g"):
        page = parsed(f'<a href="{HREF}" data-core-metadata="{value}">x</a>'.encode(), BASE)
        assert page.links[0].metadata_sha256 == ""


def test_a_cut_page_is_not_whole() -> None:
    text = f'<html><a href="{HREF}">x</a></html>'.encode()
    for end in range(len(text)):
        assert not parsed(text[:end], BASE).whole


def test_files_are_counted_by_name_and_project() -> None:
    other = NAME.replace("torch-", "torchvision-").replace("+", "%2B")
    page = parsed(
        f'<a href="a/{NAME}">x</a><a href="b/{NAME}">x</a><a href="{other}">x</a>'.encode(), BASE
    )
    assert page.files("torch") == 1
    assert page.files("torchvision") == 1


def test_hosts_in_broken_brackets_and_endless_links_are_left() -> None:
    page = parsed(
        f'<a href="https://[::1/{NAME}">x</a><a href="/{"a" * 5000}/{NAME}">x</a>'.encode(), BASE
    )
    assert page.links == ()


@given(
    st.one_of(st.binary(max_size=300), st.text(alphabet="<!-[]>a/=\"' \n&#x;\0ht:", max_size=200))
)
def test_any_bytes_are_read(data: bytes | str) -> None:
    parsed(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"), BASE)


@given(st.text(max_size=100))
def test_any_link_is_read(href: str) -> None:
    quoted = href.replace("&", "&amp;").replace('"', "&quot;")
    parsed(f'<a href="{quoted}.whl">x</a>'.encode("utf-8", "surrogatepass"), BASE)
