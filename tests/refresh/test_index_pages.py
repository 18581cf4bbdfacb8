"""Pages of a package index: their links, the URLs of indexes, and what the name of a wheel says."""

import pytest
from planting import plant

from tunedoctor.refresh.index import (
    Indexes,
    Link,
    Page,
    Wheel,
    indexes,
    parsed,
    standard_index,
    wheel_of,
)

HASH = "ab" * 32
WHEEL = "torch-2.15.0+cu132-cp312-cp312-manylinux_2_28_x86_64.whl"
QUOTED_WHEEL = "torch-2.15.0%2Bcu132-cp312-cp312-manylinux_2_28_x86_64.whl"
INDEX = "https://index.example/whl/torch/"


@pytest.mark.parametrize(
    ("data", "links", "whole"),
    [
        # a link with all that it can say
        (
            f'<html><a href="/whl/cu132/{QUOTED_WHEEL}#sha256={HASH}" data-requires-python="&gt;=3.11" data-core-metadata="sha256={HASH}">x</a></html>'.encode(),
            Link(
                name=WHEEL,
                url=f"https://index.example/whl/cu132/{QUOTED_WHEEL}",
                sha256=HASH,
                metadata_sha256=HASH,
            ),
            True,
        ),
        (
            f'<a href="https://files.example/{WHEEL}" data-dist-info-metadata="sha256={HASH}" data-yanked>x</a>'.encode(),
            Link(
                name=WHEEL,
                url=f"https://files.example/{WHEEL}",
                sha256="",
                metadata_sha256=HASH,
                yanked=True,
            ),
            False,
        ),
    ],
)
def test_a_link_is_read_with_its_hashes_and_whether_it_was_withdrawn(data, links, whole):
    assert parsed(data, INDEX) == Page(links=(links,), whole=whole)


@pytest.mark.parametrize(
    "data",
    [
        f'<a href="/whl/cu132/{QUOTED_WHEEL}" data-core-metadata="true">x</a>'.encode(),
        f'<a href="/whl/cu132/{QUOTED_WHEEL}" data-core-metadata="sha256=">x</a>'.encode(),
        f'<a href="/whl/cu132/{QUOTED_WHEEL}" data-core-metadata="sha256=zz">x</a>'.encode(),
        f'<a href="/whl/cu132/{QUOTED_WHEEL}" data-core-metadata="md5=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">x</a>'.encode(),
        (
            '<a href="/whl/cu132/torch-2.15.0%2Bcu132-cp312-cp312-manylinux_2_28_x86_64.whl" data-core-metadata="sha256='
            + "ab" * 31
            + 'ag">x</a>'
        ).encode(),
    ],
)
def test_metadata_without_a_sound_hash_is_not_offered(data):
    assert parsed(data, INDEX) == Page(
        links=(
            Link(
                name=WHEEL,
                url=f"https://index.example/whl/cu132/{QUOTED_WHEEL}",
                sha256="",
                metadata_sha256="",
            ),
        ),
        whole=False,
    )


@pytest.mark.parametrize(
    "data",
    [
        b'{"files": 3}',
        b"{}",
        (b'{"files": ' + b"[" * 2001),
        (
            '<a href="https://[::1/torch-2.15.0+cu132-cp312-cp312-manylinux_2_28_x86_64.whl">x</a><a href="/'
            + "a" * 5000
            + '/torch-2.15.0+cu132-cp312-cp312-manylinux_2_28_x86_64.whl">x</a>'
        ).encode(),
    ],
)
def test_a_page_without_usable_links_gives_none(data):
    assert parsed(data, INDEX) == Page(links=(), whole=False)


@pytest.mark.parametrize(
    "package",
    [
        "torch",
        "torchvision",
    ],
)
def test_each_file_is_listed_once_under_its_package(package):
    result = parsed(
        f'<a href="a/{WHEEL}">x</a><a href="b/{WHEEL}">x</a><a href="torchvision-2.15.0%2Bcu132-cp312-cp312-manylinux_2_28_x86_64.whl">x</a>'.encode(),
        INDEX,
    ).files(package)
    assert result == 1


@pytest.mark.parametrize(
    ("requested", "pip_index", "torch_index", "other_index"),
    [
        (
            " https://mirror.example/whl ",
            "https://pip.example/simple",
            "https://mirror.example/whl/",
            "https://pip.example/simple/",
        ),
        (
            "",
            "https://pip.example/simple/",
            "https://download.pytorch.org/whl/",
            "https://pip.example/simple/",
        ),
        ("", "/folder/of/wheels", "https://download.pytorch.org/whl/", ""),
    ],
)
def test_an_index_is_written_with_one_slash_at_its_end(
    requested, pip_index, torch_index, other_index
):
    assert indexes(requested, pip_index) == Indexes(torch=torch_index, default=other_index)


@pytest.mark.parametrize(
    "requested",
    [
        "ftp://x/",
        "mirror",
        "https://",
        "https://a b/",
        "file:///x",
    ],
)
def test_what_is_no_url_of_an_index_is_refused(requested):
    with pytest.raises(ValueError, match="not the URL of an index"):
        indexes(requested, "https://x.example/")


def test_the_host_of_an_index_keeps_its_port():
    result = Indexes("https://mirror.example:8443/whl/", "").hosts
    assert result == {"mirror.example:8443"}


@pytest.mark.parametrize(
    ("name", "project", "release", "variant", "family", "python", "floor"),
    [
        (WHEEL, "torch", "2.15.0", "cu132", "linux_x86_64", "3.12", "2.28"),
        (
            "torch-2.15.0+cu132-cp314-cp314t-manylinux_2_28_aarch64.whl",
            "torch",
            "2.15.0",
            "cu132",
            "linux_aarch64",
            "3.14t",
            "2.28",
        ),
        (
            "torch-2.5.1+rocm6.2.4-cp39-cp39-linux_x86_64.whl",
            "torch",
            "2.5.1",
            "rocm6.2.4",
            "linux_x86_64",
            "3.9",
            "",
        ),
        (
            "torch-2.0.0-1-cp310-cp310-manylinux2014_aarch64.whl",
            "torch",
            "2.0.0",
            "cpu",
            "linux_aarch64",
            "3.10",
            "2.17",
        ),
        (
            "torch-2.6.0-cp312-cp312-manylinux1_x86_64.whl",
            "torch",
            "2.6.0",
            "cpu",
            "linux_x86_64",
            "3.12",
            "2.5",
        ),
        (
            "torch-2.16.0+xpu-cp313-cp313-win_amd64.whl",
            "torch",
            "2.16.0",
            "xpu",
            "win_amd64",
            "3.13",
            "",
        ),
        (
            "torch-2.12.0-cp313-cp313-macosx_14_0_arm64.whl",
            "torch",
            "2.12.0",
            "cpu",
            "macos_arm64",
            "3.13",
            "14.0",
        ),
        (
            "torch-2.16.0+cu132-cp312-cp312-manylinux_2_34_x86_64.manylinux_2_31_x86_64.whl",
            "torch",
            "2.16.0",
            "cu132",
            "linux_x86_64",
            "3.12",
            "2.31",
        ),
        ("torchvision-0.29.2-py3-none-any.whl", "torchvision", "0.29.2", "cpu", "any", "any", ""),
    ],
)
def test_the_name_of_a_wheel_says_version_variant_platform_and_python(
    name, project, release, variant, family, python, floor
):
    assert wheel_of(Link(name, "", "", "")) == Wheel(
        link=Link(name=name, url="", sha256="", metadata_sha256=""),
        project=project,
        release=release,
        variant=variant,
        family=family,
        python=python,
        floor=floor,
    )


@pytest.mark.parametrize(
    "name",
    [
        "torch-2.16.0rc1+cu132-cp312-cp312-manylinux_2_28_x86_64.whl",
        "torch-2.17.0.dev20261101+cu132-cp312-cp312-manylinux_2_28_x86_64.whl",
        "torch-2.5.0+cpu.cxx11.abi-cp312-cp312-linux_x86_64.whl",
        "torch-2.6.0+cu124.full-cp312-cp312-linux_x86_64.whl",
        "torch-2.16.0+cu132-cp312-cp312-win_arm64.whl",
        "torch-2.16.0+cu132-cp312-cp312-musllinux_1_2_x86_64.whl",
        "torch-2.16.0+cu132-pp310-pypy310_pp73-manylinux_2_28_x86_64.whl",
        "torch-1.9.0+cu111-cp37-cp37m-linux_x86_64.whl",
        "torch-2.16.0.tar.gz",
        "torch.whl",
    ],
)
def test_other_wheels_are_left_out(name):
    assert wheel_of(Link(name, "", "", "")) is None


@pytest.mark.parametrize(
    ("name", "url", "variant"),
    [
        (
            "torch-2.5.1-cp312-cp312-linux_aarch64.whl",
            "https://download.pytorch.org/whl/cu124/torch-2.5.1-cp312-cp312-linux_aarch64.whl",
            "cu124",
        ),
        (
            "torch-2.5.1-cp312-cp312-linux_aarch64.whl",
            "https://download.pytorch.org/whl/cpu/torch-2.5.1-cp312-cp312-linux_aarch64.whl",
            "cpu",
        ),
        (
            "torch-2.5.1-cp312-cp312-macosx_11_0_arm64.whl",
            "https://download.pytorch.org/whl/cu124/torch-2.5.1-cp312-cp312-macosx_11_0_arm64.whl",
            "cpu",
        ),
    ],
)
def test_a_folder_names_the_variant_of_an_unlabelled_file_for_aarch64_alone(name, url, variant):
    result = wheel_of(Link(name, url, "", ""))
    assert result.project == "torch"
    assert result.release == "2.5.1"
    assert result.variant == variant
    assert result.python == "3.12"


@pytest.mark.parametrize(
    ("uv", "expected"),
    [
        (
            ("#!/bin/sh\necho 'Base URL (default\n   https://a.example/simple). This'\n"),
            "https://a.example/simple/",
        ),
        (
            ("#!/bin/sh\necho 'index (by default: <https://b.example/simple>) [env]'\n"),
            "https://b.example/simple/",
        ),
    ],
)
def test_the_standard_index_stands_in_the_help_text_of_uv(uv, expected, tmp_path):
    plant(tmp_path, {"uv": uv})
    assert standard_index(f"{tmp_path}/uv") == expected


def test_without_uv_the_standard_index_is_that_of_pip(tmp_path):
    assert "/simple/" in standard_index(f"{tmp_path}/none")
