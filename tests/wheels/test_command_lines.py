"""The commands that install a chosen build, and the settings of installers that would change their result."""

import pytest

from tunedoctor.facts import InstallerConfig
from tunedoctor.model.machine import Gpu, Machine
from tunedoctor.wheels.choose import choose
from tunedoctor.wheels.commands import commands_of, steering
from tunedoctor.wheels.pick import Build, Choice

CU126_MACHINE = Machine(
    platform="linux",
    arch="x86_64",
    python="3.11",
    glibc="2.39",
    driver_version="535.183.01",
    gpus=(Gpu(name="7.5", compute_capability="7.5"),),
)
ARM_MACHINE = Machine(
    platform="linux",
    arch="aarch64",
    python="3.11",
    glibc="2.39",
    driver_version="535.183.01",
    gpus=(Gpu(name="9.0", compute_capability="9.0"),),
    torch="==2.5.1",
)
WINDOWS_MACHINE = Machine(
    platform="windows",
    arch="x86_64",
    python="3.11",
    driver_version="538.15",
    gpus=(Gpu(name="7.5", compute_capability="7.5"),),
)
CPU_MACHINE = Machine(platform="linux", arch="x86_64", python="3.11", glibc="2.39")
CU132_MACHINE = Machine(
    platform="linux",
    arch="x86_64",
    python="3.11",
    glibc="2.39",
    driver_version="590.48.01",
    gpus=(Gpu(name="8.9", compute_capability="8.9"),),
)
MAC_MACHINE = Machine(platform="macos", arch="arm64", python="3.11", macos="14.5")


@pytest.mark.parametrize(
    ("torchvision", "torchaudio", "index", "torch_version", "variant", "machine", "pip"),
    [
        (
            "0.29.1",
            "2.11.0",
            "https://download.pytorch.org/whl/cu126",
            "2.14.1",
            "cu126",
            CU126_MACHINE,
            "pip install torch==2.14.1+cu126 torchvision==0.29.1+cu126 --index-url https",
        ),
        (
            "0.29.2",
            "2.11.0",
            "https://download.pytorch.org/whl/cu132",
            "2.15.0",
            "cu132",
            CU126_MACHINE,
            "pip install torch==2.15.0+cu132 torchvision==0.29.2 --index-url https",
        ),
        (
            "0.20.1",
            "2.5.1",
            "https://download.pytorch.org/whl/cu124",
            "2.5.1",
            "cu124",
            ARM_MACHINE,
            "pip install torch==2.5.1 torchvision==0.20.1 torchaudio==2.5.1 --index-url https",
        ),
        (
            "0.24.1",
            "2.9.1",
            "https://download.pytorch.org/whl/cu130",
            "2.9.1",
            "cu130",
            ARM_MACHINE,
            "pip install torch==2.9.1+cu130 torchvision==0.24.1 torchaudio==2.9.1 --index-url https",
        ),
        (
            "0.29.1",
            "2.11.0",
            "https://download.pytorch.org/whl/cu130",
            "2.14.1",
            "cu130",
            ARM_MACHINE,
            "pip install torch==2.14.1+cu130 torchvision==0.29.1+cu130 --index-url https",
        ),
    ],
)
def test_a_label_is_named_only_where_the_file_has_one(
    torchvision, torchaudio, index, torch_version, variant, machine, pip
):
    commands = commands_of(
        Choice(
            action="install",
            torchvision=torchvision,
            torchaudio=torchaudio,
            index=index,
            build=Build(torch_version=torch_version, variant=variant),
        ),
        machine,
    )
    assert len(commands.pip) == 1
    assert pip in commands.pip[0]


@pytest.mark.parametrize(
    ("torchvision", "torchaudio", "machine", "pip"),
    [
        (
            "0.17.2",
            "2.2.2",
            CU126_MACHINE,
            (
                "pip install torch==2.2.2+cpu torchvision==0.17.2+cpu torchaudio==2.2.2+cpu "
                '"numpy<2" --index-url https'
            ),
        ),
        (
            "0.19.0",
            "2.4.0",
            WINDOWS_MACHINE,
            (
                "pip install torch==2.4.0+cpu torchvision==0.19.0+cpu torchaudio==2.4.0+cpu "
                '"numpy<2" --index-url https'
            ),
        ),
        (
            "0.19.0",
            "2.4.0",
            CU126_MACHINE,
            "pip install torch==2.4.0+cpu torchvision==0.19.0+cpu torchaudio==2.4.0+cpu --index-url https",
        ),
    ],
)
def test_a_torch_built_for_numpy_1_keeps_numpy_below_2(torchvision, torchaudio, machine, pip):
    commands = commands_of(
        Choice(
            action="install",
            torchvision=torchvision,
            torchaudio=torchaudio,
            index="https://download.pytorch.org/whl/cpu",
            build=Build(torch_version=torchaudio, variant="cpu"),
        ),
        machine,
    )
    assert len(commands.pip) == 1
    assert pip in commands.pip[0]


@pytest.mark.parametrize(
    ("python", "pip", "uv_pip"),
    [
        (
            "C:\\env\\python.exe",
            (
                (
                    "C:\\env\\python.exe -m pip install torch==2.14.1+cu126 torchvision==0.29.1+cu126 "
                    "--index-url https://download.pytorch.org/whl/cu126"
                ),
            ),
            (
                (
                    "uv pip install --python C:\\env\\python.exe torch==2.14.1+cu126 "
                    "torchvision==0.29.1+cu126 --torch-backend=cu126"
                ),
            ),
        ),
        (
            "C:\\my env\\python.exe",
            (
                (
                    'python -m pip --python "C:\\my env\\python.exe" install torch==2.14.1+cu126 '
                    "torchvision==0.29.1+cu126 --index-url https://download.pytorch.org/whl/cu126"
                ),
            ),
            (
                (
                    'uv pip install --python "C:\\my env\\python.exe" torch==2.14.1+cu126 '
                    "torchvision==0.29.1+cu126 --torch-backend=cu126"
                ),
            ),
        ),
    ],
)
def test_a_windows_path_reads_alike_in_powershell_and_cmd(python, pip, uv_pip):
    commands = commands_of(choose(WINDOWS_MACHINE), WINDOWS_MACHINE, python=python)
    assert commands.pip == pip
    assert commands.uv_pip == uv_pip


@pytest.mark.parametrize(
    "installed",
    [
        "2.14.1+cu130",
        "2.14.1",
        "2.9.1+cu128",
        "",
    ],
)
def test_nothing_is_reinstalled_without_need(installed):
    commands = commands_of(choose(CU126_MACHINE), CU126_MACHINE, installed=installed)
    assert commands.pip == (
        (
            "python -m pip install torch==2.14.1+cu126 torchvision==0.29.1+cu126 --index-url "
            "https://download.pytorch.org/whl/cu126"
        ),
    )
    assert commands.uv_pip == (
        "uv pip install torch==2.14.1+cu126 torchvision==0.29.1+cu126 --torch-backend=cu126",
    )


def test_a_cpu_build_replaces_a_cuda_build_without_triton():
    commands = commands_of(choose(CPU_MACHINE), CPU_MACHINE, installed="2.14.1+cu130")
    assert commands.pip == (
        (
            "python -m pip install torch==2.15.0+cpu torchvision==0.29.2 --index-url "
            "https://download.pytorch.org/whl/cpu"
        ),
    )


def test_an_unlabelled_build_is_forced_and_its_dependencies_stay():
    commands = commands_of(choose(ARM_MACHINE), ARM_MACHINE, installed="2.5.1+cpu")
    assert commands.pip == (
        (
            "python -m pip install --force-reinstall --no-deps torch==2.5.1 torchvision==0.20.1 "
            "torchaudio==2.5.1 --index-url https://download.pytorch.org/whl/cu124"
        ),
        (
            "python -m pip install torch==2.5.1 torchvision==0.20.1 torchaudio==2.5.1 "
            "--index-url https://download.pytorch.org/whl/cu124"
        ),
    )
    assert commands.uv_pip == (
        (
            "uv pip install torch==2.5.1 torchvision==0.20.1 torchaudio==2.5.1 "
            "--reinstall-package torch --reinstall-package torchvision --reinstall-package "
            "torchaudio --torch-backend=cu124"
        ),
    )


def test_a_dockerfile_keeps_no_cache():
    commands = commands_of(choose(CU126_MACHINE), CU126_MACHINE)
    assert commands.dockerfile == (
        "RUN python -m pip install --no-cache-dir torch==2.14.1+cu126 "
        "torchvision==0.29.1+cu126 --index-url https://download.pytorch.org/whl/cu126\n"
    )


def test_a_dockerfile_sets_the_variables_that_the_gpu_needs():
    commands = commands_of(
        choose(
            Machine(
                platform="linux",
                arch="x86_64",
                python="3.11",
                glibc="2.39",
                gpus=(Gpu(name="gfx1031", gfx="gfx1031"),),
                torch="==2.9.1",
            )
        ),
        Machine(
            platform="linux",
            arch="x86_64",
            python="3.11",
            glibc="2.39",
            gpus=(Gpu(name="gfx1031", gfx="gfx1031"),),
            torch="==2.9.1",
        ),
    )
    assert "ENV HSA_OVERRIDE_GFX_VERSION=10.3.0\nRUN " in commands.dockerfile


@pytest.mark.parametrize(
    ("settings", "places", "setting"),
    [
        ({"pip.target": "x"}, {"pip.target": "PIP_TARGET"}, "pip.target"),
        (
            {"pip.target": "x"},
            {"pip.target": "C:\\Users\\me\\AppData\\Roaming\\pip\\pip.ini"},
            "pip.target",
        ),
        (
            {"uv.no-index": "x"},
            {"uv.no-index": "C:\\Users\\me\\AppData\\Roaming\\uv\\uv.toml"},
            "uv.no-index",
        ),
        ({"uv.index": "x"}, {"uv.index": "UV_INDEX"}, "uv.index"),
    ],
)
def test_settings_that_the_windows_commands_withstand(settings, places, setting):
    result = steering(
        InstallerConfig(settings=settings, places=places), choose(WINDOWS_MACHINE), WINDOWS_MACHINE
    )
    assert len(result) == 1
    assert result[0].setting == setting
    assert result[0].withstood


@pytest.mark.parametrize(
    ("settings", "places", "setting", "cure"),
    [
        (
            {"pip.target": "x"},
            {"pip.target": "C:\\ProgramData\\pip\\pip.ini"},
            "pip.target",
            "C:\\ProgramData\\pip\\pip.ini",
        ),
        ({"pip.python": "x"}, {"pip.python": "PIP_PYTHON"}, "pip.python", "PIP_PYTHON"),
        (
            {"pip.unreadable": "x"},
            {"pip.unreadable": "C:\\Users\\me\\AppData\\Roaming\\pip\\pip.ini"},
            "pip.unreadable",
            "C:\\Users\\me\\AppData\\Roaming\\pip\\pip.ini",
        ),
        ({"uv.override": "x"}, {"uv.override": "UV_OVERRIDE"}, "uv.override", "UV_OVERRIDE"),
    ],
)
def test_settings_that_change_the_result_of_the_windows_commands(settings, places, setting, cure):
    result = steering(
        InstallerConfig(settings=settings, places=places), choose(WINDOWS_MACHINE), WINDOWS_MACHINE
    )
    assert len(result) == 1
    assert result[0].setting == setting
    assert not result[0].withstood
    assert cure in result[0].cure


@pytest.mark.parametrize(
    ("settings", "places", "options", "setting"),
    [
        # labels tell pip's files apart
        ({"pip.find-links": "x"}, {"pip.find-links": "/etc/x"}, {}, "pip.find-links"),
        # an interpreter named in the command wins
        ({"uv.python": "x"}, {"uv.python": "/etc/x"}, {"python": "/env/bin/python"}, "uv.python"),
        ({"uv.index": "x"}, {"uv.index": "/etc/x"}, {}, "uv.index"),
        ({"uv.torch-backend": "x"}, {"uv.torch-backend": "/etc/x"}, {}, "uv.torch-backend"),
    ],
)
def test_a_setting_that_the_command_overrides_needs_no_fix(settings, places, options, setting):
    result = steering(
        InstallerConfig(settings=settings, places=places),
        choose(CU126_MACHINE),
        CU126_MACHINE,
        **options,
    )
    assert len(result) == 1
    assert result[0].setting == setting
    assert result[0].cure == ""


@pytest.mark.parametrize(
    ("settings", "places", "machine", "setting"),
    [
        ({"pip.find-links": "x"}, {"pip.find-links": "/etc/x"}, CU132_MACHINE, "pip.find-links"),
        ({"pip.find-links": "x"}, {"pip.find-links": "/etc/x"}, MAC_MACHINE, "pip.find-links"),
        ({"uv.python": "x"}, {"uv.python": "/etc/x"}, CU126_MACHINE, "uv.python"),
        # a Mac takes the default index
        ({"uv.index": "x"}, {"uv.index": "/etc/x"}, MAC_MACHINE, "uv.index"),
        (
            {"uv.torch-backend": "x"},
            {"uv.torch-backend": "/etc/x"},
            MAC_MACHINE,
            "uv.torch-backend",
        ),
        (
            {"pip.no-binary": "lxml, torch"},
            {"pip.no-binary": "/etc/x"},
            CU126_MACHINE,
            "pip.no-binary",
        ),
    ],
)
def test_a_setting_that_changes_the_result_gets_a_command_that_ignores_it(
    settings, places, machine, setting
):
    result = steering(InstallerConfig(settings=settings, places=places), choose(machine), machine)
    assert len(result) == 1
    assert result[0].setting == setting
    assert "the command ignores" in result[0].cure


def test_a_setting_for_other_packages_does_not_matter():
    assert (
        steering(
            InstallerConfig(
                settings={"pip.no-binary": "lxml,numpy"}, places={"pip.no-binary": "/etc/x"}
            ),
            choose(CU126_MACHINE),
            CU126_MACHINE,
        )
        == ()
    )


def test_settings_that_change_the_result_come_first():
    result = steering(
        InstallerConfig(
            settings={"uv.index": "x", "pip.target": "x", "uv.override": "x"},
            places={
                "uv.index": "UV_INDEX",
                "pip.target": "PIP_TARGET",
                "uv.override": "UV_OVERRIDE",
            },
        ),
        choose(WINDOWS_MACHINE),
        WINDOWS_MACHINE,
    )
    assert [item.setting for item in result] == ["uv.override", "pip.target", "uv.index"]


def test_without_a_build_no_setting_matters():
    assert (
        steering(
            InstallerConfig(
                settings={"uv.index": "x", "pip.target": "x", "uv.override": "x"},
                places={
                    "uv.index": "UV_INDEX",
                    "pip.target": "PIP_TARGET",
                    "uv.override": "UV_OVERRIDE",
                },
            ),
            Choice(action="upgrade_driver"),
            CPU_MACHINE,
        )
        == ()
    )
