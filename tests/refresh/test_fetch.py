import socket
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import pytest
from loopback import Raw
from refresh.pages import Index
from rows import cases

from tunedoctor.refresh.fetch import Client, FetchError, Limits

SMALL = Limits(size=100_000, seconds=30)
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


@cases("refresh/cases.jsonl")
def test_what_a_sick_server_does_is_told(index, first, again, pause, says):
    index.pages["/whl/x/"] = raw(first.encode("latin-1"), again.encode("latin-1"), pause)
    seconds = 0.4 if "0.4 s" in says else 30  # neighbours slow what is to come in time
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
