"""The only HTTP client: gets pages and files of package indexes, with the user's proxies and certificates.

Every answer is limited in size and time; redirects are only followed to the same or an allowed host, and never from
HTTPS to HTTP. Used to find out which index answers (`installers/`), and what indexes have (`refresh/`).
"""

import http.client
import os
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from hashlib import sha256
from typing import IO, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from tunedoctor import __version__
from tunedoctor.facts.clean import clean_text

MEBI = 1 << 20
AGENT = f"tunedoctor/{__version__}"
ACCEPT = (
    "application/vnd.pypi.simple.v1+html, text/html;q=0.5, application/vnd.pypi.simple.v1+json;q=0.3, "
    "*/*;q=0.1"
)
REDIRECTS = 4
_BUNDLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables of uv, pip and curl that name the trusted certificates, instead of the system's."""


class FetchError(Exception):
    """A page can't be fetched; the message is a sentence that names it, without its full stop."""

    def __init__(
        self, url: str, what: str, status: int = 0, place: str = "", code: str = ""
    ) -> None:
        """Describe what happened with a URL.

        `status` is the status of the server's answer, 0 if there was none, `code` a hub's error code; `place` is the
        target of a redirect that was not followed.
        """
        self.what, self.status, self.place = clean_text(what), status, clean_text(place[:200])
        self.code = code
        super().__init__(f"{clean_text(url[:200])} {self.what}".strip())


class RefusedError(Exception):
    """A page or file is not what it should be; the message is a sentence that says why, without its full stop."""


class FetchLimits(NamedTuple):
    """Limits for one answer."""

    size: int = 32 * MEBI
    """Bytes; the page of all torch wheels has about 5 MiB."""
    seconds: float = 60.0
    """From the request to the last byte, including lookups and redirects."""
    connect: float = 15.0
    """For the connection alone."""


class Client(NamedTuple):
    """Settings for access to servers."""

    limits: FetchLimits = FetchLimits()
    variables: Mapping[str, str] = os.environ
    """Proxies and certificates, under the names that pip and uv use."""
    trusted: tuple[str, ...] = ()
    """Hosts whose certificates are not verified, as set by the user: "name" or "name:port"."""
    hosts: frozenset[str] = frozenset()
    """Allowed hosts ("name" or "name:port"); empty: the host in the URL."""
    token: str = ""
    """The user's token for the host."""

    def get(self, url: str, *, whole: bool = True) -> bytes:
        """Return the body of a page; not `whole`: b"" as soon as it answers. Raises FetchError, without a password."""
        results: list[bytes | FetchError] = []

        def work() -> None:
            try:
                results.append(self._get(url, whole=whole))
            except FetchError as error:
                results.append(error)
            except urllib.error.HTTPError as error:
                error.close()
                code, answer_text = error.headers.get("X-Error-Code", ""), f"answered {error.code}"
                results.append(FetchError(_plain(url), answer_text, error.code, code=code))
            except Exception as error:  # noqa: BLE001  an error that a hostile server causes is reported, never raised
                results.append(FetchError(_plain(url), self._why(error)))

        # a thread, because there is no other time limit for a name server or slow headers
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(self.limits.seconds + 1)
        answer = results[0] if results else FetchError(_plain(url), self._slow)
        if isinstance(answer, FetchError):
            raise answer
        return answer

    def checked(self, url: str, stated: str) -> bytes:
        """Return a file, checked against the sha256 on a page, if any. Raises FetchError, RefusedError."""
        data = self.get(url)
        if stated and sha256(data).hexdigest() != stated:
            raise RefusedError(f"{url} was refused: its hash differs from the one on its page")
        return data

    def _get(self, url: str, *, whole: bool) -> bytes:
        end = time.monotonic() + self.limits.seconds
        allowed = self.hosts or frozenset({host_of(url)} if "://" in url else ())
        check(url, allowed)
        parts = urlsplit(url)
        # scheme -> proxy from the user's settings, else from the system; none for an excluded host
        proxies_set = {s: self.variables.get(f"{s.upper()}_PROXY") or "" for s in ("http", "https")}
        through = urllib.request.getproxies() | {
            s: proxy for s, proxy in proxies_set.items() if proxy
        }
        if urllib.request.proxy_bypass(parts.hostname or ""):
            through = {}
        place = urlsplit(through.get(parts.scheme, url))
        # detect early that no server is there: the opener has one time limit for everything
        if place.hostname:
            port = place.port or (443 if place.scheme == "https" else 80)
            socket.create_connection((place.hostname, port), self.limits.connect).close()
        proxies = urllib.request.ProxyHandler(through)
        https = urllib.request.HTTPSHandler(context=self._trust(allowed))
        opener = urllib.request.build_opener(proxies, https, _Redirects(allowed))
        headers = {"User-Agent": AGENT, "Accept": ACCEPT, "Accept-Encoding": "identity"}
        if parts.username is not None:
            from base64 import b64encode  # noqa: PLC0415  few URLs hold a password

            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(_plain(url), headers=headers)  # noqa: S310  the scheme is checked above
        with opener.open(request, timeout=min(15.0, self.limits.seconds)) as stream:
            return self._body(_plain(url), stream, end) if whole else b""

    def _trust(self, hosts: frozenset[str]) -> ssl.SSLContext:
        """Return a context that trusts the bundle that the user names, as in pip, else the system's certificates."""
        several = ((bundle, self.variables.get(bundle)) for bundle in _BUNDLES)
        by, file = next(((variable, file) for variable, file in several if file), ("", ""))
        folder = os.path.isdir(file)  # noqa: PTH112  as ssl takes it
        try:
            context = ssl.create_default_context(
                cafile=None if folder else file or None, capath=file if folder else None
            )
            if file := self.variables.get("PIP_CLIENT_CERT", ""):
                by = "PIP_CLIENT_CERT"
                context.load_cert_chain(file)
        except OSError as error:
            raise FetchError("", f"{by}={file} has no certificates: {error}") from None
        trusted_hosts = {host.rpartition("//")[2].strip("/").lower() for host in self.trusted}
        if all({host, urlsplit(f"//{host}").hostname} & trusted_hosts for host in hosts):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def _why(self, error: Exception) -> str:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError):
            return self._slow
        if isinstance(error, http.client.IncompleteRead):
            return "was cut off: it is shorter than announced"
        text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return f"can't be reached: {text[:200]}"

    def _body(self, url: str, stream: http.client.HTTPResponse, end: float) -> bytes:
        coding = stream.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            raise FetchError(url, f"is compressed ({coding[:20]}), which was not requested")
        chunks: list[bytes] = []
        size = 0
        while chunk := stream.read1(65536):
            chunks.append(chunk)
            size += len(chunk)
            if size > self.limits.size:
                raise FetchError(
                    url, f"is larger than {self.limits.size >> 10} KiB and was refused"
                )
            if time.monotonic() > end:
                raise FetchError(url, self._slow)
        announced = stream.headers.get("Content-Length", "")
        if announced.isascii() and announced.isdigit() and int(announced) != size:
            raise FetchError(url, f"was cut off: {size} of {int(announced)} bytes arrived")
        return b"".join(chunks)

    @property
    def _slow(self) -> str:
        return f"gave no complete answer in {self.limits.seconds:g} s"


def check(url: str, hosts: frozenset[str], status: int = 0) -> None:
    """Raise FetchError for other hosts and schemes; `status` is that of the redirecting answer."""
    try:
        parts = urlsplit(url)
        host = host_of(url)
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or host not in hosts:
        what = f"is not on an allowed host ({', '.join(sorted(hosts))})"
        raise FetchError(_plain(url), what, status, _plain(url) if status else "")


def host_of(url: str) -> str:
    """Return "name" or "name:port" of a URL; "" if it has none. Raises ValueError: a host in broken brackets."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def _plain(url: str) -> str:
    """Return a URL without user and password."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = REDIRECTS

    def __init__(self, hosts: frozenset[str]) -> None:
        self.hosts = hosts

    def redirect_request(  # noqa: PLR0913  the signature of the base
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Follow redirects only to allowed hosts, and never from HTTPS to HTTP; drop the password for another host."""
        check(newurl, self.hosts, code)
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            place = _plain(newurl)
            raise FetchError(req.full_url, f"redirects from HTTPS to {place[:200]}", code, place)
        new = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        if new and host_of(newurl) != host_of(req.full_url):
            new.remove_header("Authorization")
        return new
