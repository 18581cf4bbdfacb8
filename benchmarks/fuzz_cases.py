"""What benchmarks/fuzz.py feeds to the commands: real inputs, changed, and hostile ones that are made up.

Every case is drawn by hypothesis as a base and a few edits, so that a failing one shrinks to the edits that matter.
"""

import gzip
import hashlib
import json
import random
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hypothesis import strategies as st

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "museum"))
BASES: Any = json.loads(Path(__file__).with_name("fuzz_bases.json").read_text(encoding="utf-8"))
"""Texts and names that cases are made of; `evil` acts on a terminal or hides text."""


class Entry(NamedTuple):
    """What lies at a path."""

    kind: Literal["file", "program", "link", "pipe", "folder", "hole"] = "file"
    data: bytes = b""
    """Bytes, target of a link, or how many bytes a file without any seems to have."""


class Case(NamedTuple):
    """One run of a command in a folder of its own; HERE in arguments, variables and files is that folder."""

    argv: tuple[str, ...]
    files: dict[str, Entry]
    env: dict[str, str] = {}


def _secret(before: str, start: str, length: int, after: str = "") -> tuple[str, str]:
    secret = start + hashlib.sha256(before.encode()).hexdigest()[:length]
    return before + secret + after, secret


SECRETS = (
    _secret("HF_TOKEN=", "hf_", 34),
    _secret('{"api_key": "', "Q", 31, '"}'),
    _secret("{'password': '", "Z", 19, "'}"),
    _secret("Authorization: Bearer ", "R", 36),
    _secret("https://alice:", "p", 15, "@example.org/simple"),
    _secret("git clone https://", "ghp_", 36, "@github.com/a/b"),
    _secret("train.py --token ", "T", 29),
    _secret("machine example.org login alice password ", "M", 13),
    _secret("OPENAI_API_KEY=", "sk-proj-", 40),
)
"""A line that holds a secret, and the secret, which is nowhere else."""
NUMBERS = (0, -1, 1, 2**31, 2**63, 2**64, 10**30, -(2**63), 1e308, float("nan"), float("inf"))
DEEP = "@deep@"
"""Stands for lists in lists, which no writer of JSON writes."""
SITE = "lib/python3.11/site-packages"
_AT = st.integers(0, 1000)
_NAMES = st.sampled_from(BASES["names"])
choice = st.sampled_from
pieces = choice((*BASES["pieces"], *BASES["evil"])) | st.text(max_size=12)
edits = st.lists(
    st.tuples(choice(("cut", "put", "number")), _AT, _AT, pieces)
    | st.tuples(st.just("splice"), _AT, _AT, st.integers(0, 10**6))
    | st.tuples(st.just("repeat"), _AT, st.integers(1, 80), choice((2, 100, 10_000, 250_000)))
    | st.tuples(st.just("plant"), _AT, st.just(0), choice(SECRETS)),
    max_size=7,
)


def edited(text: str, changes: list[Any], others: list[str]) -> str:
    """Return a text with edits, at most 1.5 Mi characters."""
    for kind, where, size, what in changes:
        at = where * len(text) // 1000
        if kind == "cut":
            text = text[:at] + text[at + size * len(text) // 2000 :]
        elif kind == "put":
            text = text[:at] + what + text[at:]
        elif kind == "number":
            end = next((i for i in range(at, min(len(text), at + 500)) if text[i].isdigit()), at)
            text = text[:end] + str(NUMBERS[size % len(NUMBERS)]) + text[end + 1 :]
        elif kind == "splice":
            other = others[what % len(others)]
            text = text[:at] + other[size * len(other) // 1000 :][:20_000] + text[at:]
        elif kind == "repeat":
            piece = text[at : at + size] or " "
            text = text[:at] + piece * max(1, min(what, 250_000 // len(piece))) + text[at:]
    lines = text[: 3 << 19].split("\n")
    for _, where, _, (line, _) in (one for one in changes if one[0] == "plant"):
        lines.insert(where * len(lines) // 1000, line)  # whole, when nothing is cut any more
    return "\n".join(lines)


def of(text: str) -> Entry:
    """Return a file of text."""
    return Entry("file", text.encode("utf-8", "surrogatepass"))


@cache
def reports() -> list[str]:
    """Return the texts of the labelled reports and of the samples."""
    places = (ROOT / "tests" / "reports" / "reports", ROOT / "tests" / "samples")
    files = sorted(file for place in places for file in place.rglob("*.txt"))
    return [file.read_text(encoding="utf-8", errors="replace") for file in files]


@cache
def snapshots() -> list[Any]:
    """Return the snapshots of the museum as plain data."""
    import museum  # noqa: PLC0415  the museum's own module, when it is asked for

    from tunedoctor.model.snapshot import to_data  # noqa: PLC0415

    return [to_data(museum.snapshot_of(name)) for name in museum.names()]


@cache
def configs() -> list[Any]:
    """Return config.json of all architectures."""
    text = (ROOT / "tests" / "memory" / "architectures.json").read_text(encoding="utf-8")
    return [one["config"] for one in json.loads(text).values()]


values = (
    choice((*NUMBERS, *BASES["evil"], DEEP, None, True, "", "x" * 100_000, "9" * 5000, "atoken-" * 400))
    | choice(([], {}, [1, 2], [[]], {"a": {}}, [None] * 3000, {"x\x1b]0;y\x07": "\u202e"}, "\ud800"))
    | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.integers() | st.text(max_size=5), max_size=4)
)  # fmt: skip
changes = st.lists(
    st.tuples(choice(("set", "drop", "name", "more")), st.integers(0, 4000), values), max_size=5
)
plants = st.lists(
    st.tuples(st.just("set"), st.integers(0, 4000), choice([line for line, _ in SECRETS])),
    max_size=2,
)


def changed(data: object, changes: list[Any]) -> object:
    """Return JSON data with other values, without keys, with other names."""
    data = json.loads(json.dumps(data))
    for kind, number, value in changes:
        nodes: list[tuple[Any, Any]] = []
        todo: list[Any] = [data]
        while todo and len(nodes) < 4000:
            one = todo.pop()
            keys = one if isinstance(one, dict) else range(len(one) if isinstance(one, list) else 0)
            nodes += [(one, key) for key in keys]
            todo += [one[key] for key in keys]
        if not nodes:
            return value
        inside, key = nodes[number % len(nodes)]
        if kind == "drop":
            del inside[key]
        elif kind == "name" and isinstance(inside, dict):
            inside[str(value)] = inside.pop(key)
        elif kind == "more" and len(str(inside[key])) < 2000:
            inside[key] = [inside[key]] * 300
        else:
            inside[key] = json.loads(json.dumps(value))  # a value of its own: no circles
    return data


def as_json(data: object) -> str:
    """Write JSON, and what no writer writes: lists 200,000 deep."""
    text = json.dumps(data, ensure_ascii=False)
    return text.replace(f'"{DEEP}"', "[" * 200_000 + "]" * 200_000)


ODD = choice(
    (
        *(Entry("pipe"), Entry("folder"), Entry("link", b"loop"), Entry("link", b"/dev/zero")),
        *(Entry("link", b"/nowhere"), Entry("hole", b"%d" % (1 << 28)), Entry("file")),
        Entry("file", b"\xff\xfe\x00" * 9),
    )
)
"""What no sane folder holds."""
BOMBS = choice(
    (
        Entry("file", b"[" + b"{}," * 1_300_000 + b"0]"),
        Entry("file", b'{"a":' * 800_000),
        Entry("hole", b"%d" % (60 << 20)),
    )
)
"""JSON that takes much more memory than it has bytes."""


def json_file(bases: Callable[[], list[Any]]) -> st.SearchStrategy[Entry]:
    """Draw a file of JSON: a base, its values changed, then perhaps its text edited, which must not cut a secret."""

    def text(at: int, how: list[Any]) -> str:
        return as_json(changed(bases()[at % len(bases())], how))

    planted = st.builds(lambda at, how, last: text(at, [*how, *last]), _AT, changes, plants)
    broken = st.builds(lambda at, how, then: edited(text(at, how), then, [""]), _AT, changes, edits)
    files = st.one_of(planted, planted, broken).map(of)
    raw = st.binary(max_size=50).map(lambda data: Entry("file", data))
    return st.one_of(*[files] * 12, raw, ODD, BOMBS)


def text_file(*bases: str, odd: bool = True) -> st.SearchStrategy[Entry]:
    """Draw a file of text, one of the bases, edited; seldom something that is no such file."""
    plain = st.builds(lambda base, how: of(edited(base, how, list(bases))), choice(bases), edits)
    return st.one_of(*[plain] * 9, ODD if odd else plain)


def _short_lines(seed: int) -> str:
    """Return up to 1 MiB of short lines of one shape: a line costs more than its characters."""
    dice = random.Random(seed)  # noqa: S311  a seed that can be given again
    shape, wide = dice.choice(BASES["lines"]), dice.randrange(2, 9)
    letters = "abcdefghij0123456789-_."
    words = ["".join(dice.choices(letters, k=dice.randrange(1, wide))) for _ in range(500)]
    return "\n".join(
        shape.format(dice.choice(words), dice.choice(words), dice.randrange(99))
        for _ in range(60_000)
    )


def _repeated(parts: list[str], size: int) -> str:
    piece = "".join(parts) or " "
    return piece * (size // len(piece) + 1)


real_texts = st.builds(
    lambda at, how: edited(reports()[at % len(reports())], how, reports()),
    st.integers(0, 2000),
    edits,
)
report_texts = st.one_of(
    *[real_texts] * 4,
    st.lists(pieces, max_size=60).map("".join),
    st.builds(_repeated, st.lists(pieces, min_size=1, max_size=5), choice((10_000, 250_000))),
    st.integers(0, 10**6).map(_short_lines),
)
shown = choice(
    (
        *((), (), ("-v",), ("-q",), ("--format", "json", "-v"), ("--format", "jsonl")),
        ("--strict", "--fail-on", "note"),
    )
)


@st.composite
def triage(draw: st.DrawFn) -> Case:
    """Draw a report, or a folder of them."""
    if draw(st.integers(0, 5)):
        return Case(("triage", "report.txt", *draw(shown)), {"report.txt": of(draw(report_texts))})
    short = text_file(*reports()[::40])
    files = draw(st.dictionaries(_NAMES.map(lambda name: f"in/{name}"), short, max_size=9))
    return Case(("triage", "in", *draw(choice(((), ("--format", "jsonl"))))), files)


@st.composite
def check(draw: st.DrawFn) -> Case:
    """Draw a snapshot of another machine."""
    return Case(("check", "--from", "s.json", *draw(shown)), {"s.json": draw(json_file(snapshots))})


@st.composite
def fit(draw: st.DrawFn) -> Case:
    """Draw a folder of a model, or a file of one."""
    config = draw(json_file(configs))
    more = st.dictionaries(choice(BASES["beside"]), json_file(configs), max_size=2)
    where = draw(choice(("m", "m/config.json", "m/w.gguf", "m/w.safetensors", "m\x1b[31m")))
    files = {"m/config.json": config, **{f"m/{k}": v for k, v in draw(more).items()}}
    if "w." in where:
        heads = choice(
            (b"GGUF\x03\0\0\0", b"GGUF\3\0\0\0" + b"\xff" * 16, b"\x40" + b"\0" * 7 + b"{")
        )
        files[where] = Entry("file", draw(heads) + draw(st.binary(max_size=80)))
    elif "\x1b" in where:
        files[f"{where}/config.json"] = config
    return Case(("fit", where, *draw(choice(BASES["fit"])), *draw(choice(BASES["runs"]))), files)


@st.composite
def data(draw: st.DrawFn) -> Case:
    """Draw training data in all its files."""
    rows = [
        changed(draw(choice(BASES["rows"])), draw(changes)) for _ in range(draw(st.integers(0, 5)))
    ]
    ending = draw(choice(("jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz", "csv.gz", "txt")))
    if "sv" in ending:
        text = "prompt,completion\n" + "\n".join(f'"{as_json(row)[:9000]}",x' for row in rows)
    else:
        text = as_json(rows) if ending == "json" else "\n".join(map(as_json, rows))
    raw = of(edited(text, draw(edits), [text])).data
    raw = draw(choice((b"", b"", b"\xef\xbb\xbf", b"\xff\xfe", b"PAR1", b"\x1f\x8b"))) + raw
    if ending.endswith("gz"):
        raw = gzip.compress(raw, mtime=0)[: draw(choice((None, -9, 40)))]
    files = {f"d/{draw(_NAMES)}.{ending}": Entry("file", raw)}
    for _ in range(draw(st.integers(0, 2))):
        files[f"d/{draw(_NAMES)}-valid.jsonl"] = draw(
            text_file("\n".join(map(as_json, BASES["rows"])))
        )
    named = ("d",) if draw(st.booleans()) else tuple(files)
    how = draw(choice(((), ("--format", "json"), ("--format", "html"), ("--seq", "8"))))
    return Case(("data", *how, "--", *named), files)


@st.composite
def settings(draw: st.DrawFn) -> Case:
    """Draw the settings of a folder that somebody else wrote."""
    healthy = of(as_json({"schema": "doctor.snapshot/1", "facts": {}}))
    files = {"pyproject.toml": draw(text_file(*BASES["settings"])), "s.json": healthy}
    return Case(("check", "--from", "s.json", *draw(shown)), files)


def _tool(said: bytes, status: int, then: str) -> Entry:
    start, end = (
        f"#!/bin/sh\ncat <<'END_OF_IT'\n@\nEND_OF_IT\n{then}exit {status}\n".encode().split(b"@")
    )
    return Entry("program", start + said.replace(b"\0", b"") + end)


def _tools() -> st.SearchStrategy[dict[str, Entry]]:
    """Draw programs of vendors that answer anything."""
    table = (ROOT / "tests/samples/smi/nvidia-smi_table_590_h100_mig.txt").read_text(
        encoding="utf-8"
    )
    texts = text_file(BASES["query"], BASES["query"] * 3000, table, "", odd=False)
    answers = st.builds(
        _tool, texts.map(lambda one: one.data), choice((0, 0, 0, 9, 139)), choice(BASES["after"])
    )
    return st.dictionaries(
        choice(BASES["tools"]).map(lambda name: f"tools/{name}"), answers, max_size=3
    )


@st.composite
def _environment(draw: st.DrawFn, place: str) -> dict[str, Entry]:
    """Draw an environment that a stranger made; mostly with an interpreter that starts."""
    places, parts = BASES["places"], BASES["parts"]
    some = draw(st.lists(choice(sorted(places)), max_size=7, unique=True))
    files = {one: draw(text_file(places[one])) for one in some}
    for name in draw(st.lists(choice(BASES["distributions"]), max_size=4, unique=True)):
        folder = f"SITE/{name}-{draw(choice(('2.9.1', '0', '9' * 60, '1!0.dev')))}.dist-info"
        files |= {
            f"{folder}/{part}": draw(text_file(parts[part]))
            for part in sorted(draw(st.sets(choice(sorted(parts)))))
        }
    files |= {f"SITE/{draw(_NAMES)}": draw(ODD) for _ in range(draw(st.integers(0, 2)))}
    real = Entry("link", sys.executable.encode())
    shim = Entry("program", b'#!/bin/sh\necho \'{"executable": "\\u001b[31m", "version": "9"}\'\n')
    files["bin/python"] = draw(
        choice((real, real, real, shim, Entry("pipe"), Entry("file", b"\x7fELF")))
    )
    files.setdefault("pyvenv.cfg", of(places["pyvenv.cfg"]))
    return {f"{place}/{name.replace('SITE', SITE)}": one for name, one in files.items()}


@st.composite
def environment(draw: st.DrawFn) -> Case:
    """Draw a hostile environment, its tools on PATH, the settings of the home folder and variables."""
    place = draw(choice(("env", ".venv")))
    files = draw(_environment(place)) | draw(_tools())
    text = text_file(BASES["places"]["pip.conf"], "index-url = 'x'\n[pip]\nno-deps = true\n")
    files |= {
        f"home/{name}": draw(text)
        for name in sorted(draw(st.sets(choice(BASES["homes"]), max_size=2)))
    }
    some = (pieces | choice(("HERE/env", "0,1", "x:" * 9000))).map(
        lambda one: one.replace("\0", "")
    )
    env = draw(st.dictionaries(choice(BASES["variables"]), some, max_size=2))
    env |= draw(choice(({}, {"PIP_INDEX_URL": SECRETS[4][0]}, {"HF_TOKEN": SECRETS[0][1]})))
    env = {key: value.encode("utf-8", "replace").decode() for key, value in env.items()}
    argv = draw(
        choice((("check", "-v"), ("check",), ("snapshot",), ("check", "--format", "json", "-v")))
    )
    asked = () if place == ".venv" else ("--target", "env")
    return Case(
        (*argv, *asked), files, {"PATH": "HERE/tools:/usr/bin:/bin", "HOME": "HERE/home", **env}
    )


@st.composite
def train(draw: st.DrawFn) -> Case:
    """Draw a configuration that is always wrong, for an environment whose torch is a stub: nothing is trained."""
    files = {
        "env/bin/python": Entry("link", sys.executable.encode()),
        "env/pyvenv.cfg": of(f"home = {Path(sys.executable).resolve().parent}\n"),
        f"env/{SITE}/torch/__init__.py": of(BASES["stub"]),
        "c.toml": draw(text_file(BASES["train"], odd=False)),
        "m/config.json": draw(json_file(configs)),
        "train.jsonl": of("{}\n"),
    }
    for name in ("torch", "transformers", "peft"):
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n\n"
        files[f"env/{SITE}/{name}-9.9.dist-info/METADATA"] = of(text)
    more = draw(choice(((), ("--dry-run",), ("--merge",), ("--rank=x",), ("--model=m\x1b[31m",))))
    first = draw(choice((("c.toml",), ("--init", "-", "--model=m", "--data=train.jsonl"))))
    return Case(("train", "--target", "env", "--no-check", *first, *more), files)


COMMANDS: dict[str, tuple[int, st.SearchStrategy[Case]]] = {
    "triage": (6, triage()),
    "check --from": (4, check()),
    "fit": (4, fit()),
    "data": (4, data()),
    "environment": (4, environment()),
    "settings": (2, settings()),
    "train": (1, train()),
}
"""Group -> how many rounds of all it gets, and its cases."""
