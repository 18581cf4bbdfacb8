"""The name of a Linux distribution where os-release does not tell it."""

import pytest

from tunedoctor.probes.system import linux_host, old_release


@pytest.mark.parametrize(
    ("file", "text", "id_", "version"),
    [
        ("centos-release", "CentOS release 6.10 (Final)\n", "centos", "6.10"),
        (
            "redhat-release",
            "Red Hat Enterprise Linux Server release 6.9 (Santiago)\n",
            "rhel",
            "6.9",
        ),
        ("SuSE-release", "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\n", "suse", "11"),
        ("slackware-version", "Slackware 14.1\n", "slackware", "14.1"),
    ],
)
def test_a_release_file_of_an_old_system_names_it(tmp_path, file, text, id_, version):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / file).write_text(text)
    found = linux_host(tmp_path, old_release(str(tmp_path)), "2.6.32", "x86_64", "2.12")
    assert (found.distro, found.distro_version) == (id_, version)
    assert found.name.endswith(version)


@pytest.mark.parametrize("text", [b"", b"\0\xff" * 500, b"(" * 100_000])
def test_a_damaged_release_file_is_no_error(tmp_path, text):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "centos-release").write_bytes(text)
    found = linux_host(tmp_path, old_release(str(tmp_path)), "2.6.32", "x86_64", "")
    assert found.os == "linux"
    assert found.name


def test_without_any_file_it_is_just_linux(tmp_path):
    assert linux_host(tmp_path, old_release(str(tmp_path)), "6.1", "x86_64", "").name == "Linux"
