"""Tiny packages on disk, with the metadata that an installer leaves."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from tunedoctor.facts import Distribution, Packages


def install(
    site: Path, name: str, files: Mapping[str, str], version: str = "1.0", *requires: str
) -> Distribution:
    """Write files below `site`, and a .dist-info whose RECORD names them."""
    for path, text in files.items():
        place = site / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (info / "METADATA").write_text(head + "".join(f"Requires-Dist: {r}\n" for r in requires))
    (info / "RECORD").write_text("".join(f"{p},{_hash(text)},\n" for p, text in files.items()))
    (info / "INSTALLER").write_text("pip\n")
    return Distribution(
        name=name, version=version, location=str(site), metadata=info.name, requires=requires
    )


def _hash(text: str) -> str:
    return "sha256=" + urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()


def packages(*some: Distribution) -> Packages:
    """Return them as the probe tells of them."""
    return Packages(distributions=some)
