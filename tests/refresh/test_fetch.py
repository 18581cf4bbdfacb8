import gzip
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import pytest
from refresh.pages import Index, reply

from tunedoctor.refresh.fetch import Client, FetchError, Limits

SMALL = Limits(size=100_000, seconds=30)


def _client(index: Index, seconds: float = 30) -> Client:
    limits = SMALL._replace(seconds=seconds)
    return Client(limits, hosts=frozenset({urlsplit(index.url).netloc}))


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("first", "again", "pause", "says"),
    [
        (OK + b"Content-Length: 1000\r\n\r\n" + b"x" * 500, b"", 0, "cut: 500 of 1000 bytes"),
        (OK + b"\r\n", b"<a href='x'>" * 1000, 0, "more than 97 KiB"),
        (OK + b"\r\n", b".", 0.05, "no whole answer in 0.6 s"),
        (OK + b"X: ", b".", 0.05, "no whole answer in 0.6 s"),
        (b"", b".", 1.5, "no whole answer in 0.6 s"),
        (OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"0" * 200_000), 9, "packed"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"", 0, "cut"),
        (b"HTTP/1.1 500 x\r\n\r\n", b"", 0, "answered 500"),
        (b"HTTP/1.1 403 x\r\n\r\n", b"", 0, "answered 403"),
        (b"\x00\xff" * 100, b"", 0, "can't be reached"),
    ],
)
def test_what_a_sick_server_does_is_told(
    index: Index, first: bytes, again: bytes, pause: float, says: str
) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        with suppress(OSError):  # the doctor hangs up
            handler.wfile.write(first)
            while again:
                time.sleep(pause)
                handler.wfile.write(again)
                handler.wfile.flush()

    index.pages["/whl/x/"] = answer
    seconds = 0.6 if "0.6 s" in says else 30  # neighbours slow what is to come in time
    with pytest.raises(FetchError, match=says):
        _client(index, seconds).get(f"{index.url}x/")
    index.pages["/whl/x/"] = b"hello"
    assert _client(index).get(f"{index.url}x/") == b"hello", "the control: a page"


def test_redirects_within_the_allowed_hosts(index: Index) -> None:
    index.pages["/whl/a/"] = lambda handler: reply(handler, b"", 302, Location="/whl/b/")
    index.pages["/whl/b/"] = b"there"
    assert _client(index).get(f"{index.url}a/") == b"there"
    index.pages["/whl/b/"] = lambda handler: reply(handler, b"", 302, Location="/whl/a/")
    with pytest.raises(FetchError):
        _client(index).get(f"{index.url}a/")


@pytest.mark.parametrize("scheme", ["http", "ftp", "file"])
def test_a_redirect_to_a_foreign_host_is_not_followed(index: Index, scheme: str) -> None:
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        called = threading.Event()

        def listen() -> None:
            try:
                foreign.accept()
                called.set()
            except OSError:
                pass

        threading.Thread(target=listen, daemon=True).start()
        place = f"{scheme}://127.0.0.1:{foreign.getsockname()[1]}/x"
        index.pages["/whl/x/"] = lambda handler: reply(handler, b"", 302, Location=place)
        with pytest.raises(FetchError):
            _client(index).get(f"{index.url}x/")
        assert not called.wait(0.2)


@pytest.mark.parametrize("url", ["http://other.example/", "file:///etc/passwd", "http://[::1", ""])
def test_other_hosts_are_not_asked(index: Index, url: str) -> None:
    with pytest.raises(FetchError, match="allowed hosts"):
        _client(index).get(url)


def test_a_port_that_nobody_listens_on() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{one.getsockname()[1]}"
    with pytest.raises(FetchError, match="can't be reached"):
        Client(SMALL).get(f"http://{host}/")


def test_certificates_that_are_none(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("PIP_CERT", "/no/such/bundle.pem")
    with pytest.raises(FetchError, match=r"/no/such/bundle\.pem holds no certificates"):
        _client(index).get(index.url)
