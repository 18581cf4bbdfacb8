"""All names that a check or a fix may import, whether built in or from a plug-in."""

# pyright: reportUnusedImport=false
from tunedoctor import facts
from tunedoctor.advice.cures import (
    amd_on_bus,
    lasting,
    merged,
    pair_finding,
    pair_found,
    pair_means,
    pair_note,
    pairs_of,
    pinned,
    together,
)
from tunedoctor.advice.error_texts import (
    CxxTooOld,
    Gone,
    Shortage,
    TokenizerFile,
    compares,
    cxx_too_old,
    fact_or_none,
    find_error,
    given_up,
    list_counted,
    metadata_gone,
    misfits,
    shared_memory,
    shortage,
    speaks_of_shared_memory,
    tokenizer_file,
)
from tunedoctor.contracts.requirements import TRITON, Unmet, of_stack, unmet, unmet_by_all
from tunedoctor.contracts.shipped import (
    broken_contracts,
    contract_cure,
    lacking,
    needed_library,
    owners,
)
from tunedoctor.facts import *  # noqa: F403  the fact types are the vocabulary
from tunedoctor.facts.target import DECLARED
from tunedoctor.messages.check_facts import CheckFacts as Facts
from tunedoctor.messages.check_facts import expression, expressions
from tunedoctor.messages.match import matched_error
from tunedoctor.model.findings import (
    Cure,
    Finding,
    PipInstall,
    PipUninstall,
    Result,
    Severity,
    advise,
    check,
    exact,
    name_of,
    pip,
    pip_line,
    python,
    set_variable,
    tell,
)
from tunedoctor.model.lazy import pattern
from tunedoctor.model.machine import python_tag
from tunedoctor.model.plan import (
    DeletePath,
    Draft,
    Install,
    Pin,
    Remove,
    Resolve,
    SetEnv,
    Tell,
    WriteFile,
    fix,
    install_of,
    variable_of,
)
from tunedoctor.model.versions import at_least, minor, parts, pep440, release, within
from tunedoctor.model.wording import clauses, gib, listed
from tunedoctor.tables.gpus import amd_gfx_by_name, named_as, nvidia_by_pci
from tunedoctor.tables.known_bad import Broken, bitsandbytes_lacks, broken_pairs, versions_of
from tunedoctor.tables.load import table
from tunedoctor.tables.small import (
    brought_by,
    distribution_of,
    first_transformers,
    good_set,
    is_import,
    lacks,
    late_stages,
    module_of,
    modules_of,
    rocm_override,
    torch_with_ptxas,
    triton_ptxas,
    xid_meaning,
)
from tunedoctor.tables.wheels import cuda_of, release_row
from tunedoctor.wheels.cures import (
    install_driver,
    rebuild_cuda,
    rebuild_module,
    rebuild_xpu,
    reinstall,
    rocm_build,
    same_torch,
    torch_install,
)
from tunedoctor.wheels.refused import Refused, refused
from tunedoctor.wheels.rules import (
    LAST_INTEL_MAC,
    Coverage,
    Family,
    archs_run,
    card_refused,
    cards_named,
    code_of,
    companions,
    coverage,
    driver_floor,
    entries,
    family,
    first_cuda,
    gfx_targets,
    glibc_floor,
    has_wheel,
    index_of,
    knows,
    macos_floor,
    one_of_several,
    rocm_archs,
    rocm_archs_since,
    visible_gpus,
)
