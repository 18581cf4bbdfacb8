"""The GPU of an Apple processor."""

import pytest

from tunedoctor.facts import Absent, AppleGpu, Host, Unknown
from tunedoctor.probes.apple import from_brand

MAC = Host(os="macos", name="macOS 15.1", machine="arm64")


@pytest.mark.parametrize(
    ("host", "brand", "wanted"),
    [
        (MAC, "Apple M2 Pro", AppleGpu(name="Apple M2 Pro")),
        (MAC, "VirtualApple @ 2.50GHz", AppleGpu(name="Apple")),
        (MAC, "", Unknown(why="macOS did not name the processor")),
        (
            Host(os="macos", name="macOS 13.6", machine="x86_64"),
            "Intel(R) Core(TM) i9",
            Absent(why="this Mac has an Intel processor"),
        ),
        (Host(os="linux", name="Fedora", machine="arm64"), "", Absent(why="not a Mac")),
    ],
)
def test_by_host_and_brand(host: Host, brand: str, wanted: AppleGpu | Absent | Unknown) -> None:
    assert from_brand(host, brand) == wanted
