"""Which source answers, and what it holds of a package: all are asked at once, each for a second or two."""

import os
import re
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

from tunedoctor.clean import clean_text
from tunedoctor.installers.sources import Source, Sources

if TYPE_CHECKING:
    from packaging.version import Version

CONNECT = 1.5
"""Seconds for a connection: who is there takes some hundredths."""
ANSWER = 5.0
_MOST = 32 << 20
"""Bytes of a page; PyTorch's of torch has 5 MB."""
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_SHOWN = 3


class Heard(NamedTuple):
    """What a source says of one package."""

    source: Source
    why: str = ""
    """Why it gave no answer; "" where it did."""
    versions: tuple[str, ...] = ()
    """The newest that it holds, newest first."""

    def of(self, name: str) -> str:
        """Return it in words."""
        if self.why:
            return f"{self.source.shown} did not answer: {self.why}"
        held = ", ".join(self.versions[:_SHOWN])
        return f"{self.source.shown} has {f'{name} {held}' if held else f'no {name}'}"


def heard(
    several: Iterable[Source], name: str, known: Sources, *, whole: bool = True
) -> tuple[Heard, ...]:
    """Ask every source for a package, in their order; not `whole`: only whether it answers."""
    asked = tuple(several)
    if not asked:
        return ()
    env = known.said(os.environ)
    with ThreadPoolExecutor(len(asked)) as pool:
        return tuple(pool.map(lambda one: _ask(one, name, known, env, whole), asked))


def _ask(one: Source, name: str, known: Sources, env: Mapping[str, str], whole: bool) -> Heard:  # noqa: FBT001
    try:
        if one.folder:
            return Heard(one, versions=_versions(os.listdir(one.folder), name))  # noqa: PTH208  names alone
        page = one.url if one in known.links else f"{one.url.rstrip('/')}/{name}/"
        text = _page(page, known, env, _MOST if whole else 0)
        return Heard(
            one, versions=_versions(re.findall(r"[^\s/\"'<>=]+\.whl", unquote(text)), name)
        )
    except urllib.error.HTTPError as error:
        error.close()
        # what it lacks is not found, or forbidden; whom it does not know yet uv may have the password of
        gone = error.code in (401, 403, 404, 410)
        return Heard(one, "" if gone else f"it answers {error.code}")
    except Exception as error:  # noqa: BLE001  whatever a source does is told, never raised
        reason = getattr(error, "reason", None) or error
        text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        slow = isinstance(reason, TimeoutError)
        return Heard(one, "no answer in time" if slow else clean_text(str(text)).strip()[:200])


def _page(url: str, known: Sources, env: Mapping[str, str], most: int) -> str:
    """Return at most so many bytes of a page.

    Raises:
        OSError, ValueError: no answer, another scheme, no such file of certificates.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if parts.scheme not in ("http", "https"):
        msg = f"{parts.scheme or url[:40]!r} is no way to an index"
        raise ValueError(msg)
    proxies = {
        scheme: value
        for scheme in ("http", "https")
        if (value := env.get(f"{scheme.upper()}_PROXY") or env.get(f"{scheme}_proxy"))
    }
    passed = urllib.request.proxy_bypass(host)
    if passed or parts.scheme not in proxies:
        proxies = {}
        socket.create_connection((host, port), CONNECT).close()
    else:
        proxy = urlsplit(proxies[parts.scheme])
        if proxy.hostname:
            socket.create_connection((proxy.hostname, proxy.port or 80), CONNECT).close()
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies),
        urllib.request.HTTPSHandler(context=_trust(host, known, env)),
    )
    headers = {"Accept": _ACCEPT}
    if parts.username is not None:
        from base64 import b64encode  # noqa: PLC0415  few URLs hold a password

        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    plain = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    request = urllib.request.Request(plain, headers=headers)  # noqa: S310  the scheme is checked above
    with opener.open(request, timeout=ANSWER) as stream:
        return bytes(stream.read(most)).decode("utf-8", "replace")


def _trust(host: str, known: Sources, env: Mapping[str, str]) -> ssl.SSLContext:
    bundle = env.get("PIP_CERT") or env.get("SSL_CERT_FILE") or None
    context = ssl.create_default_context(cafile=bundle)
    if env.get("PIP_CLIENT_CERT"):
        context.load_cert_chain(env["PIP_CLIENT_CERT"])
    if any(one.partition(":")[0] == host for one in known.trusted):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _versions(files: Iterable[str], name: str) -> tuple[str, ...]:
    """Return the versions of the wheels of a package among file names, newest first."""
    from packaging.utils import (  # noqa: PLC0415  only a lack needs it
        InvalidWheelFilename,
        canonicalize_name,
        parse_wheel_filename,
    )

    wanted, found = canonicalize_name(name), set["Version"]()
    for file in files:
        if file[:1].lower() == wanted[:1] and file.endswith(".whl"):
            try:
                called, version, *_ = parse_wheel_filename(file)
            except InvalidWheelFilename:
                continue
            found |= {version} if called == wanted else set()
    return tuple(map(str, sorted(found, reverse=True)))
