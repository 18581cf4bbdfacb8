"""Tiny packages on disk, with the metadata that an installer leaves."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from planting import plant

from tunedoctor.facts import Distribution, Packages


def install(
    site: Path,
    name: str,
    files: Mapping[str, str],
    version: str = "1.0",
    *requires: str,
    sizes: bool = False,
) -> Distribution:
    """Write files below `site`, and a .dist-info whose RECORD names them, with their sizes if asked for."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    beside = {
        "METADATA": head + "".join(f"Requires-Dist: {r}\n" for r in requires),
        "RECORD": "".join(
            f"{p},{_hash(text)},{len(text.encode()) if sizes else ''}\n"
            for p, text in files.items()
        ),
        "INSTALLER": "pip\n",
    }
    plant(site, {**files, **{f"{info}/{file}": text for file, text in beside.items()}})
    return Distribution(
        name=name, version=version, location=str(site), metadata=info, requires=requires
    )


def _hash(text: str) -> str:
    return "sha256=" + urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()


def packages(*some: Distribution) -> Packages:
    return Packages(distributions=some)
