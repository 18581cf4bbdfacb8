import gzip
import socket
import threading
import time
from collections.abc import Callable
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


def test_a_page(index: Index) -> None:
    index.pages["/whl/x/"] = b"hello"
    assert _client(index).get(f"{index.url}x/") == b"hello"


def test_403_is_missing(index: Index) -> None:
    with pytest.raises(FetchError, match="answered 403"):
        _client(index).get(f"{index.url}none/")


def _cut(handler: BaseHTTPRequestHandler) -> None:
    reply(handler, b"x" * 500, length=1000)


def _endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"<a href='x'>" * 1000)


def _dripping(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b".")
        time.sleep(0.05)


def _dripping_header(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        handler.wfile.write(b".")
        handler.wfile.flush()
        time.sleep(0.05)


def _silent(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(1.5)


def _bomb(handler: BaseHTTPRequestHandler) -> None:
    reply(handler, gzip.compress(b"0" * 200_000), Content_Encoding="gzip")


def _broken_chunks(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"5\r\nhello\r\n")


def _error(handler: BaseHTTPRequestHandler) -> None:
    reply(handler, b"", 500)


def _garbage(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\x00\xff" * 100)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (_cut, "cut: 500 of 1000 bytes"),
        (_endless, "more than 97 KiB"),
        (_dripping, "no whole answer in 0.6 s"),
        (_dripping_header, "no whole answer in 0.6 s"),
        (_silent, "no whole answer in 0.6 s"),
        (_bomb, "packed"),
        (_broken_chunks, "cut"),
        (_error, "answered 500"),
        (_garbage, "can't be reached"),
    ],
)
def test_what_a_sick_server_does_is_told(
    index: Index, answer: Callable[[BaseHTTPRequestHandler], None], says: str
) -> None:
    def quiet(handler: BaseHTTPRequestHandler) -> None:
        with suppress(OSError):  # the doctor hangs up
            answer(handler)

    index.pages["/whl/x/"] = quiet
    seconds = 0.6 if "0.6 s" in says else 30  # neighbours slow what is to come in time
    with pytest.raises(FetchError, match=says):
        _client(index, seconds).get(f"{index.url}x/")


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
