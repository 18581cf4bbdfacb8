"""Hostile and broken servers against the one HTTP client: `doctor update`, and the look at the user's sources."""

import base64
import os
import ssl
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from loopback import Raw, Server
from refresh.test_fetch import OK, raw
from refresh.test_fetch import to as leads

from tunedoctor.installers.asking import SourceAnswer, ask_sources
from tunedoctor.installers.sources import PackageSource, Sources

PEM = Path(__file__).with_name("loopback.pem")
"""A key and a certificate that no machine trusts."""
WHEEL = "torch-2.9.1+cpu-cp312-cp312-manylinux_2_28_x86_64.whl"
PAGE = f'<html><body><a href="/{WHEEL.replace("+", "%2B")}">x</a></body></html>'.encode()
page = raw(OK + b"Content-Length: %d\r\n\r\n" % len(PAGE) + PAGE)


def to(place: str) -> Raw:
    """Lead to another place, whose own page is there."""
    return lambda handler: (page if handler.path.startswith("/there") else leads(place))(handler)


READ = "lists 1 files of torch, but"
"""What an update says of the page: it was read."""


class Hostile(Server):
    """A server of loopback; what it does on a request is `told`."""

    def __init__(self, *, tls: bool) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(PEM)
        self.asked: list[tuple[str, str]] = []
        self.told: Raw = page
        super().__init__(lambda *_: self._answered, tls=context if tls else None)

    def _answered(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append((handler.path, handler.headers.get("Authorization", "")))
        with suppress(OSError):  # the doctor hangs up
            self.told(handler)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        return f"{super().url}/whl/"


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """Start servers; nothing of this machine's own settings is left."""
    steering = ("PIP_", "UV_", "SSL_", "XDG_", "DOCTOR_", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    for name in tuple(os.environ):
        if name.startswith(steering) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("HOME", str(tmp_path))
    with ExitStack() as running:

        def served(*, tls=False):
            one = Hostile(tls=tls)
            running.callback(one.close)
            return one

        yield served


@pytest.fixture
def update(tmp_path, inside):
    """Ask what `doctor update` says of an index; it never gets a whole table here."""

    def said(url, **variables):
        cache = tmp_path / "cache"
        argv = ("update", "--force", "--index", url)
        ended = inside(*argv, DOCTOR_CACHE=str(cache), **variables)
        assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
        assert not (cache / "torch_wheels.json").exists()
        return ended.stderr

    return said


def look(url: str, **sources: object) -> SourceAnswer:
    (found,) = ask_sources([PackageSource(url)], "torch", Sources(**sources))
    return found


def test_https_leads_to_https_alone(serve, update):
    one = serve(tls=True)
    plain = one.url.replace("https:", "http:")
    one.told = to(f"{plain}there/")
    assert f"redirects from HTTPS to {plain}" in update(one.url, SSL_CERT_FILE=str(PEM))
    known = {"plain": (("PIP_CERT", str(PEM)),)}
    assert look(one.url, **known).place == f"{plain}there/"


@pytest.mark.parametrize("name", ["PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_certificate_that_nobody_knows(serve, update, tmp_path, monkeypatch, name):
    one = serve(tls=True)
    assert "certificate verify failed" in look(one.url).why
    assert one.asked == []
    monkeypatch.setenv(name, str(PEM))
    assert READ in update(one.url)
    assert look(one.url).versions
    monkeypatch.setenv(name, str(tmp_path / "none.pem"))
    assert "has no certificates" in look(one.url).why


def test_a_host_that_the_user_trusts_and_no_other(serve):
    one = serve(tls=True)
    for trusted in ("127.0.0.1", one.host):
        assert look(one.url, trusted=(trusted,)).versions
    for other in ("127.0.0.2", "127.0.0.1:9", "0.0.1"):
        assert "verify failed" in look(one.url, trusted=(other,)).why


def test_the_users_proxy_is_taken(serve, update, monkeypatch):
    proxy, url = serve(), "http://nobody.invalid/whl/"
    through = f"http://{proxy.host}"
    assert "can't be reached" in update(url)
    for name in ("http_proxy", "PIP_PROXY"):
        proxy.asked.clear()
        assert READ in update(url, **{name: through})
        assert proxy.asked[0][0] == f"{url}torch/"
    assert look(url, plain=(("HTTP_PROXY", through),)).versions
    proxy.asked.clear()
    assert "can't be reached" in update(url, HTTP_PROXY=through, NO_PROXY="nobody.invalid")
    monkeypatch.setenv("NO_PROXY", "nobody.invalid")
    assert look(url, plain=(("HTTP_PROXY", through),)).why
    assert proxy.asked == []


def test_a_password_goes_to_its_host_alone_and_is_never_told(serve):
    one, other = serve(), serve()
    secret = one.url.replace("://", "://me:s%40cret@")
    one.told = to("/there/")
    assert look(secret).versions
    basic = f"Basic {base64.b64encode(b'me:s@cret').decode()}"
    assert [auth for _, auth in one.asked] == [basic, basic]
    one.told = to(f"{other.url}torch/")
    told = look(secret)
    assert (told.why, told.place, other.asked) == ("", f"{other.url}torch/", [])
    assert "redirects to" in told.of("torch")
    one.told = lambda handler: handler.send_error(500)
    for text in (told.of("torch"), look(secret).of("torch")):
        assert "cret" not in text
        assert one.host in text


def test_a_folder_does_not_steer_an_update(serve, update, tmp_path):
    one = serve(tls=True)
    (tmp_path / "uv.toml").write_text(f'allow-insecure-host = ["{one.host}"]\n')
    assert "verify failed" in update(one.url)
    home = tmp_path / "home" / ".config" / "uv"
    home.mkdir(parents=True)
    (tmp_path / "uv.toml").replace(home / "uv.toml")
    assert READ in update(one.url, HOME=str(tmp_path / "home"))
