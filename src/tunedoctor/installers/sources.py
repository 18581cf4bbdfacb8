"""Read the user's package sources as pip and uv do, and pass them on to both tools.

PyTorch's index is added to them, and never replaces them. A setting of one tool also applies to the other; if they
differ, uv's setting wins, because uv resolves.
"""

import os
import re
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

import msgspec
from msgspec.structs import replace

from tunedoctor.probes.settings import Setting, on, settings_of, without_credentials
from tunedoctor.refresh.fetch import Client
from tunedoctor.tables.load import table
from tunedoctor.wheels.rules import PYTORCH, index_of

ANY_INDEX = "unsafe-best-match"
"""uv's name for pip's strategy: the best version of all indexes. uv's default is the first index with the package."""


class Ban(msgspec.Struct, frozen=True):
    """A setting that forbids installers the network or all indexes. A setting of uv or pip applies to both."""

    kind: Literal["offline", "no-index"]
    who: str
    """The variable, option or file that forbids it."""

    def explain(self, why: str) -> str:
        """Return the installer's own text, with the ban that caused it in front."""
        what = "uv uses only its cache" if self.kind == "offline" else "no index is used"
        return why if self.who in why else f"because of {self.who}, {what}: {why}"

    @property
    def lift_command(self) -> str:
        """Shell command that lifts the ban; for a file, a comment that says what to remove from it."""
        if os.path.isabs(self.who):  # noqa: PTH117
            return f"# remove {self.kind} from {self.who}"
        if self.who.startswith("-"):
            return f"# leave out {self.who}"
        return f"Remove-Item Env:{self.who}" if sys.platform == "win32" else f"unset {self.who}"


class PackageSource(msgspec.Struct, frozen=True):
    """One index, folder, page of links or file of constraints."""

    url: str
    """As the user wrote it, including credentials; relative paths are made absolute."""
    place: str = ""
    """File or variable that configures it; "" for a default."""
    name: str = ""
    """uv's name of an index."""

    @property
    def folder(self) -> Path | None:
        """Its path if it is a local folder or file, else None."""
        if self.url.startswith("file:"):
            return Path(url2pathname(urlsplit(self.url).path))
        return None if "://" in self.url else Path(self.url)

    @property
    def installer_url(self) -> str:
        """URL for pip and uv."""
        return self.folder.as_uri().replace(",", "%2C") if self.folder else self.url

    @property
    def label(self) -> str:
        """Text for the user: without credentials, and with the file or variable that configures it."""
        place = f" ({self.place})" if self.place else ""
        return f"{without_credentials(self.url)}{place}"


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """All settings by which an installer finds wheels."""

    index: PackageSource | None = None
    """Replaces the standard index."""
    extra: tuple[PackageSource, ...] = ()
    """Further indexes, in order of priority."""
    links: tuple[PackageSource, ...] = ()
    """Folders and pages with wheels: find-links."""
    no_index: str = ""
    """File or variable that forbids indexes; `offline`: the one that forbids the network."""
    offline: str = ""
    constraints: tuple[PackageSource, ...] = ()
    """Files of constraints for every resolution."""
    limits: tuple[str, ...] = ()
    """Constraints written in uv's own files."""
    trusted: tuple[str, ...] = ()
    """Hosts whose certificates are not checked."""
    strategy: str = ""
    """uv's strategy among indexes; "" if the user sets none."""
    plain: tuple[tuple[str, str], ...] = ()
    """Variables of pip or uv and their values, for certificates, proxies, keyring and time limits."""
    pytorch: str = ""
    """Mirror that replaces PyTorch's index, if the project names one and the user agreed."""

    @property
    def ban(self) -> Ban | None:
        """The user's ban on the network or on indexes, or None."""
        if self.offline:
            return Ban("offline", self.offline)
        return Ban("no-index", self.no_index) if self.no_index else None

    def placed(self, url: str) -> str:
        """Return the URL of one of PyTorch's indexes, on the mirror if there is one."""
        bases = (
            prefix for prefix in (index_of(), PYTORCH) if self.pytorch and url.startswith(prefix)
        )
        base = next(bases, "")
        return f"{self.pytorch.rstrip('/')}/{url.removeprefix(base)}" if base else url

    def with_index(self, url: str) -> "Sources":
        """Return these sources with PyTorch's index or its mirror first, because that has the builds."""
        if not url or self.no_index:
            return self
        extra, strategy = _once((PackageSource(url), *self.extra)), self.strategy or ANY_INDEX
        return replace(self, extra=extra, strategy=strategy)

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables for a child: these sources for both tools, and no other settings for installs."""
        env = {
            "UV_HTTP_CONNECT_TIMEOUT": "5",
            "UV_HTTP_RETRIES": "1",
        }  # fail soon if a host is silent
        env |= {name: value for name, value in environ.items() if _stays(name)}
        env |= {"UV_NO_CONFIG": "1", "PIP_CONFIG_FILE": os.devnull}
        env |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
        env |= {name: value for name, value in self.plain if name not in env}
        if self.index:
            env["UV_DEFAULT_INDEX"] = env["PIP_INDEX_URL"] = self.index.url
        if self.extra:
            env["UV_INDEX"] = " ".join(f"{e.name}={e.url}" if e.name else e.url for e in self.extra)
            env["PIP_EXTRA_INDEX_URL"] = " ".join(source.url for source in self.extra)
        # as URLs, because a blank or comma in a path would split it
        if links := [source.installer_url for source in self.links]:
            env["UV_FIND_LINKS"], env["PIP_FIND_LINKS"] = ",".join(links), " ".join(links)
        if self.trusted:
            env["UV_INSECURE_HOST"] = env["PIP_TRUSTED_HOST"] = " ".join(self.trusted)
        if self.strategy:
            env["UV_INDEX_STRATEGY"] = self.strategy
        # uv has no variable for "no index", and pip can't work from a cache, so offline means no index
        env |= {"PIP_NO_INDEX": "1"} if self.ban else {}
        return env | ({"UV_OFFLINE": "1"} if self.offline else {})

    def client(self, environ: Mapping[str, str]) -> Client:
        """Return an HTTP client that uses the user's proxies and certificates."""
        return Client(variables=self.variables(environ), trusted=self.trusted)

    def options(self) -> list[str]:
        """Return options for uv, for the settings that have no variable."""
        paths = (str(source.folder or source.url) for source in self.constraints)
        words = [word for path in paths for word in ("--constraints", path)]
        return [*(["--no-index"] if self.no_index else []), *words]


_KEPT = re.compile("|".join(table("probes")["kept_variables"]))
_ELSEWHERE = frozenset(table("probes")["variables_of_another_environment"])


def _stays(name: str) -> bool:
    if name.startswith(("PIP_", "UV_")):
        return _KEPT.fullmatch(name) is not None
    return name not in _ELSEWHERE


def sources(settings: Iterable[Setting], variables: Mapping[str, str]) -> Sources:
    """Return the sources in settings (in the order they are read, weakest first) and in `variables`."""
    all_settings = tuple(settings)
    by_name = {setting.name: setting for setting in all_settings}
    default = next(iter(_all(all_settings, "default-index", "index-url")), None)
    uvs = _all([setting for setting in all_settings if setting.name.startswith("uv.")], *_EXTRA)
    extra = _all(all_settings, *_EXTRA)
    variable_names = table("probes")["variables_of_settings"].items()
    pairs = ((name, setting) for setting, names in variable_names for name in names)
    plain = [(name, by_name[setting].value) for name, setting in pairs if setting in by_name]
    keyring = by_name.get("pip.keyring-provider")
    if keyring and keyring.value in ("import", "subprocess"):
        plain.append(("UV_KEYRING_PROVIDER", "subprocess"))
    if not by_name.get("pip.cert") and (bundle := variables.get("SSL_CERT_FILE")):
        plain.append(("PIP_CERT", bundle))
    strategy = by_name.get("uv.index-strategy")
    offline = "DOCTOR_OFFLINE"
    return Sources(
        index=default,
        extra=_once((default, *extra))[1:] if default else _once(extra),
        links=_once(_all(all_settings, "find-links")),
        no_index=_who(by_name, "uv.no-index", "pip.no-index"),
        offline=_who(by_name, "uv.offline") or (offline if on(variables.get(offline, "")) else ""),
        constraints=_once(_all(all_settings, "constraint")),
        limits=tuple(source.url for source in _all(all_settings, "constraint-dependencies")),
        trusted=tuple(dict.fromkeys(source.url for source in _all(all_settings, *_TRUSTED))),
        strategy=strategy.value if strategy else ANY_INDEX if extra and not uvs else "",
        plain=tuple(plain),
    )


_EXTRA = ("index", "extra-index-url")
_TRUSTED = ("allow-insecure-host", "insecure-host", "trusted-host")


def own(
    variables: Mapping[str, str], prefix: str = "", project: tuple[str, str] | None = None
) -> Sources:
    """Return the sources in configuration files (also in `prefix`) and variables.

    `project`: path and text of the project's own file.
    """
    return sources(settings_of(variables, prefix, project), variables)


def _who(by_name: Mapping[str, Setting], *names: str) -> str:
    """Return the file or variable that turns a switch on, or ""."""
    for setting in (by_name[name] for name in names if name in by_name):
        if on(setting.value):
            return setting.place
    return ""


def _all(settings: Collection[Setting], *kinds: str) -> tuple[PackageSource, ...]:
    """Return the sources in settings of some kinds: all of uv's, strongest first, as uv joins lists; pip's last."""
    strongest: list[Setting] = []
    for tool in ("uv", "pip"):
        for kind in kinds:
            matching = [setting for setting in settings if setting.name == f"{tool}.{kind}"]
            strongest += matching[::-1] if tool == "uv" else matching[-1:]
    return tuple(
        _source(line, setting) for setting in strongest for line in setting.value.splitlines()
    )


def _source(text: str, setting: Setting) -> PackageSource:
    kind = setting.name.partition(".")[2]
    name, _, rest = text.partition("=")
    if kind in ("index", "default-index") and "://" in rest and "/" not in name:
        return PackageSource(rest, setting.place, name if kind == "index" else "")
    if "://" in text or text.startswith("file:") or kind not in _PATHS:
        return PackageSource(text, setting.place)
    by_file = os.path.isabs(setting.place) and not setting.place.endswith((".conf", ".ini"))  # noqa: PTH117
    near = Path(setting.place).parent if by_file else Path.cwd()
    return PackageSource(str(near / Path(text).expanduser()), setting.place)


_PATHS = ("find-links", "constraint", "index", "default-index", "index-url", "extra-index-url")


def _once(sources_of_setting: Iterable[PackageSource]) -> tuple[PackageSource, ...]:
    by_url: dict[str, PackageSource] = {}
    for source in sources_of_setting:
        by_url.setdefault(source.url.rstrip("/"), source)
    return tuple(by_url.values())
