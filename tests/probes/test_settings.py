"""Variables of the allow-list, settings of pip and uv, and the credentials that stay out of both."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Interpreter
from tunedoctor.probes.settings import (
    NAMES,
    PREFIXES,
    environment,
    in_pip_conf,
    in_uv_toml,
    installer_config,
    pip_settings,
    places_for,
    together,
    uv_settings,
    without_credentials,
)


def test_what_steers_the_stack_is_taken_and_of_secrets_and_proxies_only_that_they_are_set() -> None:
    plain = {
        "CUDA_VISIBLE_DEVICES": "0,1",
        "HSA_OVERRIDE_GFX_VERSION": "",
        "LD_LIBRARY_PATH": "/opt/cuda/lib64",
        "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
        "TOKENIZERS_PARALLELISM": "false",
        "TORCHDYNAMO_DISABLE": "1",
    }
    hidden = {"HF_TOKEN": "hf_abc", "NVIDIA_API_KEY": "x", "https_proxy": "http://me:pw@p.test"}
    hidden |= {"UV_INDEX_MINE_PASSWORD": "pw", "UV_INDEX_MINE_USERNAME": "me"}
    others = {"HOME": "/home/me", "AWS_ACCESS_KEY_ID": "secret", "DATABASE_URL": "secret"}
    index = {"PIP_INDEX_URL": "https://me:pw@index.test/simple"}
    assert environment(variables={**plain, **hidden, **others, **index}).variables == {
        **plain,
        **dict.fromkeys(hidden, "set"),
        "PIP_INDEX_URL": "https://index.test/simple",
    }


@given(st.dictionaries(st.text(), st.text()))
def test_no_other_name_comes_through(variables: dict[str, str]) -> None:
    for name in environment(variables=variables).variables:
        assert name in NAMES or name.startswith(PREFIXES) or name.upper().endswith("_PROXY")


@pytest.mark.parametrize(
    ("text", "wanted"),
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
def test_urls(text: str, wanted: str) -> None:
    assert without_credentials(text) == wanted


WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789-._~!$&()*+=:%", min_size=1)


@given(WORD, WORD)
def test_no_password_comes_through(user: str, password: str) -> None:
    marked = f"{password}SECRET"
    assert "SECRET" not in without_credentials(f"x https://{user}:{marked}@host.test/simple y")


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
    # one that stops pip itself
    found = together(in_pip_conf("index-url = x\n", "/etc/pip.conf"))
    assert found.settings == {"pip.unreadable": "MissingSectionHeaderError"}
    assert found.places == {"pip.unreadable": "/etc/pip.conf"}


def test_uv_reads_its_files_and_variables(tmp_path: Path) -> None:
    (tmp_path / "uv.toml").write_text(
        'no-index = false\n[[index]]\nname = "a"\nurl = "https://u:p@a.test/x"\n'
        '[pip]\ntorch-backend = "cu128"\nextra-index-url = ["https://b.test", "https://c.test"]\n'
    )
    variables = {"UV_TORCH_BACKEND": "auto", "UV_AMD_GPU_ARCHITECTURE": "gfx1100", "UV_INDEX": ""}
    secrets = {"UV_INDEX_MINE_PASSWORD": "pw", "UV_PUBLISH_TOKEN": "t"}
    found = together(uv_settings([str(tmp_path / "uv.toml")], None, {**variables, **secrets}))
    assert found.settings == {
        "uv.no-index": "false",
        "uv.index": "a=https://a.test/x",
        "uv.torch-backend": "auto",
        "uv.amd-gpu-architecture": "gfx1100",
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
    named = {"UV_CONFIG_FILE": str(tmp_path / "b.toml")}
    found = uv_settings([str(tmp_path / "a.toml")], ("/w/uv.toml", ""), named)
    assert together(found).settings == {"uv.offline": "true"}


def test_places(tmp_path: Path) -> None:
    pip, uv = places_for("linux", {}, "/home/me", "/v")
    assert pip == [
        "/etc/xdg/pip/pip.conf",
        "/etc/pip.conf",
        "/home/me/.pip/pip.conf",
        "/home/me/.config/pip/pip.conf",
        "/v/pip.conf",
    ]
    assert uv == ["/etc/uv/uv.toml", "/etc/xdg/uv/uv.toml", "/home/me/.config/uv/uv.toml"]
    windows, _ = places_for("win32", {"APPDATA": "C:\\A"}, "C:\\me", "C:\\v")
    assert "C:\\A\\pip\\pip.ini" in windows
    assert windows[-1] == "C:\\v\\pip.ini"
    mac, _ = places_for("darwin", {}, "/Users/me", "")
    assert mac[0] == "/Library/Application Support/pip/pip.conf"
    assert mac[-1] == "/Users/me/Library/Application Support/pip/pip.conf"
    # variables name a file or none at all
    assert places_for("linux", {"PIP_CONFIG_FILE": "/x"}, "/h", "")[0][-1] == "/x"
    assert places_for("linux", {"PIP_CONFIG_FILE": os.devnull}, "/h", "")[0] == []
    assert places_for("linux", {"UV_NO_CONFIG": "1"}, "/h", "")[1] == []
    (tmp_path / "mine").touch()
    found, _ = places_for("linux", {"PIP_CONFIG_FILE": f"{tmp_path}/mine"}, "/h", "/h/v")
    assert found[2:] == ["/h/v/pip.conf", f"{tmp_path}/mine"]


def test_the_targets_own_pip_conf_is_read(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nupgrade-strategy = eager\n")
    interpreter = Interpreter(executable="x", version="3.12.7", prefix=str(tmp_path))
    found = installer_config(interpreter)
    assert found.settings["pip.upgrade-strategy"] == "eager"
    assert found.places["pip.upgrade-strategy"] == str(tmp_path / "pip.conf")
