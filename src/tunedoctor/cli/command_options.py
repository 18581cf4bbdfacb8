"""The options of each command as typed values: what commands/ parses, and what the command's function takes.

Fields have the names of the options; docs/ and --help say what each means.
"""

from typing import Literal

import msgspec

from tunedoctor.render.format_names import ReportFormat


class TargetOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options that name the environment to examine."""

    target: str | None = None
    own: bool = False


class ReportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of the commands that diagnose: which checks run, how the report looks, and what fails."""

    format: ReportFormat = "terminal"
    output: tuple[str, ...] = ()
    verbose: bool = False
    quiet: bool = False
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    fail_on: Literal["error", "warning", "note", "never"] | None = None
    strict: bool = False
    plugin: tuple[str, ...] = ()


class MachineOptions(TargetOptions, frozen=True, kw_only=True):
    """Options that describe a machine instead of this one."""

    gpus: tuple[str, ...] = ()
    driver: str = ""
    python: str = ""
    platform: str = ""
    arch: str = ""
    glibc: str = ""


class CheckOptions(ReportOptions, frozen=True, kw_only=True):
    """Options of doctor check."""

    target: str | None = None
    own: bool = False
    system: bool = False
    report: str = ""
    open: bool = False
    config: str | None = None
    profile: Literal["project", "node", "runner", "image"] = "project"
    require_environment: bool = False
    baseline: str = ""
    write_baseline: bool = False
    timeout: float = 0.0
    source: str | None = None
    configuration: str = ""
    """--for: the configuration of a training framework that is judged too."""
    deep: bool = False
    smoke: bool = False
    project: str | None = None
    """The folder whose declarations are judged; None for an environment, "" for the working folder."""
    requirements: str = ""
    gpus: tuple[str, ...] = ()
    driver: str = ""
    platform: str = ""
    arch: str = ""
    python: str = ""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    allow_project_sources: bool = False
    typed: frozenset[str] = frozenset()
    """Names of the options that stand on the command line."""


class TriageOptions(ReportOptions, frozen=True, kw_only=True):
    """Options of doctor triage."""

    target: str | None = None
    own: bool = False
    files: tuple[str, ...]
    here: bool = False
    report: str = ""
    keep_host: bool = False


class RunOptions(TargetOptions, frozen=True, kw_only=True):
    """Options of doctor run."""

    command: tuple[str, ...] = ()
    report: str = ""


class WheelOptions(MachineOptions, frozen=True, kw_only=True):
    """Options of doctor wheel."""

    format: Literal["terminal", "json"] = "terminal"
    torch: str = ""
    without: tuple[str, ...] = ()
    musl: bool = False
    macos: str = ""
    matrix: bool = False
    source: str | None = None


class SetOptions(MachineOptions, frozen=True, kw_only=True):
    """Options of doctor set."""

    packages: tuple[str, ...] = ()
    requirements: str = ""
    format: Literal["terminal", "json"] = "terminal"
    verbose: bool = False
    freeze: str = ""
    pyproject: str = ""
    force: bool = False
    allow_project_sources: bool = False
    offline: bool = False


class TrainArguments(TargetOptions, frozen=True, kw_only=True):
    """Options of doctor train."""

    init: bool = False
    eject: str = ""
    processes: int = 1
    nodes: int = 0
    slurm: str | None = None
    ray: str | None = None
    kubernetes: str | None = None
    exclude: str = ""
    wait: int = 600
    manifest: bool = False
    image: str = ""
    resource: str = ""
    claim: str = "training"
    columns: str = ""
    no_check: bool = False
    report: str = ""
    force: bool = False
    typed: frozenset[str] = frozenset()
    """Names of the options that stand on the command line."""
    rest: tuple[str, ...] = ()
    """Configuration files and --KEY VALUE words for the trainer."""


class ChatArguments(TargetOptions, frozen=True, kw_only=True):
    """Options of doctor chat."""

    out: str = "out"
    prompt: str = ""
    compare: bool = False
    max_tokens: int = 256
    temperature: float = 0.0
    system: str = ""


class ExportArguments(TargetOptions, frozen=True, kw_only=True):
    """Options of doctor export."""

    out: str = "out"
    merged: str = ""
    gguf: str = ""
    modelfile: str = ""
    force: bool = False


class FixArguments(TargetOptions, frozen=True, kw_only=True):
    """Options of doctor fix."""

    ids: tuple[str, ...] = ()
    format: Literal["terminal", "json"] = "terminal"
    verbose: bool = False
    only: tuple[str, ...] = ()
    dry_run: bool = False
    smallest: bool = False
    yes: bool = False
    plan: str = ""
    script: str | None = None
    installer: Literal["uv", "pip"] | None = None
    new: str | None = None
    packages: tuple[str, ...] = ()
    requirements: str = ""
    python: str | None = None
    deep: bool = False
    smoke: bool = False
    no_import: bool = False
    system: bool = False
    edit: bool = False
    environment_only: bool = False
    project: str | None = None
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    gpus: tuple[str, ...] = ()
    driver: str = ""
    platform: str = ""
    arch: str = ""
    allow_project_sources: bool = False
    plugin: tuple[str, ...] = ()


class UndoOptions(TargetOptions, frozen=True, kw_only=True):
    """Options of doctor undo."""

    id: str | None = None
    project: str | None = None
    listed: bool = False
    format: Literal["terminal", "json"] = "terminal"


class ExplainOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of doctor explain."""

    id: str = ""
    listed: bool = False
    plugin: tuple[str, ...] = ()


class DiffOptions(TargetOptions, frozen=True, kw_only=True):
    """Options of doctor diff."""

    a: str
    b: str
    verbose: bool = False
    format: Literal["terminal", "json", "markdown"] = "terminal"


class FleetOptions(ReportOptions, frozen=True, kw_only=True):
    """Options of doctor fleet."""

    files: tuple[str, ...] = ()
    slurm: str | None = None
    ray: str | None = None
    kubernetes: str | None = None
    ssh: str | None = None
    profile: Literal["node", "project"] | None = None
    smoke: bool = False
    doctor: str = ""
    timeout: float = 120.0
    image: str = ""
    manifest: bool = False
    at_once: int = 64
    last: str = ""
    drain: bool = False
    undrain: bool = False
    cordon: bool = False
    uncordon: bool = False
    label: bool = False
    unlabel: bool = False
    yes: bool = False
    at_most: int | None = None
    max_age: float = 1.0
    config: str | None = None


class ConfigOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of doctor config."""

    config: str | None = None
    format: Literal["terminal", "json"] = "terminal"


class PolicyOptions(TargetOptions, frozen=True, kw_only=True):
    """Options of doctor policy."""

    what: Literal["init"] = "init"
    here: bool = False
    source: str | None = None
    output: str = "doctor.toml"
    force: bool = False


class SnapshotOptions(TargetOptions, frozen=True, kw_only=True):
    """Options of doctor snapshot."""

    system: bool = False
    output: str = "-"
    deep: bool = False
    smoke: bool = False
    profile: Literal["project", "node", "runner"] = "project"
    config: str | None = None
    keep_host: bool = False


class EnvsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of doctor envs."""

    quick: bool = False
    format: Literal["terminal", "json"] = "terminal"


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of doctor demo."""

    format: Literal["terminal", "html"] = "terminal"


class SchemaOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of doctor schema."""

    name: Literal[
        "report",
        "wheel",
        "matrix",
        "set",
        "fit",
        "data",
        "fix",
        "smoke",
        "envs",
        "config",
        "diff",
        "fleet",
    ] = "report"


class UpdateOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of doctor update."""

    index: str = ""
    format: Literal["terminal", "json"] = "terminal"
    force: bool = False
    dry_run: bool = False
    offline: bool = False


class McpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of doctor mcp."""

    allow_fix: bool = False
    timeout: float = 300.0


class CompletionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of doctor completion."""

    shell: Literal["bash", "zsh", "fish", "powershell"] = "bash"
