"""What probes parse may hold any text: no parser raises, and each answers with what it promises."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rows import words

from tunedoctor.facts import Absent, AmdGpu, IntelHealth, Packages, PciBus, PciDevice, Unknown
from tunedoctor.probes import (
    amd,
    commands,
    gpus,
    interpreter,
    libraries,
    node,
    nvidia,
    packages,
    resources,
    site_folder,
    torch_build,
)
from tunedoctor.probes import settings as probed
from tunedoctor.readers.kernel_messages import parse_kernel_log
from tunedoctor.system import reading
from tunedoctor.system.child import ChildResult

PIECES = st.sampled_from(words("tools"))
PARSERS: tuple[Callable[[str], object], ...] = (
    torch_build.assignments,
    lambda text: torch_build.from_files(text, "/t", Packages(distributions=()), text),
    lambda text: torch_build.variant_of(text, "cuda", cuda=text, hip=text, xpu=text),
    lambda text: libraries.split(text, "/where"),
    site_folder.parse_requires_txt,
    parse_kernel_log,
    lambda text: resources.from_meminfo(text, {}),
    probed.without_credentials,
)
OF_BYTES: tuple[Callable[[bytes], object], ...] = (
    node.acs_control,
    lambda data: node.acs_control(bytes(256) + data),
    lambda data: amd._with(AMD, data, HEADS[len(data) % 3] + data * 9),
    lambda data: torch_build.find_flags(data, 0, len(data)),
    lambda data: torch_build.read_only_data(b"\x7fELF\x02\x01" + data),
    lambda data: commands.script_interpreter(b"#!" + data),
    site_folder.parse,
    site_folder.parse_direct_url,
    site_folder.expected,
)
AMD = AmdGpu(index=0, gfx="gfx942", slot="0000:05:00.0")
HEADS = (b"\x78\0\1\3", b"\xa0\x08\1\7" + bytes(2300), b"")
PROMISES: tuple[Callable[[str], object], ...] = (
    lambda text: "\n" not in resources.model_in(text),
    lambda text: isinstance(commands.toolkit_release(text), str),
    lambda text: packages.cuda_major(text, text) >= 0,
    lambda text: all(one.name.startswith("pip.") for one in probed.in_pip_conf(text, "f")),
    lambda text: all(one.name.startswith("uv.") for one in probed.in_uv_toml(text, "f")),
    lambda text: all("\0" not in line for line in interpreter.path_lines(text)),
    lambda text: all(value >= 0 for value in reading.fields(text).values()),
    lambda text: nvidia.answer_of_smi_table(ChildResult("exit", 1, text, text)).how in ("ok", "error", "nonsense"),
    lambda text: isinstance(gpus.health(text), IntelHealth | Unknown),
    lambda text: nvidia.answer_of_nvml(ChildResult("exit", 0, text, "")).how in ("ok", "crashed", "error", "missing"),
)  # fmt: skip


@settings(max_examples=400)
@given(st.text() | st.lists(PIECES | st.text(max_size=9), max_size=30).map("".join))
def test_any_text(text):
    text = text.encode("utf-8", "replace").decode()
    for parse in PARSERS:
        parse(text)
    for number, holds in enumerate(PROMISES):
        assert holds(text), number


@given(st.binary(max_size=300))
def test_any_bytes(data):
    for parse in OF_BYTES:
        parse(data)


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.binary()))
def test_any_values_of_the_registry(values):
    found = gpus.from_values(values)
    assert found is None or len(found.vendor) == 4


@given(st.dictionaries(st.text(), st.text()))
def test_no_other_variable_comes_through(variables):
    for name in probed.environment(variables=variables).variables:
        known = name in probed.NAMES or name.startswith(probed.PREFIXES)
        assert known or name.upper().endswith("_PROXY")


WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._~!$&()*+=:%", min_size=1)


@given(WORD, WORD)
def test_no_password_comes_through(user, password):
    url = f"x https://{user}:{password}SECRET@host.test/simple y"
    assert "SECRET" not in probed.without_credentials(url)


SECRETS = ["HF_TOKEN", "NVIDIA_API_KEY", "https_proxy", "UV_INDEX_A_PASSWORD"]
SHOWN = {"CUDA_VISIBLE_DEVICES": "0,1", "LD_LIBRARY_PATH": "/opt", "HSA_OVERRIDE_GFX_VERSION": ""}


@pytest.mark.parametrize("name", SECRETS)
def test_of_secrets_and_proxies_only_that_they_are_set(name):
    others = {"HOME": "/home/me", "AWS_ACCESS_KEY_ID": "secret", name: "http://me:pw@p.test"}
    index = {"PIP_INDEX_URL": "https://me:pw@index.test/simple"}
    found = probed.environment(variables={**SHOWN, **others, **index}).variables
    assert found == {**SHOWN, name: "set", "PIP_INDEX_URL": "https://index.test/simple"}


BUS = PciBus(devices=(PciDevice(slot="0", vendor="10de", device="2330", device_class="030200"),))
SAID = st.sampled_from(
    [
        "4: ACTIVE",
        "1: DOWN",
        "400 Gb/sec (4X NDR)",
        "9" * 30,
        "-1",
        "ue: 3\nce: 1",
        "7 (a) D 1 1 1 0 -1 4194560 1",
    ]
)
NAMES = (
    *(f"sys/class/infiniband/x/{one}" for one in ("hca_type", "ports/1/state", "ports/1/rate", "ports/1/counters/link_downed")),
    *("proc/uptime", "proc/7/stat", "proc/7/status", "ras/umc_err_count"),
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SAID | st.text(max_size=30), min_size=len(NAMES), max_size=len(NAMES)))
def test_any_text_of_the_kernel(tmp_path, texts):
    """Whatever stands in files of /sys and /proc, the facts of a node are made, and hold no more than one line each."""
    for name, text in zip(NAMES, texts, strict=True):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode("utf-8", "replace"))
    ports, running = node.rdma(root=tmp_path), node.processes(BUS, root=tmp_path, between=0.0)
    assert not isinstance(ports, Absent)
    assert not isinstance(running, Absent)
    assert (len(ports.ports), running.count) == (1, 1)
    assert all("\n" not in one for one in (ports.ports[0].state, ports.ports[0].kind))
    assert all(count >= 0 for count in amd.ras_errors(tmp_path / "ras").values())
