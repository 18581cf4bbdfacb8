"""pip and uv get the package sources of the user in their own variables."""

import pytest

from tunedoctor.installers.sources import own


def test_uv_gets_the_index_of_pip():
    result = own(
        {
            "PIP_INDEX_URL": "https://mirror/simple",
            "PIP_CONFIG_FILE": "/dev/null",
            "UV_NO_CONFIG": "1",
        }
    ).variables({})
    assert result["UV_DEFAULT_INDEX"] == "https://mirror/simple"


@pytest.mark.parametrize(
    "variables",
    [
        {
            "PIP_INDEX_URL": "https://mirror/simple",
            "UV_DEFAULT_INDEX": "https://own",
            "PIP_CONFIG_FILE": "/dev/null",
            "UV_NO_CONFIG": "1",
        },
        {
            "PIP_INDEX_URL": "https://mirror/simple",
            "UV_INDEX_URL": "https://own",
            "PIP_CONFIG_FILE": "/dev/null",
            "UV_NO_CONFIG": "1",
        },
    ],
)
def test_the_index_of_uv_goes_before_that_of_pip(variables):
    result = own(variables).variables({})
    assert result["UV_DEFAULT_INDEX"] == "https://own"
    assert result["PIP_INDEX_URL"] == "https://own"


def test_pip_asks_no_index_if_uv_is_offline():
    result = own(
        {"UV_OFFLINE": "1", "PIP_CONFIG_FILE": "/dev/null", "UV_NO_CONFIG": "1"}
    ).variables({})
    assert result["PIP_NO_INDEX"] == "1"


def test_pip_asks_the_index_if_uv_is_not_offline():
    result = own(
        {"UV_OFFLINE": "no", "PIP_CONFIG_FILE": "/dev/null", "UV_NO_CONFIG": "1"}
    ).variables({})
    assert "PIP_NO_INDEX" not in result


def test_variables_that_would_change_the_plan_are_removed():
    kept = {
        "UV_CACHE_DIR": "/c",
        "UV_INDEX_MINE_PASSWORD": "x",
        "PIP_CERT": "/p",
        "HOME": "/h",
    }
    removed = (
        *("UV_TORCH_BACKEND", "UV_OVERRIDE", "UV_SYSTEM_PYTHON", "PIP_TARGET", "PIP_USER"),
        *("PIP_CONSTRAINT", "PIP_NO_DEPS", "VIRTUAL_ENV", "PYTHONPATH"),
    )
    sources = own({"PIP_CONFIG_FILE": "/dev/null", "UV_NO_CONFIG": "1"})
    result = sources.variables({**kept, **dict.fromkeys(removed, "1")})
    assert {name: result[name] for name in kept} == kept
    assert result.keys().isdisjoint(removed)
