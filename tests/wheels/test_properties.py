"""What holds for the wheel choice, and for what is said of a refused install or a card, on every machine."""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from packaging.specifiers import SpecifierSet

from tunedoctor.facts import Environment, Host, IndexAnswer, Interpreter, NvidiaGpu, Refusal, empty
from tunedoctor.model.machine import Gpu, Machine, MachineError
from tunedoctor.model.versions import at_least, parts
from tunedoctor.tables.load import table
from tunedoctor.wheels.choose import choose
from tunedoctor.wheels.described import machine_from, machines_from
from tunedoctor.wheels.pick import INSTALLS, Build
from tunedoctor.wheels.refused import refused
from tunedoctor.wheels.rules import visible_gpus

PARTS: dict[str, Any] = json.loads(Path(__file__).with_name("parts.json").read_bytes())
"""Real parts of machines, drivers oldest first, and words that could stand anywhere."""
NVIDIA: dict[str, str] = PARTS["nvidia"]
"""Compute capability -> a name."""


def nvidia(capability: str) -> Gpu:
    return Gpu(name=NVIDIA[capability], vendor="nvidia", compute_capability=capability)


def one_of(name: str, *more: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from((*more, *PARTS[name]))


gpus = st.one_of(
    one_of("nvidia").map(nvidia),
    one_of("amd").map(lambda gfx: Gpu(name=f"AMD {gfx}", vendor="amd", gfx=gfx)),
    one_of("intel").map(lambda name: Gpu(name=name, vendor="intel")),
)
machines = one_of("places").flatmap(
    lambda place: st.builds(
        Machine, platform=st.just(place[0]), arch=st.just(place[1]), python=one_of("pythons"),
        glibc=one_of("glibcs"), macos=one_of("macos"), driver_version=one_of("drivers", ""),
        gpus=st.lists(gpus, max_size=4).map(tuple), torch=one_of("ranges"),
    )
)  # fmt: skip
words = st.one_of(st.text(max_size=20), one_of("words"))
names = st.one_of(st.text(max_size=10), one_of("names"))


def odd(**parts: str) -> dict[str, st.SearchStrategy[Any]]:
    """Return for each field what is known of it, or any word."""
    return {
        field: st.one_of(one_of(name), words) if name else words for field, name in parts.items()
    }


odd_gpus = st.builds(
    Gpu, **odd(name="", vendor="vendors", compute_capability="nvidia", gfx="amd", seen_by=""),
    excluded=st.booleans(), memory_gib=st.floats(),
)  # fmt: skip
nonsense = st.builds(
    Machine, **odd(arch="archs", python="pythons", glibc="", libc="", macos="", driver_version="drivers", torch="ranges"),
    platform=one_of("platforms"), gpus=st.lists(odd_gpus, max_size=4).map(tuple),
    env=st.dictionaries(names, words, max_size=4), installer=st.dictionaries(names, words, max_size=2),
    rocm_tools=st.sampled_from((None, True, False)),
)  # fmt: skip

FAMILIES: dict[str, str] = PARTS["families"]
FLOORS: dict[str, list[str]] = PARTS["floors"]
"""CUDA major -> oldest driver on Linux, on Windows: NVIDIA's minor version compatibility, by hand."""


def _items() -> dict[str, Any]:
    return table("torch_wheels")["releases"]["items"]


def _builds(version: str, family: str) -> dict[str, list[Any]]:
    """Return variant -> row."""
    return {one[0]: one for one in _items()[version]["builds"] if one[1] == family}


def _pythons(version: str, family: str) -> set[str]:
    rows = [one for one in _items()[version]["builds"] if one[1] == family]
    return {python for one in rows for python in one[2].split()}


def _has_code(version: str, family: str, variant: str, capability: str) -> bool:
    """Tell by NVIDIA's rule, spelt out here: same major, no higher minor, and Jetson's exceptions."""
    words = _builds(version, family)[variant][5].replace("?", "").split()
    codes = table("torch_wheels")["archs"]["sets"][words[0]]
    major, minor = map(int, capability.split("."))
    apart = {"5.3", "6.2", "7.2", "8.7"} if int(variant[2:]) < 132 else {"5.3", "6.2"}
    if capability == "11.0":
        return "110" in codes
    if capability in apart:
        return capability.replace(".", "") in codes
    pairs = [(int(one[:-1]), int(one[-1])) for one in codes]
    return any(have == major and low <= minor for have, low in pairs)


def _glibc(version: str, family: str, variant: str) -> str:
    old = parts(version) <= ((2, 6, 0) if family == "linux_x86_64" else (2, 5, 1))
    return "2.17" if old and (version, variant) != ("2.6.0", "cu126") else "2.28"


def _runs(m: Machine, version: str, variant: str, capabilities: Iterable[str]) -> bool:
    """Tell whether a CUDA build can be installed and runs on GPUs, straight from the table's rows."""
    family, windows = FAMILIES.get(f"{m.platform} {m.arch}", ""), m.platform in ("windows", "wsl")
    any_glibc = not m.glibc or family == "win_amd64"
    return (
        variant in _builds(version, family)
        and m.python in _pythons(version, family)
        and at_least(m.driver_version, FLOORS[variant[2:4]][windows])
        and (any_glibc or at_least(m.glibc, _glibc(version, family, variant)))
        and all(_has_code(version, family, variant, one) for one in capabilities)
    )


def _driven(text: str, driver: str, *, windows: bool) -> bool:
    """Tell whether a driver drives a compute capability that some torch has code for."""
    capability, branch = parts(text), parts(driver)[0]
    if capability < (3, 7):
        return False
    if capability < (5, 0):
        return branch <= 470
    if capability < (7, 5):
        return branch < 590
    return capability < (10, 0) or at_least(driver, "570.65" if windows else "570.26")


@st.composite
def driven(draw: st.DrawFn) -> tuple[Machine, Machine]:
    """Return a machine whose driver drives all its GPUs, and the same one under a newer driver that does so too.

    Driver 590 and newer leave out what is older than Turing: there the two drivers have no GPU in common.
    """
    platform, arch = draw(st.sampled_from(tuple(FAMILIES)[:4])).split()
    windows = platform in ("windows", "wsl")
    older, newer = sorted(draw(st.tuples(one_of("drivers"), one_of("drivers"))), key=parts)
    common = [c for c in NVIDIA if all(_driven(c, d, windows=windows) for d in (older, newer))]
    one = Machine(
        platform=platform,
        arch=arch,
        python=draw(st.sampled_from(PARTS["pythons"][1:])),
        glibc=draw(st.sampled_from(("2.39", "2.28", "2.17", ""))),
        driver_version=older,
        gpus=tuple(
            map(nvidia, draw(st.lists(st.sampled_from(common or ["7.5"]), min_size=1, max_size=3)))
        ),
        torch=draw(st.sampled_from([r for r in PARTS["ranges"] if "+" not in r])),
    )
    assume(
        common and not (arch == "aarch64" and any(c.compute_capability == "8.7" for c in one.gpus))
    )
    return one, replace(one, driver_version=newer)


@settings(max_examples=250)
@given(driven())
def test_the_release_is_the_newest_that_fits_and_a_newer_driver_gives_no_older_one(pair):
    """Trying every build of the table gives the same release; both drivers drive the same GPUs."""
    machine = pair[0]
    family = FAMILIES[f"{machine.platform} {machine.arch}"]
    capabilities = [gpu.compute_capability for gpu in machine.gpus]
    fits = [
        version
        for version in _items()
        if version in SpecifierSet(machine.torch)
        and any(
            _runs(machine, version, v, capabilities)
            for v in _builds(version, family)
            if v.startswith("cu")
        )
    ]
    choice, later = map(choose, pair)
    assert (choice.action == "install") == bool(fits), choice.reasons
    if fits:
        assert choice.build.torch_version == max(fits, key=parts)
        assert later.action == "install"
        assert parts(later.build.torch_version) >= parts(choice.build.torch_version)


@settings(max_examples=250)
@given(driven(), st.sampled_from(tuple(NVIDIA)))
def test_another_gpu_never_gives_a_build_without_code_for_it(pair, capability):
    """But for those that the choice leaves out by name, or that the driver does not drive."""
    machine = replace(pair[0], gpus=(*pair[0].gpus, nvidia(capability)))
    windows = machine.platform in ("windows", "wsl")
    choice = choose(machine)
    if choice.build is None or not choice.build.variant.startswith("cu"):
        return
    served = [
        gpu.compute_capability
        for gpu in machine.gpus
        if gpu.name not in choice.hidden
        and _driven(gpu.compute_capability, machine.driver_version, windows=windows)
    ]
    assert served
    assert _runs(machine, choice.build.torch_version, choice.build.variant, served)


apart = st.sampled_from(("5.2", "6.1", "7.0", "7.5", "8.9", "10.0", "12.0")).map(nvidia)
far_apart = st.lists(apart, min_size=2, max_size=4).map(
    lambda some: Machine("windows", "AMD64", "3.12", driver_version="581.57", gpus=tuple(some))
)
"""Machines whose GPUs often no build serves together."""


@settings(max_examples=300)
@given(st.one_of(machines, far_apart), st.randoms(use_true_random=False))
def test_the_order_of_gpus_is_irrelevant(machine, random):
    shuffled = list(machine.gpus)
    random.shuffle(shuffled)
    one, other = choose(machine), choose(replace(machine, gpus=tuple(shuffled)))
    assert (one.action, one.build) == (other.action, other.build)
    assert set(one.says) == set(other.says)
    assert sorted(one.hidden) == sorted(other.hidden)
    assert [a.build for a in one.alternatives] == [a.build for a in other.alternatives]


@settings(max_examples=200)
@given(driven(), gpus)
def test_an_excluded_gpu_changes_no_build(pair, gpu):
    """But for a Jetson's own, which tells what machine it is whether it works or not."""
    machine = pair[0]
    assume(not (machine.arch == "aarch64" and gpu.compute_capability in ("8.7", "11.0")))
    more = replace(machine, gpus=(*machine.gpus, replace(gpu, excluded=True)))
    one, other = choose(machine), choose(more)
    assert (one.action, one.build) == (other.action, other.build)


def _exists(machine: Machine, build: Build, after: str) -> bool:
    """Tell whether the table has a wheel of a build for the machine, or for what an alternative takes."""
    python = re.search(r"on Python (\S+)", after)
    family = FAMILIES[f"{machine.platform} {'AMD64' if 'x86_64 Python' in after else machine.arch}"]
    wanted = python[1] if python else machine.python
    there = wanted in _pythons(build.torch_version, family)
    return there and build.variant in _builds(build.torch_version, family)


BAD_WORDS = re.compile(
    r"\b(?:may|might|please|invalid|error occurred)\b|!(?!=)|  |(?-i:\bNone\b)|^\W|\.$",
    re.IGNORECASE,
)


@settings(max_examples=400)
@given(machines)
def test_every_build_that_is_named_exists_and_reasons_are_in_the_words_of_the_house(machine):
    choice = choose(machine)
    if choice.build is not None:
        assert _exists(machine, choice.build, ""), choice.build
        row = _items()[choice.build.torch_version]
        assert (choice.torchvision, choice.torchaudio) == (row["torchvision"], row["torchaudio"])
    for one in choice.alternatives:
        assert _exists(machine, one.build, one.after), one
        assert one.build != choice.build or one.after, "the choice itself is no alternative"
    assert len(set(choice.says)) == len(choice.says)
    for reason in choice.reasons:
        assert reason
        assert not BAD_WORDS.search(reason), reason


@settings(max_examples=500)
@given(st.one_of(machines, nonsense))
def test_no_machine_makes_it_raise(machine):
    choice = choose(machine)
    assert choice.reasons
    assert (choice.build is not None) == (choice.action in INSTALLS)


keys = st.one_of(st.text(max_size=8), one_of("fields"))
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), words),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)
gpu_rows = st.lists(json_values | st.dictionaries(keys, json_values, max_size=5), max_size=3)
almost = st.builds(
    lambda row, some: {"platform": "linux", "python": "3.12", "gpus": some, **row},
    st.dictionaries(one_of("fields"), json_values, max_size=8),
    gpu_rows,
)


@settings(max_examples=400)
@given(st.one_of(json_values, almost), st.text(max_size=60))
def test_any_json_and_text_is_machines_or_a_clear_error(row, text):
    with suppress(MachineError):
        assert choose(machine_from(row)).reasons
    for one in (text, json.dumps(row)):
        with suppress(MachineError):
            assert machines_from(one)


def test_json_that_breaks_readers_is_a_clear_error():
    env = "[" * 90_000 + "]" * 90_000
    deep = f'{{"platform": "linux", "python": "3.12", "env": {{"a": {env}}}}}'
    for text in ("[" * 200_000, deep, '{"a": 1' + "0" * 5000 + "}", "", "[]", "null", '"\\ud800"'):
        with pytest.raises(MachineError, match=r"\w"):
            machines_from(text)


@given(
    st.sampled_from(["torch", "torchvision", "transformers"]),
    st.from_regex(r"(==|>=|<|~=)?\d?[.\d]{0,6}(\+\w{1,6})?", fullmatch=True),
    st.none() | st.lists(st.from_regex(r"\d\.\d{1,2}\.\d(\+cu\d{3})?", fullmatch=True) | words),
    st.sampled_from(["version", "nothing", "python", "abi", "platform", "unknown"]),
    st.text(max_size=20),
)
def test_any_refusal_is_judged(name, specifier, offered, reason, tag):
    some = None if offered is None else tuple(offered)
    told = IndexAnswer(refusals=(Refusal(name, specifier, reason, offered=some, tag=tag),))
    for own in (empty(Interpreter), Interpreter(executable="", version="3.12.4")):
        for host in (empty(Host), Host(os="windows", name="x"), Host(os="linux", name="x")):
            refused(told, own, host)


@given(st.text())
def test_any_setting_leaves_some_of_the_cards(setting):
    cards = tuple(NvidiaGpu(index=i, name="RTX 4090", uuid=f"GPU-{i}aaa") for i in range(3))
    variables = {"CUDA_VISIBLE_DEVICES": setting}
    assert set(visible_gpus(cards, Environment(variables=variables))) <= set(cards)
    assert visible_gpus(cards, empty(Environment)) == cards
