"""Hashes and what comes along, looked up on an index of loopback."""

import os
import sys

from libraries.server import Index

from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import own
from tunedoctor.installers.tool import lines_of
from tunedoctor.installers.uv import Failed, NoSolution, pins_of
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


def test_what_is_known_is_not_asked_again(index: Index) -> None:
    known = Install(pins=(Pin(name="nobody-has-it", version="1", hashes=("sha256:00",)),))
    assert Asking(own(os.environ)).look_up(known, sys.executable, {}) == known
    assert index.asked == []


def test_a_version_that_nobody_has(index: Index) -> None:
    asked = Install(pins=(Pin(name="peft", version="77.0"),))
    found = Asking(own(os.environ)).look_up(asked, sys.executable, {})
    assert isinstance(found, NoSolution)


def test_an_index_that_does_not_answer(index: Index) -> None:
    index.close()
    asked = Install(pins=(Pin(name="peft", version="0.18.1"),))
    found = Asking(own(os.environ)).look_up(asked, sys.executable, {})
    assert isinstance(found, Failed)
    assert found.why == "network"


def test_a_requirements_file_is_read_and_written() -> None:
    text = "Torch_x==2.9.1+cu126 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nnumpy==2.0\n"
    pins = pins_of(text)
    assert [(p.name, p.version, p.hashes) for p in pins] == [
        ("torch-x", "2.9.1+cu126", ("sha256:aa", "sha256:bb")),
        ("numpy", "2.0", ()),
    ]
    written = [Pin(name=p.name, version=p.version, hashes=p.hashes) for p in pins]
    assert pins_of(lines_of(written)) == pins
