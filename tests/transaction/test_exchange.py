"""Two renames stand in for the exchange, and can be finished from wherever they stopped."""

import json
from pathlib import Path

import pytest

from transaction.conftest import Make
from transaction.environment import state
from transaction.test_apply import fix
from tunedoctor.transaction import exchange
from tunedoctor.transaction.exchange import identity, swapped
from tunedoctor.transaction.places import Places
from tunedoctor.transaction.undoing import undo


@pytest.mark.parametrize("renames", range(4))
def test_a_swap_is_finished_from_wherever_it_stopped(tmp_path: Path, renames: int) -> None:
    places = Places(tmp_path, "env", "20261125T101500000000-0000")
    places.live.mkdir()
    places.other.mkdir()
    (places.live / "old").touch()
    (places.other / "new").touch()
    data = json.loads(json.dumps({"live": identity(places.live), "other": identity(places.other)}))
    moves = [
        (places.live, places.aside),
        (places.other, places.live),
        (places.aside, places.other),
    ]
    for source, to in moves[:renames]:
        source.rename(to)
    assert swapped(places, data) is (renames > 0)
    assert (places.live / ("new" if renames else "old")).exists()
    assert (places.other / ("old" if renames else "new")).exists()
    assert not places.aside.exists()


def test_a_system_without_exchange(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "exchange", lambda _one, _other: False)
    env = make()
    assert fix(env).end == "applied"
    assert state(env) == "new"
    assert undo(str(env)).done
    assert state(env) == "old"
