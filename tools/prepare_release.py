"""Prepare a release: compare the tag with the version, point README's links to the repository, extract the notes.

    python tools/prepare_release.py --tag v0.2.0
    python tools/prepare_release.py --tag v0.2.0 --repository OWNER/tunedoctor   # rewrites README.md
    python tools/prepare_release.py --tag v0.2.0 --notes notes.md

Exits with 1 if the tag, __version__, CITATION.cff, server.json and CHANGELOG.md do not name the same version.
"""

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(!?)(\[[^\]]*\])\((?!https?:|#)([^)\s]+)\)")


def main(argv: list[str] | None = None) -> int:
    """Check, rewrite, extract; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tag", required=True, help="the tag of the release: v0.2.0")
    parser.add_argument("--repository", help="OWNER/NAME: README's links lead there")
    parser.add_argument("--notes", type=Path, help="file for the notes of this release")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    given = parser.parse_args(argv)
    version = given.tag.removeprefix("v")
    changelog = (given.root / "CHANGELOG.md").read_text(encoding="utf-8")
    notes = notes_of(changelog, version)
    faults = disagreements(given.root, version)
    if not notes:
        faults.append(f"CHANGELOG.md has no section [{version}] with a date")
    if faults:
        sys.stderr.write("".join(f"{fault}\n" for fault in faults))
        return 1
    if given.repository:
        readme = given.root / "README.md"
        text = readme.read_text(encoding="utf-8")
        readme.write_text(with_full_links(text, given.repository, given.tag), encoding="utf-8")
    if given.notes:
        given.notes.write_text(notes, encoding="utf-8")
    return 0


def disagreements(root: Path, version: str) -> list[str]:
    """Return a sentence for each file that names another version."""
    places = {
        "src/tunedoctor/__init__.py": r'^__version__ = "(.+)"$',
        "CITATION.cff": r"^version: (.+)$",
        "server.json": r'^  "version": "(.+)",$',
    }
    faults: list[str] = []
    for name, pattern in places.items():
        found = re.search(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE)
        there = found.group(1) if found else "no version"
        if there != version:
            faults.append(f"{name} has {there}, the tag is {version}")
    return faults


def notes_of(changelog: str, version: str) -> str:
    """Return the changelog's section of a version without its heading; "" if there is none."""
    head = re.compile(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", re.MULTILINE)
    found = head.search(changelog)
    if found is None:
        return ""
    section = changelog[found.end() :]
    return section.partition("\n## ")[0].partition("\n[")[0].strip() + "\n"


def with_full_links(text: str, repository: str, tag: str) -> str:
    """Return Markdown whose links and pictures work outside the repository."""
    of_page = f"https://github.com/{repository}/blob/{tag}/"
    of_picture = f"https://raw.githubusercontent.com/{repository}/{tag}/"
    return LINK.sub(
        lambda m: f"{m[1]}{m[2]}({of_picture if m[1] else of_page}{m[3]})",
        text,
    )


if __name__ == "__main__":
    sys.exit(main())
