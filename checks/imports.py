import re
from collections.abc import Iterable, Sequence

from msgspec import structs

from tunedoctor import api


@api.check(
    "import-contract-clash",
    uses=(
        api.ImportContracts,
        api.Environment,
        api.Errors,
        api.Host,
        api.Interpreter,
        api.Packages,
        api.TorchBuild,
    ),
)
def import_contract_clash(
    facts: api.Facts, packages: api.Packages | api.Unknown | None
) -> api.Result:
    """Return broken import contracts, except pairs that library-version-clash reports better.

    If only a command of a library is affected it is a note: the import and training work.
    """
    versions = api.versions_of(facts.packages, facts.torch)
    covered = [{*pair.versions} for pair in api.pairs_of("library-version-clash", facts)]
    covered += [
        {unmet.owner.name, unmet.name}
        for unmet in api.unmet(facts.packages, facts.interpreter, facts.host, facts.torch)
        if not unmet.too_new or unmet.owner.name == "transformers"
    ]
    # broken-install reports these, and torch-missing a missing torch
    damaged = {distribution.name for distribution in facts.packages.broken}
    contracts = [
        contract
        for contract in api.broken_contracts(facts.contracts, versions)
        if not any({contract.library, contract.neighbour} <= names for names in covered)
        and damaged.isdisjoint({contract.library, contract.neighbour})
        and (contract.kind, contract.module) != ("missing", "torch")
    ]
    if not contracts:
        return packages if isinstance(packages, api.Unknown) else None
    contracts = [contract for contract in contracts if not contract.command] or contracts
    stops = [contract for contract in contracts if contract.kind != "keyword"]
    main = [stop for stop in stops if api.needed_library(stop.led_by or stop.library)]
    reported = main or stops or contracts
    first = reported[0]
    pairs = list(dict.fromkeys((contract.library, _provider(contract)) for contract in reported))
    change = _packages_to_install(facts, reported, versions)
    newer = any(spec == "*" and name in versions for name, spec in change.items())
    options = ["--upgrade"] if newer else []
    library = first.library
    if first.kind == "missing":
        title = f"{library} needs {first.module}, which is not installed"
    else:
        title = f"{library} and {pairs[0][1]} do not fit together"
    note = f"or, to keep {library}, install another release of {first.neighbour}"
    return api.Finding(
        title=title,
        severity="note" if first.command else "error" if main else "warning",
        found=api.clauses(_describe(reported, pair, versions) for pair in pairs),
        means=_describe_failure(first),
        cure=facts.pip("install", *options, *api.pinned(change)),
        cure_note=note if library and first.neighbour else "",
        evidence=tuple(
            f"{contract.file} line {contract.line}" for contract in reported if contract.file
        )[:3],
    )


def _describe_failure(contract: api.BrokenContract) -> str:
    """Return what fails because of a contract, and with which error."""
    place = f"the command {contract.command}" if contract.command else contract.within
    place = place or f"the import of {contract.led_by or contract.library}"
    module, name = contract.module, contract.name
    if contract.kind == "name":
        error = f"ImportError: cannot import name '{name}' from '{module}'"
    elif contract.kind == "keyword":
        function = module.rpartition(".")[2]
        error = f"TypeError: {function}() got an unexpected keyword argument '{name}'"
    elif contract.kind == "unreadable":
        error = name
    else:
        error = f"ModuleNotFoundError: No module named '{module}'"
    return f"{place} fails: '{error}'"


def _provider(contract: api.BrokenContract) -> str:
    """Return the distribution that should provide the name."""
    return contract.neighbour or api.brought_by(contract.module.partition(".")[0])


def _describe(
    contracts: Iterable[api.BrokenContract], pair: tuple[str, str], versions: dict[str, str]
) -> str:
    of_pair = [
        contract for contract in contracts if (contract.library, _provider(contract)) == pair
    ]
    first = of_pair[0]
    who = api.together({first.library: versions.get(first.library, "")})
    what = api.listed((contract.name or contract.module for contract in of_pair), 2)
    whom = f"{pair[1]} {versions.get(pair[1], '')}".strip()
    place = f" from {first.module}" if first.name else ""
    kinds = {
        "missing": f"{who} imports {first.module}, which is neither installed nor declared as a requirement",
        "unreadable": f"{first.file} of {who} cannot be imported: {first.name}",
        "keyword": f"{who} passes {what} to {first.module}, which {whom} does not accept",
    }
    return kinds.get(first.kind, f"{who} imports {what}{place}, which {whom} does not have")


def _packages_to_install(
    facts: api.Facts, contracts: Iterable[api.BrokenContract], versions: dict[str, str]
) -> dict[str, str]:
    """Return what to install: missing packages, releases that keep the contract, else fixes of known errors."""
    change: dict[str, str] = {}
    for contract in contracts:
        if contract.kind == "missing":
            change[api.distribution_of(contract.module) or contract.library] = "*"
            continue
        fits = api.contract_cure(contract, versions)
        if contract.kind == "module" and "*" in fits.values():  # no fitting release is known
            text = f"ModuleNotFoundError: No module named '{contract.module}'"
            error = api.Errors(errors=(api.ErrorText(text=text),))
            rows = api.broken_pairs(
                "library-version-clash", facts.packages, facts.torch, facts.environment, error
            )
            known_fixes = (r.row.fix for r in rows if r.said and contract.neighbour in r.row.fix)
            fits = next(known_fixes, fits)
        change |= fits
    return change


MAIN = (
    *("numpy", "transformers", "tokenizers", "safetensors", "huggingface_hub"),
    *("accelerate", "peft", "trl", "datasets"),
)
"""Libraries that every fine-tune imports; others of the stack are a warning."""


@api.check("library-import-fails", uses=(api.Packages,))
def library_import_fails(facts: api.Facts, runtime: api.Runtime) -> api.Finding | None:
    """Find "import X" stages that failed, crashed or hung; other checks cover torch itself."""
    unfinished = (
        stage for stage in runtime.stages if stage.outcome in ("failed", "crashed", "hung")
    )
    failing = [
        stage for stage in unfinished if api.is_import(stage.name) and stage.name != "import torch"
    ]
    if not failing:
        return None
    late = api.late_stages()
    main = [stage for stage in failing if api.module_of(stage.name) in MAIN or stage.name in late]
    # lazily loaded parts can fail because of another library: plain import failures come first
    plain = [stage for stage in main if stage.name not in late]
    first = _stage_to_blame((plain or main or failing)[0], failing)
    module, lines = api.module_of(first.name), first.error.splitlines()
    # the innermost exception of a chain, which comes first, names the cause
    message = next((line for line in lines if line.strip() and not line.startswith("  ")), "")
    inner, asks = _distribution_that_failed(first), facts.search("/asks", message)
    other = api.brought_by(asks[1]) if asks else ""
    name = inner if facts.packages.get(inner) else api.brought_by(module)
    if facts.packages.get(other) and other != name != api.brought_by(module):
        title = f"{name} does not fit {other}"
        cure = facts.pip("install", "--upgrade", name)
        note = (
            f"{name} imports a name that {other} does not have, although the metadata of {name} "
            "allow this release"
        )
    else:
        title = f"{module} cannot be imported"
        cure = facts.pip("install", "--force-reinstall", name)
        note = "no other finding explains it; the message shows where the import failed"
    others = api.listed(stage.name for stage in failing if stage is not first)
    found = f"{first.name}: {(message or first.error.strip() or first.outcome)[:200]}"
    ends = "hangs" if first.outcome == "hung" else "fails"
    return api.Finding(
        title=title,
        severity="error" if main else "warning",
        found=found + (f"; also {others}" if others else ""),
        means=f"a script that imports {module} {ends} at that import",
        cure=cure,
        cure_note=note,
        evidence=tuple(line.strip() for line in lines if line.strip().startswith("File "))[-3:],
    )


def _distribution_that_failed(stage: api.Stage) -> str:
    """Return the distribution in whose file the innermost exception of a stage was raised."""
    frames = re.match(r"(?:  .*\n)*", stage.error)
    files = api.expression("library-import-fails/in-package").findall(frames[0] if frames else "")
    return api.brought_by(files[-1]) if files else ""


def _stage_to_blame(first: api.Stage, bad: Sequence[api.Stage]) -> api.Stage:
    """Return the stage of the library in which the first exception of a chain was raised, if it failed too."""
    cause = first.error.partition("\nThe above exception was")[0]
    cause = cause.partition("\nDuring handling of the above")[0]
    files = api.expression("library-import-fails/in-package").findall(cause)
    return next((stage for stage in bad if files and api.module_of(stage.name) == files[-1]), first)


STACK = ("transformers", "datasets", "peft", "trl", "accelerate")
"""Libraries that a fine-tune script imports besides torch."""

OPTIONAL = frozenset(api.table("distributions")["optional"])
"""Declared requirements that training does not need: faster downloads, torch.compile."""
CHECKS_AT_IMPORT = frozenset({"transformers"})
"""It checks its requirements at import, so each of them counts as used."""

LIBRARIES = {"BeautifulSoup": "beautifulsoup4"}

CUDA = ("nvidia-", "cuda-toolkit")
ALONE = 2
"""Number of errors in a text up to which such advice is trusted."""


@api.check(
    "missing-dependency",
    uses=(
        api.Environment,
        api.Errors,
        api.Host,
        api.Interpreter,
        api.Packages,
        api.Shadows,
        api.Target,
        api.TorchBuild,
    ),
)
def missing_dependency(facts: api.Facts) -> api.Finding | None:
    """Report declared but missing requirements, then errors, then absent libraries of the stack.

    Requirements that no import uses are a warning: pip check complains, but training works.
    """
    unmet_requirements = api.unmet_by_all(
        facts.packages, facts.interpreter, facts.host, facts.torch
    )
    # other checks report torch and its CUDA wheels
    lacks = [
        unmet
        for unmet in unmet_requirements
        if not (unmet.installed or unmet.name.startswith(CUDA))
    ]
    declared = {lack.name: lack for lack in reversed(lacks) if lack.name != "torch"}
    needed = [lack for lack in lacks if lack.name in declared and lack.name not in OPTIONAL]
    if hard := {unmet.name: unmet for unmet in reversed(needed) if _import_needs(facts, unmet)}:
        return _report_declared(facts, [*hard.values()])
    pairs = api.pairs_of("missing-dependency", facts)
    hidden = {shadow.module for shadow in facts.shadowed.shadows}
    missing = {
        name: error_text
        for name, error_text in _missing_distributions(facts).items()
        if name not in hidden
    }
    if missing and not any(pair.row.severity == "error" for pair in pairs):
        error_text = next(iter(missing.values()))
        return api.Finding(
            found=f"the error '{error_text}'; {api.listed(missing)} is not installed",
            means="the script fails at that import",
            cure=facts.pip("install", *missing),
            cure_note="no reboot",
            said=error_text,
        )
    amdsmi = None if pairs and pairs[0].row.severity == "error" else _find_missing_amdsmi(facts)
    if amdsmi or pairs:
        return amdsmi or _report_broken_row(facts, pairs[0])
    damaged_or_of_conda = {
        distribution.name for distribution in facts.packages.broken
    } | facts.packages.conda.keys()
    absent = [n for n in STACK if n not in damaged_or_of_conda and not facts.packages.get(n)]
    if needed:
        unused = {unmet.name: unmet for unmet in reversed(needed)}
        return _report_declared(facts, [*unused.values()], used=False)
    if absent and facts.packages.complete:
        return _report_absent(facts, absent)
    return _report_declared(facts, [*declared.values()]) if declared else None


def _import_needs(facts: api.Facts, unmet: api.Unmet) -> bool:
    """Return whether importing a library fails without the requirement, as far as its source shows."""
    if unmet.owner.name in CHECKS_AT_IMPORT:
        return True
    rows = facts.packages.missing_imports
    row = next((r for r in rows if (r.owner, r.name) == (unmet.owner.name, unmet.name)), None)
    return bool(row.file) if row else not unmet.beyond


def _missing_distributions(facts: api.Facts) -> dict[str, str]:
    """Return distribution -> what the error says, for known modules whose distribution is not installed."""
    result: dict[str, str] = {}
    # errors of other causes also advise to install: trust the advice only if it stands alone
    kinds = ["not-found", "no-module", "no-metadata"]
    kinds += ["advice"] if len(facts.errors.errors) <= ALONE else []
    for error in facts.errors.errors:
        if facts.search("/in-passing", error.text):
            continue
        expressions = [
            (kind, pattern) for kind in kinds for pattern in facts.expressions(f"/{kind}")
        ]
        for kind, expression in expressions:
            for match in expression.finditer(error.text):
                module = next(filter(None, match.groups()))
                plain = module.replace("-", "_")
                distribution = api.distribution_of(plain) or api.distribution_of(plain.lower())
                name = LIBRARIES.get(module, distribution)
                if not name and (kind == "not-found" or _is_own_distribution(error, match)):
                    name = api.brought_by(module)
                wanted_name = name and (name != "torch" or kind == "not-found")
                if wanted_name and not facts.packages.get(name):
                    result.setdefault(name, match[0])
    return result


def _is_own_distribution(error: api.ErrorText, match: "re.Match[str]") -> bool:
    """Return whether an unknown module is its own distribution: pip advice or transformers names it."""
    if api.expression("missing-dependency/installs").search(match[0]):
        return match.string[match.end() : match.end() + 1] not in tuple("+:/.[")
    whole = match.string[match.start() :].startswith(f"No module named '{match[1]}'")
    return whole and error.text.startswith("RuntimeError: Failed to import ")


def _report_declared(
    facts: api.Facts, missing: list[api.Unmet], *, used: bool = True
) -> api.Finding:
    """Report requirements that are not installed; `used`: an import fails without them."""
    name = missing[0].name
    lacks = (
        f"{unmet.owner.name} {unmet.owner.version} requires {unmet.requirement}, which is not installed"
        for unmet in missing
    )
    found = api.clauses(lacks)
    cure = facts.pip("install", *(unmet.requirement for unmet in missing))
    alone = len(missing) == 1
    if name in OPTIONAL:
        return api.Finding(
            title="An optional part of the stack is not installed",
            severity="note",
            found=found,
            means="training runs, but torch.compile or fast downloads do not work",
            cure=cure,
        )
    if not used:
        return api.Finding(
            title=f"{name} is a declared dependency but not installed" if alone else "",
            severity="warning",
            found=found,
            means="pip check complains, but no import of the stack seems to need it",
            cure=cure,
            cure_note="no reboot",
        )
    module = api.modules_of(name)[0]
    return api.Finding(
        title=f"{name} is not installed, and the stack needs it" if alone else "",
        found=found,
        means=f"the import fails with ModuleNotFoundError: No module named '{module}'",
        cure=cure,
        cure_note="no reboot",
    )


def _report_broken_row(facts: api.Facts, broken: api.Broken) -> api.Finding:
    row, lacks = broken.row, api.listed(broken.row.absent or broken.row.fix)
    first = next(iter(broken.versions), "")
    who = api.listed(f"{name} {version}" for name, version in broken.versions.items())
    finding = api.pair_finding(facts, [broken])
    if row.severity == "error" and not broken.said and _is_locked(facts):
        finding = structs.replace(finding, severity="note")
    return structs.replace(
        finding,
        title=f"Some code of {first} needs {lacks}" if finding.severity == "note" and first else "",
        found=f"the error '{broken.said}'" if broken.said else f"{who} without {lacks}".strip(),
        cure_note="",
    )


def _is_locked(facts: api.Facts) -> bool:
    """Return whether a project's lock decides what is installed.

    What it leaves out and no requirement asks for, such as accelerate, the project's own training code may not need.
    """
    return bool(facts.packages.lock) or facts.target.chosen_by == api.DECLARED


def _find_missing_amdsmi(facts: api.Facts) -> api.Finding | None:
    """Read vLLM's platform search: without amdsmi it uses no AMD GPU. Source: vllm/platforms/__init__.py."""
    amd = facts.torch.accelerator == "rocm"
    lacks = facts.error_text("/lacks")
    if not facts.error_text("/none") or not lacks or not (amd or facts.error_text("/amdsmi")):
        return None
    return api.Finding(
        found=(
            "vLLM reports 'No module named 'amdsmi'' and finds neither another platform nor NVML"
        ),
        means=(
            "vLLM finds AMD GPUs through amdsmi; without it vLLM fails with 'Failed to infer device "
            "type'"
        ),
        cure=api.tell("python -m pip install /opt/rocm/share/amd_smi"),
        cure_note="installs the module of the present ROCm release; no reboot",
        settle="" if amd else "rocminfo | grep gfx",
        said=lacks,
    )


def _report_absent(facts: api.Facts, absent: list[str]) -> api.Finding:
    transformers = facts.packages.version("transformers")
    versions = api.good_set(facts.torch.version, transformers, facts.interpreter.version)
    return api.Finding(
        title="Libraries for fine-tuning are not installed",
        severity="note",
        found=f"not installed: {api.listed(absent, 5)}",
        means="a script that imports one of them fails with ModuleNotFoundError",
        cure=facts.pip("install", *(f"{n}=={versions[n]}" if n in versions else n for n in absent)),
        cure_note=(
            "versions that were tested together; about 0.1 GB, no reboot" if versions else ""
        ),
    )
