"""Record the releases of the fine-tuning stack from the package index that pip is configured with.

    python tools/record_releases.py [--since 2023-01-01] [--out benchmarks/recorded_releases.jsonl.gz] [NAME ...]

The last patch of each minor release is kept, for some packages every one, with the requirements of its wheel, its
Python and its date. Each package has a line; requirements of extras are left out. With names, only those are queried,
and the other lines stay.
"""

import argparse
import gzip
import json
import re
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version
from pip._internal.commands import create_command
from pip._internal.network.lazy_wheel import dist_from_wheel_url
from pip._internal.network.session import PipSession

ROOT = Path(__file__).resolve().parents[1]
STACK = """
torch torchvision torchaudio triton transformers tokenizers huggingface-hub hf-xet safetensors accelerate peft trl
datasets bitsandbytes numpy pyarrow pandas fsspec sentencepiece protobuf xformers flash-attn deepspeed diffusers
sentence-transformers evaluate torchao liger-kernel unsloth unsloth-zoo vllm gptqmodel autoawq auto-gptq optimum
pydantic pydantic-core packaging filelock requests psutil tqdm pyyaml regex scipy scikit-learn pillow setuptools httpx
typing-extensions multiprocess dill xxhash aiohttp torchtune compressed-tensors einops tiktoken cut-cross-entropy tyro
rich jinja2 msgspec sympy networkx wandb tensorboard mistral-common lm-eval
""".split()  # noqa: SIM905  so many are read more easily in lines
EVERY = frozenset(
    """
    torch torchvision torchaudio transformers tokenizers peft trl accelerate
    datasets dill multiprocess fsspec huggingface-hub numpy pyarrow bitsandbytes torchao
    """.split()  # noqa: SIM905
)
"""Packages for which every patch is kept: commands pin them, or ranges end between patches."""
_JSON = "application/vnd.pypi.simple.v1+json"
_LINUX = re.compile(r"any|(many)?linux.*_x86_64")


def main() -> None:
    """Ask the index, and write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--since", default="2023-01-01", help="the first day")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/recorded_releases.jsonl.gz")
    parser.add_argument("names", nargs="*", help="packages; else the stack")
    options = parser.parse_args()
    # pip's own session: with its index, certificates and proxies
    command: Any = create_command("download")
    settings, _ = command.parse_args(["packages"])
    with command.main_context():
        session = command.get_default_session(settings)
        found = dict(_recorded(session, settings.index_url, options))
    if options.names and options.out.is_file():
        there = gzip.decompress(options.out.read_bytes()).decode().splitlines(keepends=True)
        found = {json.loads(line)["name"]: line for line in there} | found
    options.out.write_bytes(gzip.compress("".join(found.values()).encode(), mtime=0))
    sys.stderr.write(f"{len(found)} packages, {options.out.stat().st_size} bytes\n")


def _recorded(
    session: PipSession, index: str, options: argparse.Namespace
) -> Iterator[tuple[str, str]]:
    for name in options.names or STACK:
        url = f"{index.rstrip('/')}/{name}/"
        got = session.get(url, headers={"Accept": _JSON})
        got.raise_for_status()
        several = _releases(got.json()["files"], options.since)
        several = dict(sorted(several.items())) if name in EVERY else _last_patches(several)
        with ThreadPoolExecutor(4) as pool:
            rows = pool.map(partial(_row, session, url), several.values())
            releases = {str(v): row for v, row in zip(several, rows, strict=True)}
        sys.stderr.write(f"{name} {len(releases)}\n")
        yield name, json.dumps({"name": name, "releases": releases}, separators=(",", ":")) + "\n"


def _releases(files: Iterable[dict[str, Any]], since: str) -> dict[Version, list[dict[str, Any]]]:
    found: dict[Version, list[dict[str, Any]]] = {}
    for one in files:
        if one.get("yanked") or one.get("upload-time", "9")[:10] < since:
            continue
        try:
            wheel = one["filename"].endswith(".whl")
            version = (
                parse_wheel_filename(one["filename"])[1]
                if wheel
                else parse_sdist_filename(one["filename"])[1]
            )
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue
        if not version.is_prerelease:
            found.setdefault(version, []).append(one)
    return found


def _last_patches(
    found: dict[Version, list[dict[str, Any]]],
) -> dict[Version, list[dict[str, Any]]]:
    last: dict[tuple[int, ...], Version] = {}
    for version in sorted(found):
        last[version.release[:2]] = version
    return {version: found[version] for version in last.values()}


def _row(session: PipSession, url: str, files: list[dict[str, Any]]) -> dict[str, Any]:
    wheels = [one for one in files if one["filename"].endswith(".whl")]
    pythons: set[str] = set()
    fits: list[dict[str, Any]] = []
    for one in wheels:
        tags = parse_wheel_filename(one["filename"])[3]
        here = {
            t.interpreter + ("+" if t.abi == "abi3" else "")
            for t in tags
            if _LINUX.fullmatch(t.platform)
        }
        pythons |= here
        fits += [one] if here else []
    row: dict[str, Any] = {"date": files[0].get("upload-time", "")[:10]}
    row |= {"python": files[0]["requires-python"]} if files[0].get("requires-python") else {}
    if not fits:
        # wheels only for other systems count as none
        return {**row, "sdist": True}
    if not {t for t in pythons if t.startswith("py")}:
        row["tags"] = sorted(pythons)
    link = urljoin(url, min(fits, key=lambda one: one.get("size", 0))["url"].partition("#")[0])
    told = dist_from_wheel_url(url.rstrip("/").rpartition("/")[2], link, session).metadata
    needs = list(_needs(told.get_all("Requires-Dist") or []))
    return {**row, **({"requires": needs} if needs else {})}


def _needs(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        try:
            one = Requirement(line)
        except InvalidRequirement:
            continue
        if one.marker and "extra" in str(one.marker):
            continue
        name = canonicalize_name(one.name)
        # exact pins need no further data; other requirements must be in the record
        if name in STACK or str(one.specifier).startswith("=="):
            one.extras = set()
            yield str(one)


if __name__ == "__main__":
    main()
