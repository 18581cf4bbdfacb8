"""All that a check or a fix may import, built in or from a plug-in."""

from tunedoctor.compiled import Coverage, code_list, coverage
from tunedoctor.cures import merged, pinned, pip_command, together
from tunedoctor.facts import *  # noqa: F403  the fact types are the vocabulary
from tunedoctor.facts import __all__ as _facts
from tunedoctor.findings import Finding, check
from tunedoctor.rebuild import Rebuild, rebuild_cuda, rebuild_rocm, rebuild_xpu
from tunedoctor.requirements import Unmet, unmet
from tunedoctor.shells import set_variable, unset_variable
from tunedoctor.tables.driver_install import DriverInstall, install_driver, rebuild_module
from tunedoctor.tables.good_sets import good_set
from tunedoctor.tables.gpus import nvidia_by_name, nvidia_by_pci
from tunedoctor.tables.known_bad import Broken, bitsandbytes_cuda, broken_pairs, versions_of
from tunedoctor.tables.load import table
from tunedoctor.tables.modules import distribution_of
from tunedoctor.tables.xids import xid_meaning
from tunedoctor.told import counted, known, told
from tunedoctor.torch_install import TorchInstall, companion_install, torch_install
from tunedoctor.versions import at_least, minor, parts, pep440, release, specifiers, within
from tunedoctor.visible import entries, visible_gpus
from tunedoctor.wheels import (
    Family,
    archs_run,
    code_runs_on,
    companions,
    cuda_of,
    driver_floor,
    family,
    glibc_floor,
    has_wheel,
    install_command,
    macos_floor,
    pick_cuda,
    python_tag,
    release_row,
    rocm_archs,
    table_archs,
)
from tunedoctor.wording import gib, listed, pip

__all__ = [  # noqa: PLE0604  the fact types are listed where they are defined
    *_facts,
    "Family",
    "merged",
    "together",
    "good_set",
    "distribution_of",
    "Broken",
    "TorchInstall",
    "Unmet",
    "bitsandbytes_cuda",
    "broken_pairs",
    "companion_install",
    "pinned",
    "pip_command",
    "torch_install",
    "unmet",
    "versions_of",
    "coverage",
    "code_list",
    "Coverage",
    "xid_meaning",
    "visible_gpus",
    "unset_variable",
    "told",
    "set_variable",
    "rebuild_xpu",
    "rebuild_rocm",
    "rebuild_module",
    "rebuild_cuda",
    "nvidia_by_pci",
    "nvidia_by_name",
    "known",
    "install_driver",
    "entries",
    "Rebuild",
    "DriverInstall",
    "Finding",
    "archs_run",
    "at_least",
    "check",
    "code_runs_on",
    "companions",
    "counted",
    "cuda_of",
    "driver_floor",
    "family",
    "gib",
    "glibc_floor",
    "has_wheel",
    "install_command",
    "listed",
    "macos_floor",
    "minor",
    "parts",
    "pep440",
    "pick_cuda",
    "pip",
    "python_tag",
    "release",
    "release_row",
    "rocm_archs",
    "specifiers",
    "table",
    "table_archs",
    "within",
]
