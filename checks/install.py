import re
from collections.abc import Sequence

from tunedoctor import api

WHAT: dict[str, str] = api.table("probes")["faults"]
"""Fault -> its description, worst first."""
OF_TORCH = {"sympy", "networkx", "typing-extensions", "mpmath", "setuptools"}
STACK = frozenset(api.table("probes")["stack"]) | OF_TORCH
"""The stack and its dependencies."""
REMAINS = tuple(sorted(name[1:] for name in STACK))


@api.check(
    "broken-install",
    uses=(
        api.AmdGpus,
        api.ImportContracts,
        api.Environment,
        api.Errors,
        api.Host,
        api.IntelGpu,
        api.Interpreter,
        api.NvidiaGpus,
        api.NvidiaDriver,
        api.Packages,
        api.PciBus,
        api.TorchBuild,
        api.Typed,
    ),
)
def broken_install(facts: api.Facts, packages: api.Packages | api.Unknown | None) -> api.Result:
    """Report the worst fault in the stack; leftovers of other packages are a note."""
    faults = sorted(facts.packages.broken, key=lambda b: [*WHAT].index(b.problem))
    # missing metadata of conda's own packages is common and harmless
    harmless = {("no metadata", name) for name in facts.packages.conda}
    ours = [fault for fault in faults if fault.problem != "leftover" and fault.name in STACK]
    # local-file-shadowing reports copies that PYTHONPATH puts before the installed one
    hidden_by_path = {
        (copy.name, copy.hidden_by)
        for copy in facts.packages.copies
        if copy.hidden_by in facts.interpreter.pythonpath
    }
    real = [fault for fault in ours if (fault.problem, fault.name) not in harmless]
    real = [fault for fault in real if (fault.name, fault.location) not in hidden_by_path]
    if real or facts.contracts.damaged:
        return (
            _report_faulty(facts, real) if real else _report_damaged(facts, facts.contracts.damaged)
        )
    for error in facts.errors.errors:
        if finding := _find_in_error(facts, error):
            return finding
    if gone := api.metadata_gone(facts.errors, facts.typed, replaced=False):
        # pip then fails for every package, not only for this one
        return _report_missing_metadata(facts, gone)
    for error in facts.errors.errors:
        if finding := _find_mixed_releases(facts, error) or _find_missing_part(facts, error):
            return finding
    if isinstance(packages, api.Unknown):
        return packages
    return _find_leftovers([fault for fault in faults if fault.problem == "leftover"])


STOP_PYTHON = "stop every Python that uses this environment first"
INVALID = "they use disk space, and pip prints 'Ignoring invalid distribution' on every run"


def _reinstall(facts: api.Facts, name: str) -> api.Cure:
    return facts.pip("install", "--force-reinstall", "--no-deps", name)


def _report_faulty(facts: api.Facts, real: list[api.BrokenDistribution]) -> api.Finding:
    first = real[0]
    installed = facts.packages.get(first.name)
    # an index need not have the version of an editable install
    version = installed.version if installed and not installed.editable else ""
    cure = api.reinstall(facts.interpreter, facts.torch, first.name, version)
    if first.name == "torch" and version and not facts.torch:
        cure = api.same_torch(facts.interpreter, version, version.partition("+")[2])
    if first.name == "torch" and not version:
        cure = api.torch_install(facts).cure.with_flag("--force-reinstall") or cure
    faults = (f"{b.name}: {WHAT[b.problem]} ({b.detail}) in {b.location}" for b in real)
    return api.Finding(
        title=f"{first.name} is damaged: {WHAT[first.problem]}",
        found=api.clauses(faults),
        means=f"import {first.name.replace('-', '_')} fails, or packages that import it fail",
        cure=cure,
        cure_note=STOP_PYTHON,
        evidence=tuple({f"{b.location}/{re.split(',|: ', b.detail)[0]}": 1 for b in real})[:4],
    )


def _report_damaged(facts: api.Facts, damaged: Sequence[api.DamagedFile]) -> api.Finding:
    """Report packages whose files differ from RECORD and lack what others import from them."""

    def weight(damaged_file: api.DamagedFile) -> tuple[bool, bool, int]:
        return (
            damaged_file.distribution != "torch",
            damaged_file.distribution not in STACK,
            -len(damaged_file.dependents),
        )

    worst = sorted(damaged, key=weight)
    first = worst[0]
    needed = any(map(api.needed_library, (first.distribution, *first.dependents)))
    version = facts.packages.version(first.distribution)
    name = first.distribution
    return api.Finding(
        title=f"{name} is damaged: one of its files was replaced",
        severity="error" if needed or name in STACK else "warning",
        found=api.clauses(map(_describe_damage, worst)),
        means=f"import {name} fails or hangs, and so does every package that imports it",
        cure=api.reinstall(facts.interpreter, facts.torch, name, version),
        cure_note=STOP_PYTHON,
        evidence=tuple(damaged_file.file for damaged_file in worst)[:4],
    )


def _describe_damage(damaged_file: api.DamagedFile) -> str:
    """Return one clause about a damaged file."""
    lacks = api.listed(damaged_file.names, 2)
    missed = (
        f", and {api.listed(damaged_file.dependents, 2)} cannot import {lacks}"
        if damaged_file.dependents
        else ""
    )
    error = f" ({damaged_file.error})" if damaged_file.error else ""
    return f"{damaged_file.file} is not the file that {damaged_file.distribution} installed{error}{missed}"


def _report_missing_metadata(facts: api.Facts, gone: api.Gone) -> api.Finding:
    name = gone.name
    return api.Finding(
        title="The metadata of a package is missing",
        means="every pip install fails, and so does code that asks for the package's version",
        cure=facts.pip("install", "--ignore-installed", "--no-deps", f"{name}=={gone.version}"),
        cure_note=f"if pip fails here too, delete the .dist-info folder of {name} first",
        said=gone.said,
    )


def _find_in_error(facts: api.Facts, error: api.ErrorText) -> api.Finding | None:
    for kind in ("cut-file", "no-record", "bad-entry", "busy"):
        if match := facts.search(f"/{kind}", error.text):
            name = api.brought_by(match[1])
            name = name if name in STACK else _restore_name(match[1].lower())
            if name in STACK:
                means = f"some files of {name} were not written completely, or RECORD is incomplete"
                return _report_partly_installed(facts, name, means, match[0])
            break
    for kind in ("compiled", "uv-read"):
        if part := facts.search(f"/{kind}", error.text):
            name = api.brought_by(_module_of_part(part))
            # doctor's own import in an environment that has the package needs no confirmation
            own = error.where.startswith("import ") and facts.packages.version(name)
            show = f"{api.pip_line(facts.interpreter, 'show')} --files {name}"
            settle = "" if own or kind == "uv-read" else show
            means = f"files of {name} are missing, or were built for another Python"
            return _report_partly_installed(
                facts, name, means, " ".join(part[0].split())[:140], settle
            )
    if versionless := facts.search("/none-found", error.text):
        error_text, name = versionless[0], versionless[1]
        found = f"the error '{error_text}': the metadata of {name} contains no version"
        return _report_half_removed(facts, name, found, error_text)
    half = facts.search("/invalid", error.text)
    name = _restore_name(half[1].lower().replace("_", "-")) if half else ""
    if half is None or name not in STACK:
        return None
    if facts.torch if name == "torch" else facts.packages.version(name):
        return _report_remains(facts, name, half[0])
    found = f"the error '{half[0]}': an upgrade was interrupted"
    return _report_half_removed(facts, name, found, half[0])


def _report_partly_installed(
    facts: api.Facts, name: str, means: str, error_text: str, settle: str = ""
) -> api.Finding:
    return api.Finding(
        title=f"{name} is only partly installed",
        means=means,
        cure=_reinstall(facts, name),
        cure_note=f"{STOP_PYTHON}; this reinstalls the same build",
        settle=settle,
        said=error_text,
    )


def _report_half_removed(facts: api.Facts, name: str, found: str, error_text: str) -> api.Finding:
    return api.Finding(
        found=found,
        means=f"imports that check the version of {name} fail, or {name} is only partly removed",
        cure=_reinstall(facts, name),
        cure_note=STOP_PYTHON,
        said=error_text,
    )


def _report_remains(facts: api.Facts, name: str, error_text: str) -> api.Finding:
    """Report leftovers beside a complete package: pip ignores them and says so on each run."""
    rest = name[1:].replace("-", "_")
    return api.Finding(
        title=f"Remains of an older {name} are in site-packages",
        severity="warning",
        found=f"pip says '{error_text}', although {name} is installed",
        means=INVALID,
        cure=_reinstall(facts, name),
        cure_note=f"or delete the folder ~{rest}* in site-packages; stop every Python first",
        said=error_text,
    )


def _restore_name(name: str) -> str:
    """Return the stack name whose first letter pip replaced with ~, or the name unchanged."""
    return next((n for n in sorted(STACK) if n[1:] == name), name)


def _module_of_part(part: re.Match[str]) -> str:
    """Return the module of a compiled part, or the package that uv names."""
    groups = {key: value for key, value in part.groupdict().items() if value}
    module = next((groups[n] for n in ("package", "torch", "other", "mac") if n in groups), "")
    module = module or groups.get("from", "").partition(".")[0]
    return module or ("numpy" if "numpy" in groups else next(filter(None, part.groups()), ""))


def _find_mixed_releases(facts: api.Facts, error: api.ErrorText) -> api.Finding | None:
    """Find a package whose file imports a missing part of itself: files of two releases are mixed."""
    missing = facts.search("/own-part", error.text)
    folder = facts.search("/of-package", error.frames[-1].file if error.frames else "")
    if missing is None or folder is None or folder[1] != missing[1]:
        return None
    name = api.brought_by(missing[1])
    if name not in STACK or name in ("torch", "numpy"):
        return None
    return api.Finding(
        title=f"{name} is damaged: a part of it is missing",
        found=f"the error '{missing[0]}', raised inside {name} itself",
        means=f"files of two releases of {name} are mixed, so importing it fails",
        cure=_reinstall(facts, name),
        cure_note="delete the package's folder in site-packages first",
        said=missing[0],
    )


def _find_missing_part(facts: api.Facts, error: api.ErrorText) -> api.Finding | None:
    """Find a part that doctor's own import missed and that no version pair explains.

    Only a package's own files show what belongs to it: what another library asks for can be of another release.
    """
    match = facts.search("/part", error.text)
    if match is None or not facts.packages.complete:
        return None
    module = match["part"] or match["folder"]
    name = api.brought_by(module)
    # a missing part can belong to another version; a folder without code is always a fault
    is_package = name in STACK or match["folder"]
    if not is_package or not error.where.startswith(("import ", "transformers ", "trl ")):
        return None
    contracts = api.broken_contracts(facts.contracts, api.versions_of(facts.packages, facts.torch))
    by_pair = ("library-version-clash", "quantisation-library-mismatch")
    installed = facts.packages.get(name)
    if (
        installed is None
        or (match["part"] and next(iter(api.owners(error)), name) != name)
        or any(
            contract.module in error.text for contract in contracts if contract.neighbour == name
        )
        or any(api.pairs_of(check_id, facts) for check_id in by_pair)
    ):
        return None
    has = f"{installed.name} {installed.version}"
    return api.Finding(
        title=f"{installed.name} is damaged: a part of it is missing",
        found=f"the error '{match[0]}' in {error.where}, although {has} is installed",
        means=f"import {module} fails, or packages that import it fail",
        cure=api.reinstall(facts.interpreter, facts.torch, name, installed.version),
        cure_note=STOP_PYTHON,
        said=match[0],
    )


def _find_leftovers(faults: list[api.BrokenDistribution]) -> api.Finding | None:
    stack = [b for b in faults if b.name.lstrip("~").replace("_", "-").startswith(REMAINS)]
    incomplete = stack or faults
    if not incomplete:
        return None
    folder = incomplete[0].location
    files = " ".join(f"'{b.location}/{b.name}'" for b in incomplete)
    return api.Finding(
        title="Remains of an interrupted upgrade are in site-packages",
        severity="warning" if stack else "note",
        found=f"{api.listed([b.name for b in incomplete])} in {folder}",
        means=INVALID,
        cure=api.tell(f"rm -r {files}"),
        cure_note=STOP_PYTHON,
        evidence=(folder,),
    )


@api.check("leftover-library", uses=(api.Errors,))
def leftover_library(facts: api.Facts, errors: api.Errors | api.Unknown) -> api.Finding | None:
    """Find a torch library or a cached extension that lacks a symbol of torch."""
    if match := facts.matched("/cached"):
        return _report_cached_extension(match)
    if match := facts.matched("/launcher"):
        return _report_cached_launcher(match)
    if match := facts.matched("/outside"):
        return _report_outside_library(match)
    if match := facts.matched("/own"):
        file, symbol = match["file"], match["symbol"][:90]
        return api.Finding(
            found=(
                f"{file} needs {symbol}, which a library of the same wheel has: another one is "
                "loaded"
            ),
            cure=api.tell(f"ldd {file}"),
            cure_note=(
                "remove each libc10 or libtorch that it shows outside of site-packages, then run "
                "ldconfig; if all are inside, reinstall torch"
            ),
            settle=f"ldd {file} | grep -E 'c10|torch'",
        )
    return None


def _report_cached_extension(match: re.Match[str]) -> api.Finding:
    cache, file, symbol = match["cache"], match["file"], match["symbol"]
    # driver symbols are also missing if no real libcuda is loaded
    of_torch = symbol.startswith("_Z")
    return api.Finding(
        title="A cached extension was compiled for another PyTorch",
        found=f"{cache}{file} needs {symbol[:90]}, which none of the loaded libraries has",
        means="the extension is loaded from the cache, not compiled again, and its import fails",
        cure=api.tell(f"rm -rf {cache}"),
        cure_note="the next start compiles it again, which needs the nvcc of torch's CUDA version",
        settle=(
            ""
            if of_torch
            else "TORCHINDUCTOR_CACHE_DIR=$(mktemp -d) TRITON_CACHE_DIR=$(mktemp -d) python SCRIPT"
        ),
        evidence=(cache,),
    )


def _report_cached_launcher(match: re.Match[str]) -> api.Finding:
    return api.Finding(
        title="A module in Triton's cache no longer loads",
        found=(
            f"the error '{match[0]}': Triton itself compiles {match['module']} and keeps it in its "
            "cache"
        ),
        means="Triton kernels and torch.compile fail when they start",
        cure=api.tell(
            'Remove-Item -Recurse -Force "$HOME\\.triton\\cache", "$env:TEMP\\torchinductor_*"'
        ),
        cure_note=(
            "the next start compiles it again; if that fails to load too, the C++ runtime is "
            "missing: winget install --exact Microsoft.VCRedist.2015+.x64"
        ),
        said=match[0],
    )


def _report_outside_library(match: re.Match[str]) -> api.Finding:
    file = match["file"]
    folder = file.rpartition("/")[0]
    return api.Finding(
        title="A system folder holds a library of another PyTorch",
        found=f"{file} is loaded from outside any environment and lacks {match['symbol'][:90]}",
        means=(
            "import torch fails with 'undefined symbol': this file is loaded in place of the "
            "installed torch's own"
        ),
        cure=api.tell(f"ls -l {folder}/libtorch* {folder}/libc10*"),
        cure_note=("files left by an earlier build from source: move them away, then run ldconfig"),
        evidence=(file,),
    )
