"""The small tables, and what is said of them elsewhere."""

from typing import Any

import pytest

from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import AmdGpu, AmdGpus, Container, Environment, Host, TorchBuild, empty
from tunedoctor.messages.words import Case
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.versions import release
from tunedoctor.model.wiring import call
from tunedoctor.tables.load import table
from tunedoctor.tables.small import first_transformers, gave_up, lacks, rocm_override, xid_meaning
from tunedoctor.wheels.cures import install_driver, rebuild_module
from tunedoctor.wheels.pick import override_of

SINCE, GONE = table("torch_names")["since"], table("torch_names")["gone"]
OVERRIDES = table("rocm_overrides")["rows"]
CHECKS = {one.id: one for one in all_checks()}


@pytest.mark.parametrize(
    ("tell", "arguments", "answer"),
    [
        (lacks, ("torch.nn", "RMSNorm", "2.1.2+cu121"), "2.4"),
        (lacks, ("torch.nn", "RMSNorm", "2.4.0"), ""),
        (lacks, ("torch.nn", "RMSNorm", ""), "2.4"),
        (lacks, ("torch", "no_such_name", "1.13.1"), ""),
        (lacks, ("torch.utils._pytree", "register_pytree_node", "2.2.0a0+git1"), ""),
        (gave_up, ("torch", "_six", "2.4.0+cu121"), "2.0"),
        (gave_up, ("torch", "_six", "1.13.1"), ""),
        (gave_up, ("torch", "_six", ""), "2.0"),
        (gave_up, ("torch.distributed.elastic.agent.server.api", "log", "2.4.0"), "2.4"),
        (gave_up, ("torch", "no_such_name", "2.13.0"), ""),
        (first_transformers, ("qwen3",), "4.51.0"),
        (first_transformers, ("Qwen3ForCausalLM",), "4.51.0"),
        (first_transformers, ("Gemma3ForConditionalGeneration",), "4.50.0"),
        (first_transformers, ("llama",), "4.28.0"),
        (first_transformers, ("LlamaTokenizerFast",), "4.28.0"),
        (first_transformers, ("bert",), "4.10.0"),
        (first_transformers, ("no_such_model",), ""),
        (first_transformers, ("",), ""),
    ],
)
def test_since_when(tell: Any, arguments: tuple[str, ...], answer: str) -> None:
    assert tell(*arguments) == answer


def test_names_of_torch_are_of_torch_and_none_came_after_it_went() -> None:
    for name, since in {**SINCE, **GONE}.items():
        assert name.startswith("torch.")
        assert len(release(since)) == 2
    assert all(release(SINCE[name]) < release(GONE[name]) for name in SINCE.keys() & GONE.keys())


@pytest.mark.parametrize(
    ("number", "text", "asks"),
    [
        (79, "GPU has fallen off the bus.", "reboot"),
        (64, "Row remapping failure", "reset"),
        (119, "", "reset"),
        (54, "", "power"),
        (74, "", "reset"),
        (94, "Contained ECC error", "idle"),
        (63, "Row Remapper: New row marked for remapping, reset gpu to activate.", "idle"),
        (149, "NETIR_LINK_EVT Fatal XC0 i0 Link 00 (0x025001c6 0x00000000)", "reset"),
        (154, "GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)", "reset"),
        # faults of a program, and what a link calls not fatal
        *((number, "", "") for number in (13, 31, 43, 45, 154, 99999)),
        (145, "RLW_CTRL Nonfatal XC0 i0 Link 00 (0x00000003 0x80000000)", ""),
    ],
)
def test_what_an_xid_asks_for(number: int, text: str, asks: str) -> None:
    meaning = xid_meaning(number, text)
    assert (meaning.asks if meaning else "") == asks


def _machine(gfx: str, override: str = "") -> Snapshot:
    build = TorchBuild(
        version="2.9.1+rocm6.4",
        hip="6.4",
        accelerator="rocm",
        variant="rocm6.4",
        archs=("gfx1030", "gfx1100"),
    )
    env = Environment(variables={"HSA_OVERRIDE_GFX_VERSION": override} if override else {})
    gpus = AmdGpus(gpus=(AmdGpu(index=0, gfx=gfx, name="a card"),))
    return Snapshot.of([Host(os="linux", name="Ubuntu 24.04"), gpus, build, env])


def _found(id_: str, machine: Snapshot) -> Any:
    return call(CHECKS[id_].run, machine, facts=Case(machine, id_))


@pytest.mark.parametrize("row", OVERRIDES, ids=lambda row: row["gfx"])
def test_choice_and_checks_say_of_an_override_what_the_table_says(row: dict[str, str]) -> None:
    gfx, value, grade = row["gfx"], row["value"], row["grade"]
    own = rocm_override(gfx)
    assert own is not None
    assert own.runs[:-2] == gfx[:-2], "never across a major generation"
    assert row["source"] in table("rocm_overrides")["sources"]
    assert [one["gfx"] for one in OVERRIDES].count(gfx) == 1
    assert override_of(gfx) == (value if grade == "works" else "")
    lacking = _found("gpu-arch-not-in-rocm-build", _machine(gfx))
    cure = lacking.cure.command
    # a stopgap is advised only where no build with the target can be had
    advised = grade in ("works", "older") or (grade == "stopgap" and "--index-url" not in cure)
    assert (f"HSA_OVERRIDE_GFX_VERSION={value}" in cure) is advised
    wrong = _found("rocm-override-wrong", _machine(gfx, value))
    assert (wrong is None) is (grade != "fails")
    if wrong is not None:
        assert "unset HSA_OVERRIDE_GFX_VERSION" in wrong.cure.command


def _host(distro: str, version: str = "", **more: object) -> Host:
    return Host(os="linux", name=distro, distro=distro, distro_version=version, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "more", "part"),
    [
        (_host("ubuntu", "24.04"), {}, "nvidia-driver-580-open"),
        (_host("ubuntu", "24.04"), {"old_card": True}, "nvidia-driver-580"),
        (_host("ubuntu"), {"container": Container(kind="docker")}, "on the host"),
        (_host("ubuntu", "24.04", wsl=2), {}, "in Windows, never inside WSL"),
        (_host("debian", "13"), {}, "nvidia-open-kernel-dkms"),
        (_host("debian", "13"), {"floor": "580"}, "nvidia-open"),
        (_host("debian", "12"), {"floor": "525.60.13"}, "nvidia-driver"),
        (_host("fedora", "44"), {"floor": "580"}, "akmod-nvidia"),
        (_host("rhel", "9.6"), {}, "nvidia-driver:open-dkms"),
        (_host("rhel", "10.0"), {}, "dnf install -y nvidia-open"),
        (_host("arch"), {}, "pacman -Syu nvidia-open"),
        (_host("gentoo"), {"floor": "580"}, "Install NVIDIA driver 580 or newer"),
        (empty(Host), {}, "Install NVIDIA driver 580 or newer"),
    ],
)
def test_how_a_driver_is_installed(host: Host, more: dict[str, Any], part: str) -> None:
    assert part in install_driver(host, **more).cure.command


def test_the_module_is_built_with_the_headers_of_the_kernel() -> None:
    assert "linux-headers-$(uname -r)" in rebuild_module(_host("ubuntu")).cure.command
    assert "akmods" in rebuild_module(_host("fedora")).cure.command
    assert rebuild_module(empty(Host)).cure.command.startswith("sudo dkms")
    for row in table("driver_install")["rows"]:
        assert row["ids"]
        assert row["verified"]
        assert row["open"] or row["proprietary"]
