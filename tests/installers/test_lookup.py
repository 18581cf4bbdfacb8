"""Hashes and what comes along, looked up on an index of loopback."""

import os
import sys

from libraries.server import Index

from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import own
from tunedoctor.plan import Install, Pin


def ask(install: Install, installed: dict[str, str] | None = None) -> Install:
    found = Asking(own(os.environ)).look_up(install, sys.executable, installed or {})
    assert isinstance(found, Install)
    return found


def test_pins_get_their_hashes(index: Index) -> None:
    asked = Install(pins=(Pin(name="peft", version="0.18.1", was="0.17.1"),))
    (pin,) = ask(asked).pins
    assert (pin.name, pin.version, pin.was) == ("peft", "0.18.1", "0.17.1")
    assert pin.hashes
    assert all(h.startswith("sha256:") for h in pin.hashes)


def test_what_comes_along_is_pinned_and_what_serves_stays(index: Index) -> None:
    asked = Install(
        pins=(Pin(name="safetensors", version="0.8.0"), Pin(name="peft", version="0.18.1")),
        no_deps=False,
    )
    alone = ask(asked)
    assert alone.no_deps
    names = {pin.name: pin.version for pin in alone.pins}
    assert "accelerate" in names
    there = ask(asked, {k: v for k, v in names.items() if k != "peft"})
    assert {pin.name for pin in there.pins} == {"safetensors", "peft"}
