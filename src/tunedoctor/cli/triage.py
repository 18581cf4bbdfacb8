"""doctor triage: one report, or a line for each of many."""

import gc
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from tunedoctor.cli.command_options import TriageOptions
from tunedoctor.cli.formats import outputs_of, tell
from tunedoctor.cli.options import TERMINAL, Options, aim, look
from tunedoctor.cli.output import write
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import read_log
from tunedoctor.core.triage import diagnose_log
from tunedoctor.project.declarations import LOCKS, declaration_of, read_text
from tunedoctor.render.screen import as_line

if TYPE_CHECKING:  # with it come processes, which one report does not need
    from tunedoctor.core.triage_files import TriagedFile


def run_triage(given: TriageOptions) -> int:
    """Diagnose pasted reports; returns the exit code."""
    check_combinations(given)
    first, *more = given.files
    outputs = outputs_of("triage", given.output, given.report)
    # a policy is about the machines of the folder, not about those that people report of
    options = Options.of(given)
    criteria = options.criteria.without_policy()._replace(shared=not given.keep_host)
    options = options._replace(criteria=criteria, outputs=outputs)
    began = time.perf_counter()
    if more or Path(first).is_dir():
        if given.here:
            misuse("--here is for one report", "name the one that this machine printed")
        return _print_rows(options, given.files)
    found = diagnose_log(
        read_log(first),
        criteria,
        look=(lambda: look(aim(given.target, own=given.own))) if given.here else None,
        began=began,
        interaction=TERMINAL,
    )
    report = found.report
    if report.verdict == "unknown" and (command := project_command(first)):
        # few reports are files of a project
        from io import BytesIO  # noqa: PLC0415

        from tunedoctor.core.declared_set import pinned_versions  # noqa: PLC0415
        from tunedoctor.model.wording import many  # noqa: PLC0415
        from tunedoctor.readers.digest import from_stream  # noqa: PLC0415

        if pins := pinned_versions(Path(first)):
            TERMINAL.say(f"{first} pins {many(len(pins), 'package')}, judged as if installed")
            text = "\n".join(("$ pip freeze", *pins, ""))
            found = diagnose_log(from_stream(BytesIO(text.encode())), criteria, began=began)
        report = replace(found.report, next=command, suspected=())
    return tell(report, options, found.snapshot)


def project_command(file: str) -> str:
    """Return the command that judges a file of a project, such as requirements.txt; "" if it is another file."""
    path = Path(file)
    name = path.name
    if not path.is_file():
        return ""
    if name.endswith((".txt", ".in")) and ("requirements" in name or _lists_packages(path)):
        folder = "" if path.parent == Path() else f" --project {shlex.quote(str(path.parent))}"
        return f"doctor check{folder} -r {shlex.quote(name)} judges what it declares"
    if name in ("pyproject.toml", "environment.yml", "pixi.toml") or name in LOCKS:
        return f"doctor check --project {shlex.quote(str(path.parent))} judges what it declares"
    return ""


def _lists_packages(path: Path) -> bool:
    """Return whether every line of a file is a requirement, and one of them is of a training library."""
    from tunedoctor.contracts.requirements import STACK  # noqa: PLC0415  as above

    rows = [row.strip() for row in read_text(path.parent, path.name).split("\n")]
    rows = [row for row in rows if row and not row.startswith(("#", "-"))]
    names = [declaration_of(row.partition(" #")[0], path.name, 1, "dependency") for row in rows]
    return all(names) and any(one.name in STACK for one in names if one)


def _print_rows(options: Options, sources: Sequence[str]) -> int:
    """Print a row for each file. Returns 1 if one has findings, else 2 if one is undecided or was not read, else 0."""
    from tunedoctor.core.triage_files import find_files, triage_files  # noqa: PLC0415  as above

    if options.format not in ("terminal", "jsonl") or options.outputs:
        what = "--output" if options.outputs else f"--format {options.format}"
        misuse(f"{what} is for one report", "--format jsonl gives each in one line")
    gc.enable()  # main turns it off for short runs
    files = find_files(sources)
    began = time.perf_counter()
    count: Counter[str] = Counter()
    for result in triage_files(files, options.criteria):
        count[result.report.verdict if result.report else ""] += 1
        for note in result.notes:
            TERMINAL.say(note)
        write(_row(result, as_json=options.format == "jsonl"))
    if options.format == "terminal":
        not_read = f", {count['']} not read" if count[""] else ""
        write(
            f"{len(files)} reports: {count['findings']} with findings, {count['ready']} ready, "
            f"{count['unknown']} undecided{not_read}   {time.perf_counter() - began:.1f} s\n"
        )
    if count["findings"]:
        return 1
    return 2 if count["unknown"] or count[""] else 0


def _row(result: "TriagedFile", *, as_json: bool) -> str:
    file, report = result.file, result.report
    if report is None:
        problem = result.problem
        return as_line({}, file=file, problem=problem) if as_json else f"{file}  {problem}\n"
    if as_json:
        return as_line(report, file=file)
    first = "".join(f"  {one.id}  {one.title}" for one in report.findings[:1])
    return f"{file}  {report.verdict}{first}\n"


def check_combinations(options: TriageOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if (options.target or options.own) and not options.here:
        misuse("--target is an environment of this machine", "add --here to look at it too")
