from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from tunedoctor import api

ELSEWHERE = frozenset({"torchvision", "torchaudio", "xformers"})
"""torch-companion-mismatch reports what these require of torch."""
CHECKS_AT_IMPORT = frozenset({"transformers"})
"""It checks its requirements at import and raises ImportError."""
QUANTISERS = frozenset({"bitsandbytes", "torchao"})
"""quantisation-library-mismatch reports these."""
NEWER_CODE = "Use a newer release of that code, one that is written for this torch"
OF_TORCH = "Upgrade the library that imports it; torch decides which triton is installed"
BUILT_HERE = {"flash-attn": ("--no-build-isolation",)}
"""pip options for packages that are compiled against the installed torch."""


class _Clash(NamedTuple):
    """One clash in words."""

    severity: api.Severity
    found: str
    means: str
    fix: dict[str, str]
    said: str = ""
    """The error text that shows it, "" if versions do."""
    rests_on: frozenset[str] = frozenset()
    """Libraries whose installed release needs the fix, and which the fix does not change."""
    names: Sequence[str] = ()
    """The two incompatible packages."""
    note: str = ""
    proved: bool = False


@api.check(
    "library-version-clash",
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
def library_version_clash(
    facts: api.Facts, packages: api.Packages | api.Unknown | None
) -> api.Result:
    """Combine declared clashes and known pairs; the worst one sets severity and title."""
    pairs = api.pairs_of("library-version-clash", facts)
    pair_clashes = [
        _clash_with_caller(facts, pair) or _clash_of_pair(pair, api.pair_note(pairs))
        for pair in pairs
    ]
    declared = [
        _clash_of_requirement(unmet, facts)
        for unmet in _declared_clashes(facts, [set(p.versions) for p in pairs])
    ]
    reported = [
        *([] if facts.packages else _clashes_from_pip(facts)),
        *_clashes_from_resolver(facts),
    ]
    if not (pairs or declared or reported):
        reported = [*_clashes_from_version_check(facts)]
    code = [] if pairs else [*islice(_clashes_from_tracebacks(facts), 1)]
    order = ("error", "warning", "note").index
    clashes = sorted(
        [*code, *pair_clashes, *declared, *reported], key=lambda clash: order(clash.severity)
    )
    if not clashes:
        return _suspect_version(facts) or (packages if isinstance(packages, api.Unknown) else None)
    worst = [clash for clash in clashes if clash.severity == clashes[0].severity]
    fix = api.lasting([(clash.fix, clash.rests_on) for clash in worst], api.fact_or_none(packages))
    # for a name without a version pip keeps the installed release unless --upgrade is given
    newer = () if any(v not in ("", "*") for v in fix.values()) else ("--upgrade",)
    command = facts.pip("install", *newer, *api.pinned(fix)) if fix else api.Cure()
    two_packages = [*(clash for clash in pair_clashes if clash in worst), *code, *declared]
    return api.Finding(
        severity=clashes[0].severity,
        title=_clash_title(two_packages[0].names) if two_packages else "",
        found=api.clauses(clash.found for clash in worst),
        means=worst[0].means,
        said=next((clash.said for clash in worst if clash.said), ""),
        certain=any(clash.proved for clash in code),
        cure=command or api.advise(next(filter(None, (p.row.fix_text for p in pairs)), NEWER_CODE)),
        cure_note=worst[0].note if len(worst) == 1 else "",
        evidence=tuple(dict.fromkeys(s for p in pairs for s in p.row.source))[:4],
    )


def _clash_title(names: Sequence[str]) -> str:
    if not names:
        return "The code is written for an older PyTorch"
    pair = f"{' and '.join(names)} are incompatible"
    return pair if len(names) > 1 else f"The script does not work with {names[0]}"


def _clash_of_pair(pair: api.Broken, note: str) -> _Clash:
    names, both = pair.row.names[:2], api.together(pair.versions)
    return _Clash(
        pair.row.severity,
        f"the error '{pair.said}', with {both}" if pair.said and both else api.pair_found(pair),
        api.pair_means(pair.row),
        pair.row.fix,
        pair.said,
        frozenset(pair.versions.keys() - pair.row.fix.keys()),
        names if len(names) > 1 or not both else [both],
        note,
    )


def _clash_with_caller(facts: api.Facts, pair: api.Broken) -> _Clash | None:
    """Return the clash as one of an installed library whose code uses something that a newer library removed.

    Rows that downgrade the other library are meant for user scripts; an installed library has newer releases.
    """
    ((neighbour, range_), *more) = pair.row.fix.items() or (("", ""),)
    if not pair.said or more or not range_.startswith("<"):
        return None
    errors = (error for error in facts.errors.errors if pair.said in error.text)
    owner = next((o for error in errors for o in api.owners(error) if o not in pair.row.names), "")
    version = facts.packages.version(owner)
    if not version or owner == "torch":
        return None
    return _Clash(
        pair.row.severity if api.of_stack(owner, facts.packages) else "warning",
        f"{owner} {version} is written for another release of {neighbour}: '{pair.said}'",
        f"a script that imports {owner} fails at that import",
        {owner: "*"},
        pair.said,
        frozenset({neighbour}),
        (owner, neighbour),
    )


def _suspect_version(facts: api.Facts) -> api.Finding | None:
    """Suspect the version of a library from which unnamed code uses something it does not have."""
    others = (m for m in api.misfits(facts.errors, loosely=True) if m.other not in QUANTISERS)
    misfit = next(others, None)
    if misfit is None or api.first_transformers(misfit.said.partition("'")[2].partition("'")[0]):
        return None
    if misfit.other == "tokenizers" and api.tokenizer_file(facts.errors, facts.packages):
        return None
    other = misfit.other
    newer = facts.pip("install", "--upgrade", *BUILT_HERE.get(other, ()), other)
    return api.Finding(
        title=f"{other} does not fit the code that calls it",
        severity="error",
        means=f"the code was written for an older or a newer {other}",
        cure=api.advise(OF_TORCH) if other == "triton" else newer,
        cure_note=(
            "together with other packages that call it; or install the release that the script "
            "names"
        ),
        settle=api.pip_line(facts.interpreter, "check"),
        said=misfit.said,
    )


def _declared_clashes(facts: api.Facts, covered: list[set[str]]) -> list[api.Unmet]:
    """Return clashes that package metadata declares, except those that another check reports."""
    versions = api.versions_of(facts.packages, facts.torch)
    proved = [{b.library, b.neighbour} for b in api.broken_contracts(facts.contracts, versions)]

    def reported_elsewhere(unmet: api.Unmet) -> bool:
        owner, pair = unmet.owner.name, {unmet.owner.name, unmet.name}
        two = unmet.name == "numpy" and api.release(unmet.installed)[:1] >= (2,)
        return (
            any(pair <= names for names in covered)
            or (
                unmet.name == "torch"
                and (owner in ELSEWHERE or not (unmet.too_new or unmet.beyond))
            )
            or (owner == "torch" and unmet.too_new)
            # numpy-abi reports requirements that no NumPy 2 meets
            or (two and api.within("2.0.0", unmet.specifier) is False)
            # import-contract-clash reports what a too new library no longer has
            or (unmet.too_new and owner not in CHECKS_AT_IMPORT and pair in proved)
        )

    unmet_requirements = api.unmet_by_all(
        facts.packages, facts.interpreter, facts.host, facts.torch
    )
    return [
        unmet for unmet in unmet_requirements if unmet.installed and not reported_elsewhere(unmet)
    ]


def _clash_of_requirement(unmet: api.Unmet, facts: api.Facts) -> _Clash:
    owner = unmet.owner.name
    stops = not (unmet.too_new or unmet.beyond or owner == "torch")
    has = "no longer has" if unmet.too_new else "does not have yet"
    means = f"{owner} calls something that {unmet.name} {unmet.installed} {has}"
    if owner in CHECKS_AT_IMPORT:
        means = f"import {owner} fails: '{unmet.requirement} is required for a normal functioning of this module'"
        stops = True
    elif unmet.own_part:
        means = f"import {owner} fails: it accepts only its own release of {unmet.name}"
        stops = api.of_stack(owner, facts.packages)
    return _Clash(
        "error" if stops else "warning",
        f"{owner} {unmet.owner.version} requires {unmet.requirement}, but {unmet.name} {unmet.installed} is installed",
        means,
        {unmet.name: unmet.specifier},
        rests_on=frozenset({owner}),
        names=(owner, unmet.name),
    )


def _clashes_from_pip(facts: api.Facts) -> Iterator[_Clash]:
    """Read the conflicts that pip printed after an install, except those of torch's companions."""
    for line in facts.readings("/conflict"):
        owner, version, name, specifier, have = line.groups()
        if owner not in ELSEWHERE:
            yield _Clash(
                "error" if owner in CHECKS_AT_IMPORT else "warning",
                f"{owner} {version} requires {name}{specifier}, but {name} {have} is installed",
                f"{owner} calls something that {name} {have} does not have",
                {name: specifier.rstrip(", ")},
            )


def _clashes_from_resolver(facts: api.Facts) -> Iterator[_Clash]:
    """Read what a resolver printed about two requirements that exclude each other."""
    requested = [m.groups() for m in facts.readings("/user-asks")]
    pairs = [m.groups() for m in facts.readings("/poetry")]
    for depends in facts.readings("/depends"):
        pin = next((pin.strip("=") for name, pin in requested if name == depends[3]), "")
        if pin and depends[3] not in ("torch", "python", "numpy"):
            pairs.append((*depends.groups(), "", pin))
    for owner, version, name, specifier, _, pin in dict.fromkeys(pairs):
        required = specifier.rstrip(", ")
        if owner not in ELSEWHERE and api.within(pin, required) is False:
            yield _Clash(
                "error",
                f"{owner} {version} requires {name}{required}, but {name}=={pin} is requested",
                "the installation fails: no version meets both requirements",
                {name: required},
            )


def _clashes_from_version_check(facts: api.Facts) -> Iterator[_Clash]:
    """Read the error of a library that checks another library's version before anything else runs."""
    if comparison := api.compares(facts.errors):
        means = f"{comparison.owner or 'a library'} refuses to run with this release of {comparison.other}"
        stated = facts.expression("/states").match(comparison.said)
        fix = {comparison.other: stated["wanted"] if stated else ""}
        yield _Clash("error", f"the error '{comparison.said}'", means, fix, comparison.said)


def _clashes_from_tracebacks(facts: api.Facts) -> Iterator[_Clash]:
    """Yield what errors say about code: names that torch removed, that other releases have, then the rest."""
    torch = facts.torch.version
    gone = api.given_up(facts.errors, torch)
    if gone and gone.owner not in QUANTISERS:
        who = gone.owner or "the code that uses it"
        error = f"the error '{gone.said}'" + (f" in the code of {who}" if gone.owner else "")
        means = f"{who} is written for a torch older than {gone.since}, which removed it"
        yield _Clash("error", error, means, {gone.owner: ""} if gone.owner else {}, gone.said)
    for lack in api.lacking(facts.errors, api.versions_of(facts.packages, facts.torch)):
        if lack.library not in QUANTISERS:
            yield _Clash(
                *("error", lack.found, lack.means, lack.fix, lack.said),
                names=(lack.asker or "the script", lack.library),
                note=lack.note,
                proved=True,
            )
    others = ("numpy-abi", "torch-too-old-for-library", "missing-dependency")
    for misfit in api.misfits(facts.errors):
        too_old = misfit.other == "transformers" and api.first_transformers(misfit.name)
        if (
            too_old
            or {misfit.owner, misfit.other} & QUANTISERS
            or api.lacks(misfit.module, misfit.name, torch)
        ):
            continue
        if not any(pair.said for id_ in others for pair in api.pairs_of(id_, facts)):
            names = (misfit.owner, misfit.other)
            means = f"{misfit.owner} calls something that this {misfit.other} no longer has or does not have yet"
            error = f"the error '{misfit.said}' in the code of {misfit.owner}"
            yield _Clash("error", error, means, dict.fromkeys(names, ""), misfit.said, names=names)


WINDOWS_SINCE = "2.4.1"
"""First torch for Windows that was built for NumPy 2; elsewhere 2.3. Source: torch_wheels.json, numpy."""
COMPILED = frozenset(
    {"torch", "torchvision", "torchaudio", "pyarrow", "pandas", "tokenizers", "datasets"}
)


@api.check(
    "numpy-abi",
    uses=(
        api.Environment,
        api.Errors,
        api.Host,
        api.Interpreter,
        api.Packages,
        api.Runtime,
        api.TorchBuild,
    ),
)
def numpy_abi(facts: api.Facts) -> api.Finding | None:
    """Use known pairs and an old torch first, then upper bounds that the stack declares, then errors."""
    pairs = [pair for pair in api.pairs_of("numpy-abi", facts) if pair.row.id != "numpy-2-abi-any"]
    numpy = facts.packages.version("numpy")
    two = api.release(numpy)[:1] >= (2,)
    error = facts.error_text() or _numpy_warning(facts)
    if pairs and not (error and pairs[0].row.trigger == "symptom"):
        return api.pair_finding(facts, pairs, error)
    capped = _requirement_below_numpy_2(facts, numpy)
    windows = two and facts.host.os == "windows"
    old = windows and api.within(facts.torch.version, f"<{WINDOWS_SINCE}")
    if not old and not capped and not error:
        return _find_declared_numpy_limit(facts, numpy)
    if numpy and not two and not old and not capped and facts.expression("/bridge").match(error):
        return _report_old_numpy(facts, numpy, error)
    printed = f"; '{error}' was printed" if error else ""
    if old:
        found = (
            f"{facts.torch.described} with NumPy {numpy}; torch for Windows before {WINDOWS_SINCE} is "
            f"built for NumPy 1{printed}"
        )
    elif capped:
        owner = f"{capped.owner.name} {capped.owner.version}"
        found = f"{owner} requires {capped.requirement}, and numpy {numpy} is installed{printed}"
    else:
        found = f"the error '{error}'" + (f", with NumPy {numpy}" if numpy else "")
    if not capped and _numpy_is_older(facts):
        cure = facts.pip("install", "--upgrade", "numpy")
        note = "the package was built for a newer NumPy; no reboot"
    else:
        cure = facts.pip("install", capped.requirement if capped else "numpy<2")
        note = "or a release of the old package that was built for NumPy 2; no reboot"
    return api.Finding(found=found, cure=cure, cure_note=note, said=error)


def _report_old_numpy(facts: api.Facts, numpy: str, error: str) -> api.Finding:
    """Report a NumPy 1 older than the one torch was built for: NumPy 2 is not the reason."""
    return api.Finding(
        title="torch cannot use NumPy",
        severity="error",
        found=f"the error '{error}', with NumPy {numpy}: NumPy 2 is not the reason",
        means="converting a tensor to an array, or an array to a tensor, fails",
        cure=facts.pip("install", "--upgrade", "numpy<2"),
        cure_note="helps if the import warns that torch was built for a newer NumPy",
        settle="python -W always -c 'import torch'",
        said=error,
    )


def _numpy_warning(facts: api.Facts) -> str:
    """Return the warning of an import that continued without NumPy."""
    bridge = facts.runtime.stage("numpy bridge")
    failed = bridge.error if bridge is not None and bridge.outcome == "failed" else ""
    for text in filter(None, (*facts.runtime.warnings, failed)):
        if facts.search("/without", text):
            return text.strip().splitlines()[0].strip()[:120]
    return ""


def _requirement_below_numpy_2(facts: api.Facts, numpy: str) -> api.Unmet | None:
    """Return the requirement of a compiled stack package that no NumPy 2 meets."""
    own = (facts.packages, facts.interpreter, facts.host, facts.torch)
    for unmet in api.unmet(*own, names=COMPILED):
        two = unmet.installed and api.release(numpy)[:1] >= (2,)
        if unmet.name == "numpy" and two and api.within("2.0.0", unmet.specifier) is False:
            return unmet
    return None


def _numpy_is_older(facts: api.Facts) -> bool:
    """Return whether a binary was built for a newer NumPy than the running one, both 1.x or both 2.x.

    A dtype has 96 bytes in NumPy 1 and 88 in NumPy 2; with these sizes the running NumPy is the newer one.
    """
    if stated := facts.matched("/api"):
        built, runs = stated[1], stated[2]
        return len(built) == len(runs) and int(built, 16) % 0x1000000 > int(runs, 16) % 0x1000000
    sizes = facts.matched("/sizes")
    return sizes is not None and sizes[1] != "96" and int(sizes[1]) > int(sizes[2])


def _find_declared_numpy_limit(facts: api.Facts, numpy: str) -> api.Finding | None:
    """Report other packages that require a NumPy below 2."""
    for distribution in facts.packages.distributions if numpy else ():
        for line in distribution.requires if distribution.name not in COMPILED else ():
            required = line[5:].strip().strip("()").replace(" ", "")
            plain = line.startswith("numpy") and ";" not in line and "<2" in required
            if plain and api.within(numpy, required) is api.within("2.0.0", required) is False:
                return _report_numpy_too_new(facts, distribution, required, numpy)
    return None


def _report_numpy_too_new(
    facts: api.Facts, owner: api.Distribution, required: str, numpy: str
) -> api.Finding:
    return api.Finding(
        title="A package declares that it does not work with NumPy 2",
        severity="note",
        found=(
            f"{owner.name} {owner.version} requires numpy{required}, and numpy {numpy} is installed"
        ),
        means=f"import {owner.name} can fail; the training does not use it",
        cure=facts.pip("install", "--upgrade", owner.name),
    )


@api.check(
    "quantisation-library-mismatch",
    uses=(api.Environment, api.Errors, api.Host, api.Interpreter, api.Packages, api.TorchBuild),
)
def quantisation_library_mismatch(facts: api.Facts) -> api.Finding | None:
    """Use known pairs, then the binary for the build's CUDA, then errors."""
    if pairs := api.pairs_of("quantisation-library-mismatch", facts):
        return api.pair_finding(facts, pairs[:1])
    version, error_text = facts.packages.version("bitsandbytes"), facts.error_text()
    lacks = _why_no_binary(facts, version)
    if lacks:
        return api.Finding(
            title="bitsandbytes has no binary for the CUDA of this torch",
            found=lacks + (f"; '{error_text}' was printed" if error_text else ""),
            means=("loading in 4 or 8 bits fails: 'CUDA Setup failed despite GPU being available'"),
            cure=facts.pip("install", "--upgrade", "bitsandbytes>=0.50.0"),
            cure_note="0.1 GB, no reboot",
            said=error_text,
        )
    if error_text:
        installed = f", from bitsandbytes {version}" if version else ""
        return api.Finding(
            title="bitsandbytes cannot run on this PyTorch and GPU",
            found=f"the error '{error_text}'{installed}",
            cure=facts.pip("install", "--upgrade", "bitsandbytes>=0.50.0"),
            cure_note="or load the model in bfloat16",
            said=error_text,
        )
    return (
        _find_quantiser_misfit(facts)
        or _suspect_quantiser(facts)
        or _find_missing_kernels(facts)
        or _find_skipped_torchao(facts)
    )


FOR_THIS_TORCH = "the release built for this torch"


def _find_quantiser_misfit(facts: api.Facts) -> api.Finding | None:
    """Find a quantisation library that misses a name of another library, or lacks one."""
    for misfit in api.misfits(facts.errors):
        if mine := QUANTISERS & {misfit.owner, misfit.other}:
            owner, other = misfit.owner, misfit.other
            return api.Finding(
                title=f"{owner} and {other} do not fit together",
                found=f"the error '{misfit.said}' in the code of {owner}",
                means=f"{owner} calls something that this {other} does not have",
                cure=_install_fitting_release(facts, max(mine), facts.torch.version),
                cure_note=FOR_THIS_TORCH,
                said=misfit.said,
            )
    return None


def _suspect_quantiser(facts: api.Facts) -> api.Finding | None:
    """Suspect a quantisation library from which unnamed code uses something it does not have."""
    settle = api.pip_line(facts.interpreter, "check")
    for misfit in api.misfits(facts.errors, loosely=True):
        if mine := QUANTISERS & {misfit.owner, misfit.other}:
            return api.Finding(
                title=f"{misfit.other} does not fit the code that calls it",
                severity="error",
                means=f"the code was written for an older or a newer {misfit.other}",
                cure=_install_fitting_release(facts, max(mine), facts.torch.version),
                cure_note=FOR_THIS_TORCH,
                settle=settle,
                said=misfit.said,
            )
    return None


def _find_missing_kernels(facts: api.Facts) -> api.Finding | None:
    kernels = facts.matched("/kernels")
    if kernels is None:
        return None
    return api.Finding(
        title="Compiled kernels of a quantisation library are missing",
        severity="error",
        means=("a model quantised with GPTQ, AWQ, HQQ or quanto fails, or runs many times slower"),
        cure=facts.pip("install", "--upgrade", "gptqmodel", "optimum"),
        cure_note=(
            "gptqmodel loads GPTQ and AWQ models; auto-gptq and autoawq have no new releases any "
            "more"
        ),
        settle=api.pip_line(facts.interpreter, "list"),
        said=kernels[0].strip(" :-")[:140],
    )


def _find_skipped_torchao(facts: api.Facts) -> api.Finding | None:
    """Find a torchao that does not load its kernels with this torch, and says so."""
    skipped = facts.error_text("/torchao")
    if not skipped:
        return None
    requested = facts.matched("/torch")
    torch = facts.torch.version or (requested[1] if requested else "")
    version = facts.packages.version("torchao")
    own = api.minor(torch) in api.table("known_bad")["torchao"]
    return api.Finding(
        title="torchao was built for another PyTorch",
        severity="note",
        found=f"{f'torchao {version}'.strip()} prints '{skipped}'",
        means="training continues; torchao's int4 and fp8 kernels are missing or slow",
        cure=_install_fitting_release(facts, "torchao", torch),
        cure_note=FOR_THIS_TORCH if own else "",
        said=skipped,
    )


def _why_no_binary(facts: api.Facts, version: str) -> str:
    """Return why a release has no binary for the build's CUDA; "" if it has one or that is unknown."""
    other = facts.host and (facts.host.os, facts.host.machine) != ("linux", "x86_64")
    cuda = facts.torch.cuda if facts.torch.accelerator == "cuda" else ""
    if not cuda or other or facts.environment.get("BNB_CUDA_VERSION"):
        return ""
    codes = api.bitsandbytes_lacks(version, cuda)
    if not codes:
        return ""
    have = api.listed((f"{code // 10}.{code % 10}" for code in codes[-3:]), 3)
    return f"{facts.torch.described} is built for CUDA {cuda}; bitsandbytes {version} has binaries up to {have}"


def _install_fitting_release(facts: api.Facts, name: str, torch: str) -> api.Cure:
    built = api.table("known_bad")["torchao"] if torch and name == "torchao" else {}
    own = built.get(api.minor(torch), "")
    return facts.pip("install", *([f"{name}=={own}"] if own else ["--upgrade", name]))
