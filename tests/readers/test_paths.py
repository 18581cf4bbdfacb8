"""Paths tell the Python of a report, image names its PyTorch; where they contradict each other they tell nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Container, Fact, Interpreter, TorchBuild
from tunedoctor.readers import images, paths


def interpreter(text: str) -> tuple[str, str, int] | None:
    found = paths.read(text.split("\n"))
    assert len(found) <= 1
    for fact in found:
        assert isinstance(fact, Interpreter)
        return fact.version, fact.kind, fact.bits
    return None


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/opt/conda/lib/python3.11/site-packages/torch/__init__.py", ("3.11", "conda", 64)),
        ("/home/u/miniconda3/envs/ft/lib/python3.10/site-packages/x.py", ("3.10", "conda", 64)),
        ("/home/u/w/.venv/lib/python3.12/site-packages/x.py", ("3.12", "venv", 64)),
        ("/usr/local/lib/python3.10/dist-packages/x.py", ("3.10", "system", 64)),
        ("/usr/lib/python3.8/random.py", ("3.8", "system", 64)),
        ("~/.local/lib/python3.9/site-packages/x.py", ("3.9", "unknown", 64)),
        ("c:\\program files (x86)\\python38-32\\python.exe", ("3.8", "unknown", 32)),
        ("C:\\Python39-32\\lib\\site-packages\\x.py", ("3.9", "unknown", 32)),
        (
            "C:\\Users\\u\\AppData\\Local\\Programs\\Python\\Python312\\Lib\\x.py",
            ("3.12", "unknown", 64),
        ),
        (
            "C:\\Users\\u\\AppData\\Local\\Programs\\Python\\Python311-32\\lib\\x.py",
            ("3.11", "unknown", 32),
        ),
        (
            "/u/.local/share/uv/python/cpython-3.12.4-linux-x86_64-gnu/lib/python3.12/os.py",
            ("3.12", "standalone", 64),
        ),
    ],
)
def test_paths(path: str, told: tuple[str, str, int]) -> None:
    assert interpreter(f'  File "{path}", line 3, in f') == told
    assert interpreter(f"ImportError: {path}: undefined symbol") == told


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I use python3.11 and libs",
        "/opt/lib/python3/x.py",
        "/a/lib/python3.10/x.py\n/b/lib/python3.11/y.py",
        "/a/lib/python9.99/x.py",
    ],
)
def test_what_tells_no_version(text: str) -> None:
    assert interpreter(text) is None


def facts(text: str) -> dict[type[Fact], Fact]:
    return {type(fact): fact for fact in images.read(text.split("\n"))}


@pytest.mark.parametrize(
    ("image", "version", "cuda", "hip"),
    [
        ("pytorch/pytorch:2.1.0-cuda12.1-cudnn8-runtime", "2.1.0", "12.1", ""),
        ("docker.io/pytorch/pytorch:2.7.1-cuda12.8-cudnn9-devel", "2.7.1", "12.8", ""),
        ("rocm/pytorch:rocm6.2_ubuntu22.04_py3.10_pytorch_release_2.3.0", "2.3.0", "", "6.2"),
    ],
)
def test_images(image: str, version: str, cuda: str, hip: str) -> None:
    for text in (
        f"FROM {image}",
        f"FROM {image} AS build",
        f"$ docker run --gpus all -it {image} bash",
    ):
        build = facts(text)[TorchBuild]
        assert isinstance(build, TorchBuild)
        assert (build.version, build.cuda, build.hip) == (version, cuda, hip)
    assert Container in facts(f"FROM {image}")
    assert facts(f"I tried the image {image} as well") == {}
    assert TorchBuild not in facts(f"FROM {image}\ntorch==2.9.9")


def test_an_image_that_only_tries_a_gpu_tells_nothing() -> None:
    assert (
        facts(
            "$ docker run --rm --gpus all pytorch/pytorch:2.1.0-cuda12.1-cudnn8-runtime nvidia-smi"
        )
        == {}
    )


def test_a_prompt_names_a_container() -> None:
    assert Container in facts("root@3f2a9c81d0ab:/workspace# python train.py")
    assert facts("root@gpu-server-01:/workspace# python train.py") == {}


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    paths.read(text.split("\n"))
    images.read(text.split("\n"))
