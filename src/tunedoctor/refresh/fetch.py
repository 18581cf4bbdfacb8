"""Get a page over HTTP(S): from allowed hosts alone, of limited size, in limited time."""

import http.client
import os
import queue
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from tunedoctor import __version__

MEBI = 1 << 20
AGENT = f"tunedoctor/{__version__}"
ACCEPT = "application/vnd.pypi.simple.v1+html, text/html;q=0.5, */*;q=0.1"
REDIRECTS = 4


class FetchError(Exception):
    """A page can't be had; the message is a sentence that names it, without its full stop."""

    answered = False
    """Whether the server answered at once, with a refusal: then the next page costs no wait."""


class Limits(NamedTuple):
    """What one answer is allowed to take."""

    size: int = 32 * MEBI
    """Bytes; the page of all torch wheels has about 5 MiB."""
    seconds: float = 60.0
    """From the question to the last byte, look-ups and redirects counted."""


class Fetcher(NamedTuple):
    """Fetches from these hosts ("name" or "name:port"), and follows redirects only to them."""

    hosts: frozenset[str]
    limits: Limits = Limits()

    def get(self, url: str) -> bytes:
        """Return the body of a page.

        Raises:
            FetchError: refused, unreachable, too large, too slow, cut, or redirected to another host.
        """
        answer: queue.SimpleQueue[bytes | FetchError] = queue.SimpleQueue()
        work = threading.Thread(target=self._work, args=(url, answer), daemon=True)
        work.start()  # a thread, since a name server or a dripping header has no other time limit
        try:
            found = answer.get(timeout=self.limits.seconds + 1)
        except queue.Empty:
            found = FetchError(self._slow(url))
        if isinstance(found, FetchError):
            raise found
        return found

    def _work(self, url: str, answer: "queue.SimpleQueue[bytes | FetchError]") -> None:
        try:
            answer.put(self._get(url))
        except FetchError as error:
            answer.put(error)
        except Exception as error:  # noqa: BLE001  whatever a hostile server provokes is told, never raised
            failed = FetchError(self._why(url, error))
            failed.answered = isinstance(error, urllib.error.HTTPError)
            answer.put(failed)

    def _get(self, url: str) -> bytes:
        self.check(url)
        end = time.monotonic() + self.limits.seconds
        opener = urllib.request.build_opener(
            _Redirects(self), urllib.request.HTTPSHandler(context=_trust(os.environ))
        )
        request = urllib.request.Request(  # noqa: S310  the scheme is checked above
            url, headers={"User-Agent": AGENT, "Accept": ACCEPT, "Accept-Encoding": "identity"}
        )
        with opener.open(request, timeout=min(15.0, self.limits.seconds)) as stream:
            return self._body(url, stream, end)

    def _why(self, url: str, error: Exception) -> str:
        reason = getattr(error, "reason", None) or error
        if isinstance(error, urllib.error.HTTPError):
            error.close()
            return f"{url} answered {error.code}"
        if isinstance(reason, TimeoutError):
            return self._slow(url)
        if isinstance(error, http.client.IncompleteRead):
            return f"{url} was cut: less came than was announced"
        return f"{url} can't be reached: {str(reason)[:200] or type(reason).__name__}"

    def _body(self, url: str, stream: http.client.HTTPResponse, end: float) -> bytes:
        coding = stream.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in ("", "identity"):
            msg = f"{url} is packed ({coding[:20]}), which nobody asked for"
            raise FetchError(msg)
        chunks: list[bytes] = []
        size = 0
        while chunk := stream.read1(65536):
            chunks.append(chunk)
            size += len(chunk)
            if size > self.limits.size:
                msg = f"{url} has more than {self.limits.size >> 10} KiB and is left"
                raise FetchError(msg)
            if time.monotonic() > end:
                raise FetchError(self._slow(url))
        announced = stream.headers.get("Content-Length", "")
        if announced.isascii() and announced.isdigit() and int(announced) != size:
            msg = f"{url} was cut: {size} of {int(announced)} bytes came"
            raise FetchError(msg)
        return b"".join(chunks)

    def _slow(self, url: str) -> str:
        return f"{url} gave no whole answer in {self.limits.seconds:g} s"

    def check(self, url: str) -> None:
        """Refuse other hosts and other schemes.

        Raises:
            FetchError: the URL is not one to be asked.
        """
        try:
            parts = urlsplit(url)
            host = host_of(url)
        except ValueError:
            parts, host = urlsplit(""), ""
        if parts.scheme not in ("http", "https") or host not in self.hosts:
            msg = f"{url[:200]} is on none of the allowed hosts ({', '.join(sorted(self.hosts))})"
            raise FetchError(msg)


def host_of(url: str) -> str:
    """Return "name" or "name:port" of a URL; "" where there is none.

    Raises:
        ValueError: a host in broken brackets.
    """
    return urlsplit(url).netloc.rpartition("@")[2].lower()


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = REDIRECTS

    def __init__(self, fetcher: Fetcher) -> None:
        self.fetcher = fetcher

    def redirect_request(  # noqa: PLR0913  the signature of the base
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Follow only to allowed hosts, and never from HTTPS to HTTP."""
        self.fetcher.check(newurl)
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            why = f"{req.full_url} leads from HTTPS to {newurl[:200]}"
            raise FetchError(why)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _trust(variables: Mapping[str, str]) -> ssl.SSLContext:
    """Trust what the system trusts, and the bundle that pip or curl were given: a company's proxy has its own."""
    context = ssl.create_default_context()
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        if bundle := variables.get(name):
            try:
                context.load_verify_locations(bundle)
            except (OSError, ssl.SSLError) as error:
                msg = f"{name} names {bundle}, which holds no certificates: {error}"
                raise FetchError(msg) from None
    return context
