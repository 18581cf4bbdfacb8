"""What probes parse may hold any text: no parser raises, and each answers with what it promises."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from tunedoctor import reading
from tunedoctor.facts import Packages
from tunedoctor.probes import (
    commands,
    gpus,
    interpreter,
    libraries,
    packages,
    resources,
    site_folder,
    torch_build,
)
from tunedoctor.probes import (
    settings as probed,
)

NONE = Packages(distributions=())
PIECES = st.sampled_from(
    [
        *(
            "simd_count 1\n",
            "gfx_target_version 110000\n",
            "NVRM: Xid (PCI:0000:01:00): 79, ",
            "kfd ",
        ),
        *("a.py,sha256=x,3\n", '"a', ",", "\x1b", "\u2028", "|", "#!/bin/sh\n'''exec' ", "\0", "/"),
        *(
            "Name: a\n",
            "[global]\n",
            "index-url = x\n",
            "NAME=",
            "release 12.4",
            "MemTotal: 3 kB\n",
        ),
    ]
)


def _of_files(text: str) -> None:
    torch_build.assignments(text)
    torch_build.from_files(text, "/t", NONE, text)
    torch_build.variant_of(text, "cuda", cuda=text, hip=text, xpu=text)
    torch_build.find_flags(text.encode(), 0, len(text.encode()))
    torch_build.read_only_data(b"\x7fELF\x02\x01" + text.encode())
    commands.script_interpreter(b"#!" + text.encode())
    libraries.split(text, "/where")
    site_folder.parse(text.encode())
    site_folder.parse_requires_txt(text)
    site_folder.parse_direct_url(text.encode())
    gpus.parse_kernel_log(text)
    resources.from_meminfo(text, {})
    probed.without_credentials(text)


PROMISES: tuple[Callable[[str], object], ...] = (
    lambda text: "\n" not in resources.model_in(text),
    lambda text: isinstance(commands.toolkit_release(text), str),
    lambda text: packages.cuda_major(text, text) >= 0,
    lambda text: packages.cuda_major("nvidia-cublas", text) >= 0,
    lambda text: all(
        one.name.startswith(("pip.", "uv."))
        for parse in (probed.in_pip_conf, probed.in_uv_toml)
        for one in parse(text, "f")
    ),
    lambda text: all("\0" not in line for line in interpreter.path_lines(text)),
    lambda text: all(value >= 0 for value in reading.fields(text).values()),
    lambda text: all(size >= 0 for size in site_folder.expected(text.encode())[1].values()),
    lambda text: all(all(names) for names in site_folder.expected(text.encode())[0].values()),
)


@settings(max_examples=400)
@given(st.text() | st.lists(PIECES | st.text(max_size=9), max_size=30).map("".join))
def test_any_text(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    _of_files(text)
    for number, holds in enumerate(PROMISES):
        assert holds(text), number


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    torch_build.find_flags(data, 0, len(data))
    torch_build.read_only_data(b"\x7fELF\x02\x01" + data)
    commands.script_interpreter(b"#!" + data)
    site_folder.parse(data)
    site_folder.parse_direct_url(data)
    site_folder.expected(data)
