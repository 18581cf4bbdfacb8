"""Settings of pip and uv: files and variables, without credentials."""

import pytest
from planting import plant

from tunedoctor.facts import InstallerConfig
from tunedoctor.probes.settings import (
    in_pip_conf,
    in_uv_toml,
    pip_settings,
    places_for,
    together,
    uv_settings,
    without_credentials,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:pw@host.test/simple", "https://host.test/simple"),
        ("https://token@host.test:8080/simple/", "https://host.test:8080/simple/"),
        ("a=https://me:p@w@host.test/x", "a=https://host.test/x"),
        ("https://me:p/w@host.test/x", "https://host.test/x"),
        ("https://host.test/x?sig=abc#frag", "https://host.test/x"),
        ("https://host.test:443/@scope/x", "https://host.test:443/@scope/x"),
        ("https://a:b@one.test https://c:d@two.test", "https://one.test https://two.test"),
        ("/home/me/wheels", "/home/me/wheels"),
        ("expandable_segments:True", "expandable_segments:True"),
    ],
)
def test_credentials_are_removed(text, expected):
    assert without_credentials(text) == expected


def test_the_last_file_of_pip_decides(tmp_path):
    plant(
        tmp_path,
        {
            "machine": "[global]\nindex-url = https://one.test/simple\n",
            "user": "[global]\nindex-url = https://two.test/simple\n",
            "venv": "[global]\nindex-url = https://three.test/simple\n",
        },
    )
    result = together(
        pip_settings(
            (f"{tmp_path}/machine", f"{tmp_path}/user", f"{tmp_path}/missing", f"{tmp_path}/venv"),
            {},
        )
    )
    assert result == InstallerConfig(
        settings={"pip.index-url": "https://three.test/simple"},
        places={"pip.index-url": f"{tmp_path}/venv"},
    )


def test_a_variable_of_pip_goes_before_files(tmp_path):
    plant(
        tmp_path,
        {
            "machine": "[global]\nindex-url = https://one.test/simple\n",
            "user": "[global]\nindex-url = https://two.test/simple\n",
            "venv": "[global]\nindex-url = https://three.test/simple\n",
        },
    )
    result = together(
        pip_settings(
            (f"{tmp_path}/machine", f"{tmp_path}/user", f"{tmp_path}/missing", f"{tmp_path}/venv"),
            {"PIP_INDEX_URL": "https://four.test/simple"},
        )
    )
    assert result == InstallerConfig(
        settings={"pip.index-url": "https://four.test/simple"},
        places={"pip.index-url": "PIP_INDEX_URL"},
    )


def test_settings_of_pip_are_read_without_credentials():
    result = together(
        in_pip_conf(
            (
                "[install]\n"
                "no_binary = :all:\n"
                "find-links =\n"
                "  https://me:pw@a.test/w\n"
                "  /b\n"
                "[global]\n"
                "constraint = /c.txt\n"
                "timeout = 60\n"
                "no-binary = x\n"
                "[list]\n"
                "format = columns\n"
            ),
            "f",
        )
    )
    assert result.settings == {
        "pip.constraint": "/c.txt",
        "pip.no-binary": ":all:",
        "pip.find-links": "https://a.test/w /b",
    }


def test_a_file_of_pip_that_is_damaged_is_said():
    result = together(in_pip_conf("index-url = x\n", "/etc/pip.conf"))
    assert result == InstallerConfig(
        settings={"pip.unreadable": "MissingSectionHeaderError"},
        places={"pip.unreadable": "/etc/pip.conf"},
    )


def test_settings_of_uv_are_read_without_credentials(tmp_path):
    plant(
        tmp_path,
        {
            "uv.toml": (
                "no-index = false\n"
                "[[index]]\n"
                'name = "a"\n'
                'url = "https://u:p@a.test/x"\n'
                "[pip]\n"
                'torch-backend = "cu128"\n'
                'extra-index-url = ["https://b.test", "https://c.test"]\n'
            )
        },
    )
    result = together(
        uv_settings(
            (f"{tmp_path}/uv.toml",),
            None,
            {
                "UV_TORCH_BACKEND": "auto",
                "UV_AMD_GPU_ARCHITECTURE": "gfx1100",
                "UV_INDEX": "",
                "UV_INDEX_MINE_PASSWORD": "pw",
                "UV_PUBLISH_TOKEN": "t",
            },
        )
    )
    assert result.settings == {
        "uv.no-index": "false",
        "uv.index": "a=https://a.test/x",
        "uv.torch-backend": "auto",
        "uv.extra-index-url": "https://b.test https://c.test",
        "uv.amd-gpu-architecture": "gfx1100",
    }
    assert result.places["uv.torch-backend"] == "UV_TORCH_BACKEND"


def test_uv_is_read_from_a_project():
    result = together(
        in_uv_toml(
            '[project]\nname = "x"\n[tool.uv]\nindex-url = "https://p.test"\n', "/w/pyproject.toml"
        )
    )
    assert result.settings == {"uv.index-url": "https://p.test"}


def test_a_project_with_a_wrong_uv_part_has_no_settings():
    result = in_uv_toml("[tool]\nuv = 3\n", "/w/pyproject.toml")
    assert result == []


def test_the_config_file_of_uv_replaces_others(tmp_path):
    plant(tmp_path, {"a.toml": 'index-url = "https://a.test"', "b.toml": "offline = true"})
    result = together(
        uv_settings(
            (f"{tmp_path}/a.toml",), ("/w/uv.toml", ""), {"UV_CONFIG_FILE": f"{tmp_path}/b.toml"}
        )
    )
    assert result.settings == {"uv.offline": "true"}


def test_the_files_of_linux():
    assert places_for("linux", {}, "/home/me", "/v") == (
        [
            "/etc/xdg/pip/pip.conf",
            "/etc/pip.conf",
            "/home/me/.pip/pip.conf",
            "/home/me/.config/pip/pip.conf",
            "/v/pip.conf",
        ],
        ["/etc/uv/uv.toml", "/etc/xdg/uv/uv.toml", "/home/me/.config/uv/uv.toml"],
    )


def test_the_files_of_windows():
    result = places_for("win32", {"APPDATA": "C:\\A"}, "C:\\me", "C:\\v")
    assert "C:\\A\\pip\\pip.ini" in result[0][2]


def test_the_files_of_macos():
    assert (
        places_for("darwin", {}, "/Users/me", "")[0][3]
        == "/Users/me/Library/Application Support/pip/pip.conf"
    )


def test_variables_switch_files_off():
    result = places_for("linux", {"PIP_CONFIG_FILE": "/dev/null", "UV_NO_CONFIG": "1"}, "/h", "")
    assert result == ([], [])
