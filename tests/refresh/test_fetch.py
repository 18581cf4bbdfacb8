"""What sick servers do is told, and what pages say is read, of whatever bytes they are."""

import json
import socket
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import Raw
from refresh.pages import Index

from tunedoctor.refresh.fetch import Client, FetchError, FetchLimits
from tunedoctor.refresh.index import HOSTS, Indexes, Link, parsed, wheel_of
from tunedoctor.refresh.merge import admits, needs, variant_facts

SMALL = FetchLimits(size=100_000, seconds=30)
OK = b"HTTP/1.1 200 OK\r\n"


def client(index: Index, seconds: float = 30) -> Client:
    limits = SMALL._replace(seconds=seconds)
    return Client(limits, hosts=frozenset({urlsplit(index.url).netloc}))


def raw(first: bytes, again: bytes = b"", pause: float = 0) -> Raw:
    """Answer with some bytes, and with more of them for ever."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        with suppress(OSError):  # the doctor hangs up
            handler.wfile.write(first)
            while again:
                time.sleep(pause)
                handler.wfile.write(again)
                handler.wfile.flush()

    return answer


def to(place: str) -> Raw:
    return raw(f"HTTP/1.1 302 x\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())


@pytest.mark.parametrize(
    ("first", "again", "pause", "says"),
    [
        (
            ("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + "x" * 500),
            "",
            0,
            "cut off: 500 of 1000 bytes",
        ),
        ("HTTP/1.1 200 OK\r\n\r\n", ("<a href='x'>" * 1000), 0, "larger than 97 KiB"),
        ("HTTP/1.1 200 OK\r\n\r\n", ".", 0.05, "no complete answer in 0.4 s"),
        ("HTTP/1.1 200 OK\r\nX: ", ".", 0.05, "no complete answer in 0.4 s"),
        ("", ".", 1, "no complete answer in 0.4 s"),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n",
            (
                "\x1f\x8b\b\x00lî\fk\x02ÿíÁ1\x01\x00\x00\x00Â\xa0Jë\x9fÎ\fþ@\x01"
                + "\x00" * 193
                + "¯\x01\x94}#6@\r\x03\x00"
            ),
            9,
            "compressed",
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "", 0, "cut"),
        ("HTTP/1.1 500 x\r\n\r\n", "", 0, "answered 500"),
        ("HTTP/1.1 403 x\r\n\r\n", "", 0, "answered 403"),
        (("\x00ÿ" * 100), "", 0, "can't be reached"),
    ],
)
def test_what_a_sick_server_does_is_told(index, first, again, pause, says):
    index.pages["/whl/x/"] = raw(first.encode("latin-1"), again.encode("latin-1"), pause)
    seconds = 0.4 if "0.4 s" in says else 300  # neighbours slow what is to come in time
    with pytest.raises(FetchError, match=says):
        client(index, seconds).get(f"{index.url}x/")
    index.pages["/whl/x/"] = b"hello"
    assert client(index).get(f"{index.url}x/") == b"hello", "the control: a page"


def test_redirects_within_the_allowed_hosts(index):
    index.pages |= {"/whl/a/": to("/whl/b/"), "/whl/b/": b"there"}
    assert client(index).get(f"{index.url}a/") == b"there"
    index.pages["/whl/b/"] = to("/whl/a/")
    with pytest.raises(FetchError):
        client(index).get(f"{index.url}a/")


@pytest.mark.parametrize("scheme", ["http", "ftp", "file"])
def test_a_redirect_to_a_foreign_host_is_not_followed(index, scheme):
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        foreign.settimeout(0.1)
        index.pages["/whl/x/"] = to(f"{scheme}://127.0.0.1:{foreign.getsockname()[1]}/x")
        with pytest.raises(FetchError):
            client(index).get(f"{index.url}x/")
        with pytest.raises(TimeoutError):
            foreign.accept()


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
        assert parsed(deep, BASE) == ((), False, (), ())


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
        assert isinstance(variant_facts(data), dict)
    except ValueError as error:
        assert str(error)
