"""All that a check or a fix may import, built in or from a plug-in."""

# pyright: reportUnusedImport=false
from typing import TYPE_CHECKING

from tunedoctor import facts
from tunedoctor.advice.amd_on_bus import amd_on_bus
from tunedoctor.advice.builds import TorchInstall
from tunedoctor.advice.compares import compares
from tunedoctor.advice.compiled import Coverage, code_list, coverage
from tunedoctor.advice.cures import brief, lasting, merged, pinned, together
from tunedoctor.advice.cxx_library import cxx_too_old
from tunedoctor.advice.given_up import given_up
from tunedoctor.advice.metadata_gone import Gone, metadata_gone
from tunedoctor.advice.misfits import Misfit, misfits
from tunedoctor.advice.out_of_memory import Shortage, shortage
from tunedoctor.advice.rebuild import rebuild_cuda, rebuild_xpu
from tunedoctor.advice.refused import Refused, refused
from tunedoctor.advice.requirements import TRITON, Unmet, unmet
from tunedoctor.advice.rocm_build import RocmBuild, rocm_build
from tunedoctor.advice.shared_memory import (
    SHARED_MEMORY,
    full_shared_memory,
    speaks_of_shared_memory,
)
from tunedoctor.advice.tokenizer_file import TokenizerFile, tokenizer_file
from tunedoctor.advice.told import counted, known, told
from tunedoctor.advice.torch_install import (
    companion_install,
    same_torch,
    torch_install,
)
from tunedoctor.advice.uncovered import (
    NO_KERNEL,
    card_refused,
    cards_named,
    code_of,
    one_of_several,
)
from tunedoctor.advice.visible import entries, visible_gpus
from tunedoctor.advice.worded import expression, expressions, heard, if_heard, matched, worded
from tunedoctor.contracts.shipped import broken_contracts, contract_cure, needed_library
from tunedoctor.cure import (
    Cure,
    PipInstall,
    PipUninstall,
    advise,
    pip,
    python,
    set_variable,
    tell,
    unset_variable,
)
from tunedoctor.facts import *  # noqa: F403  the fact types are the vocabulary
from tunedoctor.findings import Finding, Severity, check
from tunedoctor.lazy import pattern
from tunedoctor.tables.driver_install import DriverInstall, install_driver, rebuild_module
from tunedoctor.tables.good_sets import good_set
from tunedoctor.tables.gpus import (
    amd_gfx_by_name,
    amd_integrated,
    named_as,
    nvidia_by_name,
    nvidia_by_pci,
)
from tunedoctor.tables.imports import is_import, late_stages, module_of
from tunedoctor.tables.known_bad import Broken, bitsandbytes_cuda, broken_pairs, versions_of
from tunedoctor.tables.load import table
from tunedoctor.tables.model_types import first_transformers
from tunedoctor.tables.modules import distribution_of
from tunedoctor.tables.rocm_overrides import rocm_override
from tunedoctor.tables.torch_names import lacks
from tunedoctor.tables.wheels import cuda_of, release_row
from tunedoctor.tables.xids import xid_meaning
from tunedoctor.versions import at_least, minor, parts, pep440, release, specifiers, within
from tunedoctor.wheels.rules import (
    LAST_INTEL_MAC,
    Family,
    archs_run,
    code_runs_on,
    companions,
    driver_floor,
    family,
    glibc_floor,
    has_wheel,
    macos_floor,
    python_tag,
    rocm_archs,
    rocm_archs_since,
    table_archs,
)
from tunedoctor.wording import gib, listed

if TYPE_CHECKING:
    from tunedoctor.advice.cure_lines import (
        exact,
        name_of,
        variable_of,
    )
    from tunedoctor.fixing import Draft, Resolve, fix
    from tunedoctor.plan import DeletePath, Install, Pin, Remove, SetEnv, Tell, WriteFile

_FOR_FIXES = {
    **dict.fromkeys(("Draft", "Resolve", "fix"), "fixing"),
    **dict.fromkeys(
        ("DeletePath", "Install", "Pin", "Remove", "SetEnv", "Tell", "WriteFile"), "plan"
    ),
    **dict.fromkeys(
        ("exact", "name_of", "variable_of"),
        "advice.cure_lines",
    ),
}
"""What fixes alone use: loaded when one asks for it, since a check pays for every module."""


def __getattr__(name: str) -> object:
    """Load what fixes use."""
    if name not in _FOR_FIXES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module  # noqa: PLC0415  fixes alone need it

    return getattr(import_module(f"tunedoctor.{_FOR_FIXES[name]}"), name)
