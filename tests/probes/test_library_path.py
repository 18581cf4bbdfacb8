"""LD_LIBRARY_PATH hides a wheel's library only by a file of the same name."""

from pathlib import Path

import pytest

from tunedoctor.facts import Absent, Distribution, Interpreter, LibraryPath, LibraryShadow
from tunedoctor.probes.library_path import find_shadows, of_wheel, split, version_of


def place(path: Path, name: str, real: str = "") -> Path:
    """Put a library down as packages do: the real file, and a link of the name that is looked for."""
    path.mkdir(parents=True, exist_ok=True)
    (path / (real or name)).write_bytes(b"\x7fELF" + str(path).encode())
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


def look(
    root: Path, *folders: Path, wheels: tuple[Distribution, ...] = (), kind: str = "venv"
) -> LibraryPath | Absent:
    environ = {"LD_LIBRARY_PATH": ":".join(map(str, folders))}
    return find_shadows(target(root, kind), wheels, environ, str(root))


@pytest.mark.parametrize("layout", ["nvidia/nvjitlink/lib", "nvidia/cu13/lib", "torch/lib"])
def test_toolkit_before_the_wheel(tmp_path: Path, layout: str) -> None:
    own = place(tmp_path / "site" / layout, "libnvJitLink.so.12")
    cuda = tmp_path / "cuda-12.1/lib64"
    place(cuda, "libnvJitLink.so.12", "libnvJitLink.so.12.1.105")
    assert look(tmp_path, cuda) == LibraryPath(
        shadows=(
            LibraryShadow(
                library="libnvJitLink",
                path=str(cuda / "libnvJitLink.so.12.1.105"),
                version="12.1.105",
                own=str(own),
                own_version="12",
            ),
        ),
        folders=(str(cuda),),
    )


def test_version_of_the_wheel_comes_from_its_metadata(tmp_path: Path) -> None:
    place(tmp_path / "site/nvidia/cudnn/lib", "libcudnn.so.9")
    place(tmp_path / "cuda", "libcudnn.so.9", "libcudnn.so.9.1.0")
    found = look(
        tmp_path,
        tmp_path / "cuda",
        wheels=(Distribution(name="nvidia-cudnn-cu13", version="9.28.1.4"),),
    )
    assert isinstance(found, LibraryPath)
    assert [(one.version, one.own_version) for one in found.shadows] == [("9.1.0", "9.28.1.4")]


def test_two_wheels_leave_the_version_open() -> None:
    two = [Distribution(name=f"nvidia-cudnn-cu{n}", version=f"9.{n}") for n in (12, 13)]
    path = "/site/nvidia/cudnn/lib/libcudnn.so.9"
    assert of_wheel("libcudnn", path, two) == ""
    assert of_wheel("libcudnn_ops", path, two[:1]) == "9.12"
    assert (
        of_wheel("libcudart", path, [Distribution(name="nvidia-cuda-runtime", version="13.5")])
        == "13.5"
    )
    assert of_wheel("libcudnn", "/site/torch/lib/libcudnn.so.9", two[:1]) == ""


def test_library_of_another_major_hides_nothing(tmp_path: Path) -> None:
    place(tmp_path / "site/nvidia/cudnn/lib", "libcudnn.so.9")
    place(tmp_path / "cuda", "libcudnn.so.8", "libcudnn.so.8.2.4")
    assert isinstance(look(tmp_path, tmp_path / "cuda"), Absent)


def test_first_folder_wins(tmp_path: Path) -> None:
    place(tmp_path / "site/nvidia/nccl/lib", "libnccl.so.2")
    for name, real in (("a", "libnccl.so.2.18.1"), ("b", "libnccl.so.2.27.5")):
        place(tmp_path / name, "libnccl.so.2", real)
    found = look(tmp_path, tmp_path / "gone", tmp_path / "b", tmp_path / "a")
    assert isinstance(found, LibraryPath)
    assert [one.version for one in found.shadows] == ["2.27.5"]


def test_parts_of_cudnn_are_told_with_the_whole(tmp_path: Path) -> None:
    own, cuda, part = tmp_path / "site/nvidia/cudnn/lib", tmp_path / "cuda", tmp_path / "part"
    for folder in (own, cuda):
        for name in ("libcudnn.so.9", "libcudnn_ops.so.9"):
            place(folder, name)
    place(part, "libcudnn_ops.so.9")
    found = look(tmp_path, cuda)
    assert isinstance(found, LibraryPath)
    assert [one.library for one in found.shadows] == ["libcudnn"]
    mixed = look(tmp_path, part, cuda)
    assert isinstance(mixed, LibraryPath)
    assert [one.library for one in mixed.shadows] == ["libcudnn", "libcudnn_ops"]


def test_own_folder_on_the_path_hides_nothing(tmp_path: Path) -> None:
    own = place(tmp_path / "site/nvidia/cublas/lib", "libcublas.so.12").parent
    (tmp_path / "link").symlink_to(own)
    assert isinstance(look(tmp_path, own), Absent)
    assert isinstance(look(tmp_path, tmp_path / "link"), Absent)


@pytest.mark.parametrize("folder", ["cuda/lib64/stubs", "cuda-12.8/compat"])
def test_libcuda_that_is_not_the_drivers(tmp_path: Path, folder: str) -> None:
    path = place(tmp_path / folder, "libcuda.so.1")
    found = look(tmp_path, tmp_path / folder)
    assert isinstance(found, LibraryPath)
    assert found.shadows == (LibraryShadow(library="libcuda", path=str(path), version="1"),)


def test_libcuda_of_the_driver(tmp_path: Path) -> None:
    place(tmp_path / "nvidia/lib64", "libcuda.so.1", "libcuda.so.550.144.03")
    assert isinstance(look(tmp_path, tmp_path / "nvidia/lib64"), Absent)


def test_libstdcxx_of_conda(tmp_path: Path) -> None:
    place(tmp_path / "env/lib", "libstdc++.so.6", "libstdc++.so.6.0.34")
    place(tmp_path / "old", "libstdc++.so.6", "libstdc++.so.6.0.25")
    found = look(tmp_path, tmp_path / "old", kind="conda")
    assert isinstance(found, LibraryPath)
    assert [(s.library, s.version, s.own_version) for s in found.shadows] == [
        ("libstdc++", "6.0.25", "6.0.34")
    ]
    assert isinstance(look(tmp_path, tmp_path / "env/lib", kind="conda"), Absent)
    assert isinstance(look(tmp_path, tmp_path / "old"), Absent)


def test_hsa_runtime_by_its_stem(tmp_path: Path) -> None:
    place(tmp_path / "site/torch/lib", "libhsa-runtime64.so")
    place(tmp_path / "rocm", "libhsa-runtime64.so.1", "libhsa-runtime64.so.1.15.0")
    found = look(tmp_path, tmp_path / "rocm")
    assert isinstance(found, LibraryPath)
    assert [one.version for one in found.shadows] == ["1.15.0"]


def test_dangling_link(tmp_path: Path) -> None:
    place(tmp_path / "site/torch/lib", "libcudart.so.12")
    (tmp_path / "cuda").mkdir()
    (tmp_path / "cuda/libcudart.so.12").symlink_to("gone")
    assert isinstance(look(tmp_path, tmp_path / "cuda"), Absent)


def test_not_set(tmp_path: Path) -> None:
    assert find_shadows(target(tmp_path), (), {}, "/") == Absent(why="LD_LIBRARY_PATH is not set")


def test_entries() -> None:
    assert split("/a/:/b;lib::/a", "/where") == ("/a", "/b", "/where/lib", "/where")
    assert split("", "/where") == ()


def test_versions() -> None:
    assert version_of("/x/libcudnn.so.9.1.0") == "9.1.0"
    assert version_of("/x/libcudnn.so") == ""
