"""Sessions as rows: what is typed in a folder, one command after the other, and what each says and leaves.

A row has `files` (and of `museum` snapshots) in its folder "@root", and `steps`: `argv` as typed, `stdin`, `env`; the
exit `code` (null: any), words in `out` and `err`, words in neither (`not`), `json` of the output (or a part),
the `schema` that it keeps to. A row with `make` has an environment "@env" of releases of an index on loopback, whose
code is `bodies`; after a step it has `version` of some packages, or is `as_before`. `serve` names further indexes, and
takes all settings away; `houses` are folders of wheels; `asked` tells who was asked; `then` is written after a step.
"""

import json
import os
import socket
from typing import Any

import jsonschema
import pytest
from libraries import running
from libraries.catalogue import RELEASES, Release
from libraries.server import Index, Variants
from museum import keep, snapshot_of
from planting import plant
from rows import holds, rows
from typed import doctor

from tunedoctor.core.schema import schema_of

CLOSED = "http://127.0.0.1:9/simple"
"""Nobody listens there."""
ROWS = [*rows("cli/sessions.jsonl"), *rows("cli/sources.jsonl")]
PAIRS = (
    Release("torch", "2.14.1+cpu", "", ("filelock",)),
    Release("torchvision", "0.20.1", "", ("numpy",)),
    Release("torchvision", "0.29.1+cpu", "", ("torch==2.14.1", "numpy")),
)
EVIL = Release("huggingface-hub", "0.36.3", "2026-10-01")
"""Newer than every good one that transformers takes: whoever may offer it wins."""


def of(names: str, bodies: dict[str, str], *, pairs: bool = False) -> list[Release]:
    """Return releases: "*" for all, "-NAME" for all but those, "evil", or "NAME" and "NAME==VERSION" of some."""
    every = [*RELEASES, *(PAIRS if pairs else ()), *((EVIL,) if names == "evil" else ())]
    bad = "huggingface-hub" if names == "evil" else names[1:] if names[:1] == "-" else ""
    some = set(names.split()) if names[:1] not in ("*", "-") and names != "evil" else set()
    kept = [r for r in every if not some or {r.name, f"{r.name}=={r.version}"} & some]
    kept = [r for r in kept if r.name != bad or r is EVIL]
    return [r._replace(body=bodies.get(f"{r.name}=={r.version}", "")) for r in kept]


@pytest.fixture
def served(row, uv_cache, tmp_path, monkeypatch):
    """The indexes of a row by name; nothing of this machine's own settings is left."""
    steering = ("PIP_", "UV_", "XDG_", "DOCTOR_MIRROR", "VIRTUAL_ENV", "CONDA_PREFIX")
    for name in tuple(os.environ):
        if name.startswith(steering) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    bodies: dict[str, str] = row.get("bodies", {})
    named = {"@index": "*", **row.get("serve", {})} if "make" in row else {}
    found: dict[str, Index] = {}
    for name, what in named.items():
        kind = Variants if what.startswith("variants ") else Index
        both = kind is Variants or (name == "@index" and "serve" in row and not row.get("default"))
        found[name] = kind(of(what.removeprefix("variants "), bodies, pairs=both))
    yield found
    for one in found.values():
        one.close()


@pytest.fixture
def hole():
    """Return the URL of a port that takes no connection and refuses none."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen(0)
        with socket.create_connection(one.getsockname()):
            yield f"http://127.0.0.1:{one.getsockname()[1]}/simple"


@pytest.fixture
def env(row, served, uv_cache, tmp_path, monkeypatch):
    """The environment of a row that wants one, and the variables around it."""
    if "make" not in row:
        return None
    url = served["@index"].url
    # code that differs must not come out of the cache of another row
    cache = tmp_path / "uv" if "bodies" in row else uv_cache
    around = {
        "UV_CACHE_DIR": str(cache),
        "DOCTOR_STATE": str(tmp_path / "state"),
        "PIP_NO_CACHE_DIR": "1",
    }
    pins = [pin for one in row["make"] for pin in (running.HELD if one == "HELD" else [one])]
    made = running.made(tmp_path / "work", url, *pins, pip=row.get("pip", False))
    if "serve" in row:  # what no test serves is out of reach, and is known to be at once
        (tmp_path / "home").mkdir()
        around |= {"HOME": str(tmp_path / "home"), "XDG_CONFIG_DIRS": str(tmp_path / "etc")}
        around |= {"DOCTOR_MIRROR_PYTORCH": CLOSED} if not row.get("mirror") else {}
        around |= {"PIP_INDEX_URL": url} if row.get("default") else {}
    else:
        around |= {"UV_DEFAULT_INDEX": url, "PIP_INDEX_URL": url, "UV_NO_CONFIG": "1"}
    for name, value in {**around, **row.get("env", {})}.items():
        monkeypatch.setenv(name, value)
    plant(next(made.glob("lib/python*/site-packages")), row.get("inside", {}))
    return made


def filled(value: Any, places: dict[str, str]) -> Any:
    """Return a value of the row with the names of its places."""
    text = json.dumps(value)
    for name, place in places.items():
        text = text.replace(name, place)
    return json.loads(text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_session(row, env, served, hole, tmp_path, inside):
    places = {"@root": str(tmp_path), "@env": str(env), "@closed": CLOSED, "@hole": hole}
    places |= {name: one.url for name, one in served.items()}
    places["@tls"] = places.get("@good", "").replace("http:", "https:")
    plant(tmp_path, filled(row.get("files", {}), places))
    for folder, names in row.get("houses", {}).items():
        running.house(tmp_path / folder, of(names, {}))
    for file, machine in row.get("museum", {}).items():
        keep(tmp_path, **{file.removesuffix(".json"): snapshot_of(machine)})
    before = running.state(env) if env else ""
    for plain in row["steps"]:
        step = filled(plain, places)
        argv, variables = step["argv"], step.get("env", {})
        if env:
            variables = {"COLUMNS": "200", **variables}
        there = tmp_path / step.get("cwd", "")
        # a mirror is read once in a process
        start = doctor if "mirror" in json.dumps(row) else inside
        ended = start(*argv, stdin=step.get("stdin", ""), cwd=there, **variables)
        code, out, err = ended.returncode, ended.stdout, ended.stderr
        told = f"{step['argv']}\n{out}\n{err}"
        assert step.get("code", 0) in (code, None), told
        flat = {"out": " ".join(out.split()), "err": " ".join(err.split())}
        for stream, text in flat.items():
            assert not [w for w in step.get(stream, []) if w not in text], told
        assert not [w for w in step.get("not", []) if w in out + err], told
        assert "json" not in step or holds(json.loads(out), step["json"]), told
        if "schema" in step:
            jsonschema.validate(json.loads(out), schema_of(*step["schema"] or ["report"]))
        for name, version in step.get("version", {}).items():
            assert running.version(env, name) == version, told
        for name, was_asked in plain.get("asked", {}).items():
            asked = [one for one in served[name].asked if "hugging" in one or "torch" in one]
            assert bool(asked) is was_asked, told
        plant(tmp_path, step.get("then", {}))
        if env and step.get("as_before"):
            assert running.state(env) == before, told
