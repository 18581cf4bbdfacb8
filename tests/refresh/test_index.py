"""What pages say, of whatever bytes they are."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.refresh.index import HOSTS, Indexes, Link, parsed, wheel_of
from tunedoctor.refresh.merge import admits, needs, told

BASE = "https://index.example/whl/torch/"
NAME = "torch-2.15.0+cu132-cp312-cp312-manylinux_2_28_x86_64.whl"
HREF = f"/whl/cu132/{NAME.replace('+', '%2B')}"
DIGEST = "ab" * 32


def test_pytorchs_own_hosts_are_asked_together():
    assert Indexes("https://download.pytorch.org/whl/", "").hosts == HOSTS


def test_json_says_the_same_as_html_and_a_cut_page_is_not_whole():
    far = f"https://files.example/{NAME}"
    digest = {"sha256": DIGEST}
    files: list[dict[str, Any]] = [
        {"filename": NAME, "url": HREF, "hashes": digest, "core-metadata": digest},
        {"filename": NAME, "url": far, "hashes": {}, "yanked": "bad"},
        {"filename": "x.tar.gz", "url": "x.tar.gz", "hashes": {}, "core-metadata": True},
    ]
    data = json.dumps({"meta": {"api-version": "1.1"}, "name": "torch", "files": files}).encode()
    html = f"""<html>
        <a href="{HREF}#sha256={DIGEST}" data-core-metadata="sha256={DIGEST}">x</a>
        <a href="{far}" data-yanked="bad">x</a><a href="x.tar.gz">x</a></html>""".encode()
    assert parsed(data, BASE) == parsed(html, BASE)
    assert parsed(data, BASE).whole
    for text in (data, html):
        assert not any(parsed(text[:end], BASE).whole for end in range(len(text)))
    for deep in (b"[" * 100_000, b'{"files": [' + b"[" * 100_000):
        assert parsed(deep, BASE) == ((), False, ())


@given(
    st.one_of(st.binary(max_size=300), st.text(alphabet="<!-[]>a/=\"' \n&#x;\0ht:", max_size=200)),
    st.text(max_size=100),
)
def test_any_page_link_name_and_metadata_is_read(page, text):
    data = page if isinstance(page, bytes) else page.encode("utf-8", "surrogatepass")
    parsed(data, BASE)
    quoted = text.replace("&", "&amp;").replace('"', "&quot;")
    parsed(f'<a href="{quoted}.whl">x</a>'.encode("utf-8", "surrogatepass"), BASE)
    wheel_of(Link(text, text, "", ""))
    wheel_of(Link(f"torch-2.0.0-{text}.whl", text, "", ""))
    need = needs(data + b"\nRequires-Dist: " + text.encode("utf-8", "replace"), text, "3.12")
    assert need.variant
    admits(need, "2.16.0")
    try:
        assert isinstance(told(data), dict)
    except ValueError as error:
        assert str(error)
