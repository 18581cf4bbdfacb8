"""Which file the loader takes; LD_LIBRARY_PATH hides a wheel's library only by a file of the same name."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tunedoctor.facts import Absent, Distribution, Interpreter, LibraryPath, LibraryShadow, Packages
from tunedoctor.probes.libraries import (
    find_library,
    library_path,
    library_version,
    of_wheel,
    split,
)

Tree = Callable[..., Path]
NVML = "libnvidia-ml.so.1"
CUDNN = Distribution(name="nvidia-cudnn-cu13", version="9.28.1.4")


def place(path: Path, name: str, real: str = "", width: bytes = b"\2") -> Path:
    """Put a library down as packages do: the real file, and a link of the name that is looked for."""
    path.mkdir(parents=True, exist_ok=True)
    (path / (real or name)).write_bytes(b"\x7fELF" + width + str(path).encode())
    if real:
        (path / name).symlink_to(real)
    return path / name


def target(root: Path, kind: str = "venv") -> Interpreter:
    return Interpreter(
        executable=f"{root}/env/bin/python",
        version="3.12.1",
        prefix=f"{root}/env",
        kind=kind,  # type: ignore[arg-type]
        site_packages=(str(root / "site"),),
    )


def look(root: Path, *folders: str, kind: str = "venv") -> tuple[LibraryShadow, ...]:
    environ = {"LD_LIBRARY_PATH": ":".join(f"{root}/{one}" for one in folders)}
    found = library_path(target(root, kind), Packages((CUDNN,)), environ=environ)
    return found.shadows if isinstance(found, LibraryPath) else ()


def test_the_library_that_the_loader_would_take(tmp_path: Path) -> None:
    assert find_library(NVML, tmp_path, {}) is None
    trusted = place(tmp_path / "usr/lib/x86_64-linux-gnu", NVML, real="libnvidia-ml.so.550.144.03")
    assert find_library(NVML, tmp_path, {}) == trusted
    assert library_version(trusted) == "550.144.03"
    assert [library_version(one) for one in (None, "/x/libcudnn.so")] == ["", ""]
    cached = place(tmp_path / "opt/nvidia", NVML)
    narrow = place(tmp_path / "opt/narrow", NVML, width=b"\1")
    names = [f"/{one.relative_to(tmp_path)}".encode() for one in (narrow, cached)]
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/ld.so.cache").write_bytes(b"\0".join([b"x", *names, b""]))
    assert find_library(NVML, tmp_path, {}) == cached
    first = place(tmp_path / "mine", NVML)
    environ = {"LD_LIBRARY_PATH": f"relative::/nowhere:{tmp_path}/mine"}
    assert find_library(NVML, tmp_path, environ) == first


@pytest.mark.parametrize("layout", ["nvidia/nvjitlink/lib", "nvidia/cu13/lib", "torch/lib"])
def test_toolkit_before_the_wheel(tmp_path: Path, layout: str) -> None:
    own = place(tmp_path / "site" / layout, "libnvJitLink.so.12")
    real = place(tmp_path / "cuda", "libnvJitLink.so.12", "libnvJitLink.so.12.1.105").resolve()
    wanted = LibraryShadow("libnvJitLink", str(real), "12.1.105", own=str(own), own_version="12")
    assert look(tmp_path, "gone", "cuda") == (wanted,)


def test_version_of_the_wheel_comes_from_its_metadata(tmp_path: Path) -> None:
    place(tmp_path / "site/nvidia/cudnn/lib", "libcudnn.so.9")
    place(tmp_path / "cuda", "libcudnn.so.9", "libcudnn.so.9.1.0")
    (one,) = look(tmp_path, "cuda")
    assert (one.version, one.own_version) == ("9.1.0", "9.28.1.4")


def test_two_wheels_leave_the_version_open() -> None:
    two = [Distribution(name=f"nvidia-cudnn-cu{n}", version=f"9.{n}") for n in (12, 13)]
    runtime = [Distribution(name="nvidia-cuda-runtime", version="13.5")]
    path = "/site/nvidia/cudnn/lib/libcudnn.so.9"
    assert of_wheel("libcudnn", path, two) == ""
    assert of_wheel("libcudnn_ops", path, two[:1]) == "9.12"
    assert of_wheel("libcudart", path, runtime) == "13.5"
    assert of_wheel("libcudnn", "/site/torch/lib/libcudnn.so.9", two[:1]) == ""


Places = list[tuple[str, ...]]


@pytest.mark.parametrize(
    ("places", "folders", "found"),
    [
        # another major hides nothing
        ([("site/nvidia/cudnn/lib", "libcudnn.so.9"), ("cuda", "libcudnn.so.8")], ["cuda"], []),
        (  # the first folder wins
            [
                ("site/nvidia/nccl/lib", "libnccl.so.2"),
                ("a", "libnccl.so.2", "libnccl.so.2.18.1"),
                ("b", "libnccl.so.2", "libnccl.so.2.27.5"),
            ],
            ["b", "a"],
            [("libnccl", "2.27.5")],
        ),
        # the own folder
        ([("site/nvidia/cublas/lib", "libcublas.so.12")], ["site/nvidia/cublas/lib"], []),
        # a libcuda that is not the driver's, and one that is
        ([("cuda/lib64/stubs", "libcuda.so.1")], ["cuda/lib64/stubs"], [("libcuda", "1")]),
        ([("cuda-12.8/compat", "libcuda.so.1")], ["cuda-12.8/compat"], [("libcuda", "1")]),
        ([("nvidia/lib64", "libcuda.so.1", "libcuda.so.550.144.03")], ["nvidia/lib64"], []),
        (  # by its stem
            [
                ("site/torch/lib", "libhsa-runtime64.so"),
                ("rocm", "libhsa-runtime64.so.1", "libhsa-runtime64.so.1.15.0"),
            ],
            ["rocm"],
            [("libhsa-runtime64", "1.15.0")],
        ),
        # names that are none of the stack's
        ([("site/torch/lib", "libfoo.so.1"), ("a", "libfoo.so.1")], ["a"], []),
        ([("site/torch/lib", "libnccl.so.2a"), ("a", "libnccl.so.2a")], ["a"], []),
        ([], [], []),
    ],
)
def test_what_hides(
    tmp_path: Path, places: Places, folders: list[str], found: list[tuple[str, str]]
) -> None:
    for folder, *names in places:
        place(tmp_path / folder, *names)
    assert [(one.library, one.version) for one in look(tmp_path, *folders)] == found


def test_parts_of_cudnn_are_told_with_the_whole(tmp_path: Path) -> None:
    for folder in ("site/nvidia/cudnn/lib", "cuda"):
        for name in ("libcudnn.so.9", "libcudnn_ops.so.9"):
            place(tmp_path / folder, name)
    place(tmp_path / "part", "libcudnn_ops.so.9")
    assert [one.library for one in look(tmp_path, "cuda")] == ["libcudnn"]
    mixed = look(tmp_path, "part", "cuda")
    assert [one.library for one in mixed] == ["libcudnn", "libcudnn_ops"]


def test_libstdcxx_of_conda(tmp_path: Path) -> None:
    place(tmp_path / "env/lib", "libstdc++.so.6", "libstdc++.so.6.0.34")
    place(tmp_path / "old", "libstdc++.so.6", "libstdc++.so.6.0.25")
    (one,) = look(tmp_path, "old", kind="conda")
    assert (one.library, one.version, one.own_version) == ("libstdc++", "6.0.25", "6.0.34")
    assert look(tmp_path, "env/lib", kind="conda") == ()
    assert look(tmp_path, "old") == ()


def test_links_to_the_own_folder_and_to_nothing(tmp_path: Path) -> None:
    own = place(tmp_path / "site/torch/lib", "libcudart.so.12").parent
    (tmp_path / "link").symlink_to(own)
    (tmp_path / "cuda").mkdir()
    (tmp_path / "cuda/libcudart.so.12").symlink_to("gone")
    assert look(tmp_path, "link", "cuda") == ()


def test_entries(tmp_path: Path) -> None:
    assert split("/a/:/b;lib::/a", "/where") == ("/a", "/b", "/where/lib", "/where")
    assert split("", "/where") == ()
    assert library_path(target(tmp_path), Packages(()), environ={}) == Absent(
        why="LD_LIBRARY_PATH is not set"
    )
