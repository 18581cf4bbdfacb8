"""Settings of pip and uv."""

import os
from pathlib import Path

from tunedoctor.facts import Interpreter
from tunedoctor.probes.installer_config import (
    in_pip_conf,
    in_uv_toml,
    installer_config,
    pip_settings,
    places_for,
    together,
    uv_settings,
)


def test_pip_reads_machine_then_user_then_environment(tmp_path: Path) -> None:
    for name, url in (("machine", "one"), ("user", "two"), ("venv", "three")):
        (tmp_path / name).write_text(f"[global]\nindex-url = https://{url}.test/simple\n")
    files = [str(tmp_path / name) for name in ("machine", "user", "missing", "venv")]
    found = together(pip_settings(files, {}))
    assert found.settings == {"pip.index-url": "https://three.test/simple"}
    assert found.places == {"pip.index-url": str(tmp_path / "venv")}
    found = together(pip_settings(files, {"PIP_INDEX_URL": "https://four.test/simple"}))
    assert found.settings == {"pip.index-url": "https://four.test/simple"}
    assert found.places == {"pip.index-url": "PIP_INDEX_URL"}


def test_pip_conf_in_its_spellings() -> None:
    text = (
        "[install]\nno_binary = :all:\nfind-links =\n  https://me:pw@a.test/w\n  /b\n"
        "[global]\nconstraint = /c.txt\ntimeout = 60\nno-binary = x\n[list]\nformat = columns\n"
    )
    assert together(in_pip_conf(text, "f")).settings == {
        "pip.constraint": "/c.txt",
        "pip.no-binary": ":all:",
        "pip.find-links": "https://a.test/w /b",
    }


def test_a_pip_conf_that_stops_pip_is_told() -> None:
    found = together(in_pip_conf("index-url = x\n", "/etc/pip.conf"))
    assert found.settings == {"pip.unreadable": "MissingSectionHeaderError"}
    assert found.places == {"pip.unreadable": "/etc/pip.conf"}


def test_uv_reads_its_files_and_variables(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text(
        'no-index = false\n[[index]]\nname = "a"\nurl = "https://u:p@a.test/x"\n'
        '[pip]\ntorch-backend = "cu128"\nextra-index-url = ["https://b.test", "https://c.test"]\n'
    )
    found = together(uv_settings([str(tmp_path / "uv.toml")], None, {"UV_TORCH_BACKEND": "auto"}))
    assert found.settings == {
        "uv.no-index": "false",
        "uv.index": "a=https://a.test/x",
        "uv.torch-backend": "auto",
        "uv.extra-index-url": "https://b.test https://c.test",
    }
    assert found.places["uv.torch-backend"] == "UV_TORCH_BACKEND"


def test_uv_takes_the_projects_table_only() -> None:
    text = '[project]\nname = "x"\n[tool.uv]\nindex-url = "https://p.test"\n'
    found = in_uv_toml(text, "/w/pyproject.toml")
    assert together(found).settings == {"uv.index-url": "https://p.test"}
    assert in_uv_toml("[tool]\nuv = 3\n", "/w/pyproject.toml") == []


def test_a_named_uv_file_stands_for_all_others(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('index-url = "https://a.test"')
    (tmp_path / "b.toml").write_text("offline = true")
    found = uv_settings(
        [str(tmp_path / "a.toml")], ("/w/uv.toml", ""), {"UV_CONFIG_FILE": str(tmp_path / "b.toml")}
    )
    assert together(found).settings == {"uv.offline": "true"}


def test_secrets_stay_out() -> None:
    variables = {"UV_INDEX_MINE_PASSWORD": "pw", "UV_PUBLISH_TOKEN": "t", "UV_INDEX": ""}
    assert uv_settings([], None, variables) == []


def test_variables_that_stand_for_the_hardware_are_taken() -> None:
    variables = {"UV_CUDA_DRIVER_VERSION": "535.1", "UV_AMD_GPU_ARCHITECTURE": "gfx1100"}
    assert together(uv_settings([], None, variables)).settings == {
        "uv.cuda-driver-version": "535.1",
        "uv.amd-gpu-architecture": "gfx1100",
    }


def test_places_on_linux() -> None:
    found = places_for("linux", {}, "/home/me", "/v")
    assert found.pip == (
        "/etc/xdg/pip/pip.conf",
        "/etc/pip.conf",
        "/home/me/.pip/pip.conf",
        "/home/me/.config/pip/pip.conf",
        "/v/pip.conf",
    )
    assert found.uv == ("/etc/uv/uv.toml", "/etc/xdg/uv/uv.toml", "/home/me/.config/uv/uv.toml")


def test_places_elsewhere() -> None:
    windows = places_for("win32", {"APPDATA": "C:\\A"}, "C:\\me", "C:\\v").pip
    assert "C:\\A\\pip\\pip.ini" in windows
    assert windows[-1] == "C:\\v\\pip.ini"
    mac = places_for("darwin", {}, "/Users/me", "").pip
    assert mac[0] == "/Library/Application Support/pip/pip.conf"
    assert mac[-1] == "/Users/me/Library/Application Support/pip/pip.conf"


def test_variables_name_a_file_or_none_at_all() -> None:
    assert places_for("linux", {"PIP_CONFIG_FILE": "/x"}, "/h", "").pip[-1] == "/x"
    assert places_for("linux", {"PIP_CONFIG_FILE": os.devnull}, "/h", "").pip == ()
    assert places_for("linux", {"UV_NO_CONFIG": "1"}, "/h", "").uv == ()


def test_the_targets_own_pip_conf_is_read(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nupgrade-strategy = eager\n")
    interpreter = Interpreter(executable="x", version="3.12.7", prefix=str(tmp_path))
    found = installer_config(interpreter)
    assert found.settings["pip.upgrade-strategy"] == "eager"
    assert found.places["pip.upgrade-strategy"] == str(tmp_path / "pip.conf")
