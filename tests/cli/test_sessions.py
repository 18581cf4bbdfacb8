"""Sessions as rows: what is typed in a folder, one command after the other, and what each says and leaves.

A row has `files` (and of `museum` snapshots) in its folder "@root", and `steps`: `argv` as it is typed, `stdin`, `env`;
the exit `code`, words in `out` and `err`, words in neither (`not`), `json` that the output holds (as in tests/rows.py),
the `schema` that it keeps to. A row with `make` has an environment "@env" of releases of the index on loopback, whose
code is `bodies`; after a step it holds `version` of huggingface-hub, or is `as_before`.
"""

import json
import os
import sys
from collections.abc import Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from libraries import running
from libraries.catalogue import RELEASES
from libraries.fixtures import uv_cache
from libraries.server import Index
from museum import snapshot_of
from rows import holds, plant, rows

from tunedoctor.cli.app import run
from tunedoctor.redaction import Identity, snapshot_json

__all__ = ["uv_cache"]
ROWS = rows("cli/sessions.jsonl")


class Said:
    """A row that is carried out: in this process, or, where there is an environment, through the command."""

    def __init__(self, row: dict[str, Any], root: Path, env: Path | None) -> None:
        self.row, self.root, self.env = row, root, env

    def named(self, value: Any) -> Any:
        """Return a value of the row with the names of its places."""
        text = json.dumps(value).replace("@root", str(self.root))
        return json.loads(text.replace("@env", str(self.env)))

    def started(
        self, step: dict[str, Any], patch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> tuple[int, str, str]:
        """Return the exit code of a step, and both streams."""
        argv, env = self.named(step["argv"]), self.named(step.get("env", {}))
        if self.env:
            ended = running.doctor(*argv, cwd=self.root, **{"COLUMNS": "200", **env})
            return ended.returncode, ended.stdout, ended.stderr
        with patch.context() as inner:
            for name, value in env.items():
                inner.setenv(name, value)
            stdin = self.named(step.get("stdin", "")).encode()
            inner.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin)))
            try:
                code = run(argv)
            except SystemExit as ended:
                code = int(ended.code or 0)
            said = capsys.readouterr()
        return code, said.out, said.err


@pytest.fixture
def env(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path | None]:
    """The environment of a row that wants one, and its index."""
    for name in tuple(os.environ):
        if name.startswith(("PIP_", "UV_")) or name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    row = request.getfixturevalue("row")
    if "make" not in row:
        yield None
        return
    bodies: dict[str, str] = row.get("bodies", {})
    index = Index(
        one._replace(body=bodies.get(f"{one.name}=={one.version}", "")) for one in RELEASES
    )
    settings = {
        "UV_DEFAULT_INDEX": index.url,
        "PIP_INDEX_URL": index.url,
        "UV_NO_CONFIG": "1",
        "PIP_NO_CACHE_DIR": "1",
    }
    # code that differs must not come out of the cache of another row
    cache = tmp_path / "uv" if bodies else request.getfixturevalue("uv_cache")
    for name, value in {
        **settings,
        "UV_CACHE_DIR": str(cache),
        "DOCTOR_STATE": str(tmp_path / "state"),
    }.items():
        monkeypatch.setenv(name, value)
    pins = [pin for one in row["make"] for pin in (running.HELD if one == "HELD" else [one])]
    made = running.made(tmp_path / "work", index.url, *pins, pip=row.get("pip", False))
    for inside in row.get("inside", ()):
        (next(made.glob("lib/python*/site-packages")) / inside).mkdir()
    yield made
    index.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_a_session(
    row: dict[str, Any],
    env: Path | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plant(tmp_path, row.get("files", {}))
    for file, machine in row.get("museum", {}).items():
        (tmp_path / file).write_bytes(snapshot_json(snapshot_of(machine), Identity("", "", "")))
    session = Said(row, tmp_path, env)
    before = running.state(env) if env else ""
    for step in row["steps"]:
        code, out, err = session.started(step, monkeypatch, capsys)
        told = f"{step['argv']}\n{out}\n{err}"
        assert "Traceback" not in out + err, told
        assert code == step.get("code", 0), told
        flat = {"out": " ".join(out.split()), "err": " ".join(err.split())}
        for stream, text in flat.items():
            assert not [w for w in session.named(step.get(stream, [])) if w not in text], told
        assert not [w for w in step.get("not", ()) if w in out + err], told
        if "json" in step or "schema" in step:
            found = json.loads(out)
            assert holds(found, session.named(step.get("json", {}))), told
        if "schema" in step:
            run(["schema", *step["schema"]])
            jsonschema.validate(found, json.loads(capsys.readouterr().out))
        if env and "version" in step:
            assert running.version(env) == step["version"], told
        if env and step.get("as_before"):
            assert running.state(env) == before, told
