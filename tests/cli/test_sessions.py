"""Each session prints and leaves what it says."""

import json
import os
import socket
from typing import Any

import jsonschema
import pytest
from cli.session_cases import SESSIONS, SOURCES, Step
from libraries import running
from libraries.catalogue import RELEASES, Release
from libraries.server import Index, Variants
from museum import keep, snapshot_of
from planting import plant
from rows import holds
from typed import doctor

from tunedoctor.core.schema import schema_of

CLOSED = "http://127.0.0.1:9/simple"
"""Nobody listens there."""
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
def served(session, uv_cache, tmp_path, monkeypatch):
    """The indexes of a session by name; nothing of this machine's own settings is left."""
    steering = ("PIP_", "UV_", "XDG_", "DOCTOR_MIRROR", "VIRTUAL_ENV", "CONDA_PREFIX")
    for name in tuple(os.environ):
        if name.startswith(steering) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    named = {"@index": "*", **session.serve} if session.make else {}
    found: dict[str, Index] = {}
    for name, what in named.items():
        kind = Variants if what.startswith("variants ") else Index
        both = kind is Variants or (name == "@index" and session.serve and not session.default)
        found[name] = kind(of(what.removeprefix("variants "), session.bodies, pairs=bool(both)))
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
def env(session, served, uv_cache, tmp_path, monkeypatch):
    """The environment of a session that wants one, and the variables around it."""
    if not session.make:
        return None
    url = served["@index"].url
    # code that differs must not come out of the cache of another session
    cache = tmp_path / "uv" if session.bodies else uv_cache
    around = {
        "UV_CACHE_DIR": str(cache),
        "DOCTOR_STATE": str(tmp_path / "state"),
        "PIP_NO_CACHE_DIR": "1",
    }
    pins = [pin for one in session.make for pin in (running.HELD if one == "HELD" else [one])]
    made = running.made(tmp_path / "work", url, *pins, pip=session.pip)
    if session.serve:  # what no test serves is out of reach, and is known to be at once
        (tmp_path / "home").mkdir()
        around |= {"HOME": str(tmp_path / "home"), "XDG_CONFIG_DIRS": str(tmp_path / "etc")}
        around |= {"DOCTOR_MIRROR_PYTORCH": CLOSED} if not session.mirror else {}
        around |= {"PIP_INDEX_URL": url} if session.default else {}
    else:
        around |= {"UV_DEFAULT_INDEX": url, "PIP_INDEX_URL": url, "UV_NO_CONFIG": "1"}
    for name, value in {**around, **session.env}.items():
        monkeypatch.setenv(name, value)
    plant(next(made.glob("lib/python*/site-packages")), session.inside)
    return made


def filled(value: Any, places: dict[str, str]) -> Any:
    """Return a value with the names of places replaced."""
    if isinstance(value, str):
        for name, place in places.items():
            value = value.replace(name, place)
        return value
    if isinstance(value, dict):
        return {filled(key, places): filled(one, places) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, places) for one in value]
    if isinstance(value, Step):
        return Step(**{field: filled(one, places) for field, one in vars(value).items()})
    return value


@pytest.mark.parametrize("session", [*SESSIONS, *SOURCES], ids=lambda session: session.name)
def test_a_session(session, env, served, hole, tmp_path, inside):
    places = {"@root": str(tmp_path), "@env": str(env), "@closed": CLOSED, "@hole": hole}
    places |= {name: one.url for name, one in served.items()}
    places["@tls"] = places.get("@good", "").replace("http:", "https:")
    plant(tmp_path, filled(session.files, places))
    for folder, names in session.wheel_folders.items():
        running.house(tmp_path / folder, of(names, {}))
    for file, machine in session.museum.items():
        keep(tmp_path, **{file.removesuffix(".json"): snapshot_of(machine)})
    before = running.state(env) if env else ""
    for plain in session.steps:
        step = filled(plain, places)
        variables = {"COLUMNS": "200", **step.env} if env else step.env
        there = tmp_path / step.cwd
        start = doctor if session.own_process else inside
        ended = start(*step.argv, stdin=step.stdin, cwd=there, **variables)
        code, out, err = ended.returncode, ended.stdout, ended.stderr
        told = f"{step.argv}\n{out}\n{err}"
        assert step.code in (code, None), told
        for words, text in ((step.out, out), (step.err, err)):
            assert not [w for w in words if w not in " ".join(text.split())], told
        assert not [w for w in step.absent if w in out + err], told
        assert step.report is None or holds(json.loads(out), step.report), told
        if step.schema:
            jsonschema.validate(json.loads(out), schema_of(*step.schema))
        for name, version in step.versions.items():
            assert running.version(env, name) == version, told
        for name, was_asked in plain.asked.items():
            asked = [one for one in served[name].asked if "hugging" in one or "torch" in one]
            assert bool(asked) is was_asked, told
        plant(tmp_path, step.then)
        if env and step.as_before:
            assert running.state(env) == before, told
