"""The tools of doctor mcp: which functions of the library an agent can call, and which of their parameters.

Input, description and output of a tool come from the function: its signature, the first paragraph of its docstring and
the type of its result. A row lists the parameters that agents get, so that a new parameter of the library reaches them
only on purpose: it could write files or run code of a plug-in.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from io import BytesIO, TextIOWrapper
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from tunedoctor.cli import tool_schema
from tunedoctor.core.arguments import (
    DriverArgument,
    PlatformArgument,
    PythonArgument,
    TargetArgument,
)
from tunedoctor.core.check import check
from tunedoctor.core.check_project import check_project
from tunedoctor.core.criteria import NO_SETTINGS, Criteria, find_settings
from tunedoctor.core.data import check_data
from tunedoctor.core.errors import misuse
from tunedoctor.core.explain import explain_topic
from tunedoctor.core.fit import fit
from tunedoctor.core.fix import fix
from tunedoctor.core.package_set import package_set
from tunedoctor.core.triage import triage
from tunedoctor.core.wheel import wheel
from tunedoctor.data.report import DataReport
from tunedoctor.diagnosis.report import Report
from tunedoctor.memory.fit_report import FitReport
from tunedoctor.planning.package_set import PackageSet
from tunedoctor.render.explain import render_explanation
from tunedoctor.render.screen import screen_for
from tunedoctor.transaction.outcome import FixResult
from tunedoctor.wheels.choose import WheelChoice

INSTRUCTIONS = (
    "tunedoctor finds and fixes what stops this machine from fine-tuning language models. After an error, call triage "
    "with the whole error text. If training does not start yet, call check with target = the folder of the Python "
    "environment. Before installing a project, call check_project; before choosing a model, fit; before training, "
    "data. A finding's cure.command is the command that fixes it, to run in the user's shell; plan_fix shows how "
    "doctor would apply the fixes. Results leave out empty fields. The verdict "
    "'unknown' means that a check had no result, not that it passed."
)
_LONGEST = 1 << 18
"""Characters of a text that is read in the server's process; a longer one takes seconds."""
_ALL = "all"
"""The argument that asks for the keys that a tool leaves out otherwise."""
_NETWORK = "it asks package indexes and starts the environment's interpreter"


class ExplanationText(msgspec.Struct, frozen=True):
    """An explanation for people, as text."""

    text: str


def explain(
    id: Annotated[  # noqa: A002  the name that agents know
        str, Meta(description="Id of a finding, for example torch-cpu-only, or name of a page.")
    ] = "",
    text: Annotated[str, Meta(description="An error text, instead of an id.")] = "",
) -> ExplanationText:
    """Explain a finding by its id, a page of doctor's documentation (fit, fix, train, data), or an error text."""
    if id and text:
        misuse("id and text are both given", "give one of them")
    shown = screen_for(TextIOWrapper(BytesIO(), "utf-8"), os.environ)
    return ExplanationText(render_explanation(explain_topic(id, text or None, Criteria), shown))


class ProjectReports(msgspec.Struct, frozen=True):
    """What a project's declaration means for each machine."""

    reports: tuple[Report, ...]


def judge_project(  # noqa: PLR0913  what an agent can describe
    project: Annotated[str, Meta(description="Folder of the project.")] = ".",
    *,
    gpu: Annotated[
        Sequence[str], Meta(description="GPU models to judge it for, one report each.")
    ] = (),
    driver: DriverArgument = None,
    platform: PlatformArgument = None,
    python: PythonArgument = None,
    extra: Annotated[Sequence[str], Meta(description="Optional dependencies to include.")] = (),
    group: Annotated[Sequence[str], Meta(description="Dependency groups to include.")] = (),
) -> ProjectReports:
    """Judge what a project declares (pyproject.toml, lock, requirements), before anything is installed."""
    reports = check_project(
        project,
        gpus=gpu,
        driver=driver,
        platform=platform,
        python=python,
        extras=extra,
        groups=group,
    )
    return ProjectReports(reports)


def judge_data(
    files: Annotated[Sequence[str], Meta(description="Files or folders of training data.")],
    *,
    valid: Annotated[Sequence[str], Meta(description="Held-out files.")] = (),
    model: Annotated[str, Meta(description="Count tokens with this model's tokenizer.")] = "",
    seq: Annotated[
        int | None, Meta(ge=1, description="Report what this sequence length cuts off.")
    ] = None,
    target: TargetArgument = None,
) -> DataReport:
    """Find what is wrong with training data: faulty rows, duplicates, leaks between splits, secrets, lengths."""
    return check_data(files, valid=valid, model=model, seq=seq, target=target)


class AgentTool(NamedTuple):
    """A tool: a function of the library, the parameters that an agent may use, and where it runs."""

    title: str
    function: Callable[..., Any]
    command: str
    """The doctor command that does the same in a child process."""
    result: type[msgspec.Struct]
    keys: tuple[str, ...]
    """The main keys of the result; few, because an agent reads them for each tool."""
    parameters: tuple[str, ...]
    about: str = ""
    """The first sentences of the description; "" for the first paragraph of the function's docstring."""
    note: str = ""
    """What the description adds."""
    required: tuple[str, ...] = ()
    """Parameters that an agent must give though they have a default."""
    text: str = ""
    """The parameter that can be a long text; the command reads it from stdin."""
    fixed: Mapping[str, bool] = {}
    """Options that the command always gets."""
    leaves: tuple[str, ...] = ()
    """Keys that are left out of the result, at any depth, unless the agent asks for `all`."""
    child: str = ""
    """Why each call runs in a child process; "" if a call can run in the server's process."""
    network: bool = False
    """It asks package indexes."""
    changes: bool = False
    """It changes an environment; the tool exists only with --allow-fix."""
    several: str = ""
    """The key of the result that has the values, for a command that prints several."""

    @property
    def is_page(self) -> bool:
        """True if the command prints a page instead of JSON."""
        return self.result is ExplanationText


class Interface:
    """The description and the schemas of a tool, and the parser of its arguments."""

    def __init__(self, tool: AgentTool) -> None:
        """Take a tool."""
        self._tool = tool
        texts = (tool.text,) if tool.text else ()
        self._input = tool_schema.input_type(
            tool.function,
            tool.parameters,
            required=tool.required,
            texts=texts,
            more={_ALL: Annotated[bool, Meta(description=f"Also return {', '.join(tool.leaves)}.")]}
            if tool.leaves
            else {},
        )

    @property
    def description(self) -> str:
        """The tool's description: the summary of the function, and the note."""
        about = self._tool.about or tool_schema.summary(self._tool.function)
        return f"{about} {self._tool.note}".strip()

    @cached_property
    def input(self) -> dict[str, Any]:
        """The JSON Schema of the arguments."""
        return tool_schema.input_schema(self._input, self._tool.function)

    @cached_property
    def output(self) -> dict[str, Any]:
        """The JSON Schema of the result."""
        return tool_schema.output_schema(self._tool.result, self._tool.keys)

    def arguments(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        """Return the arguments for the function, and whether all keys of the result are asked for.

        Raises DoctorError if the function does not take what the agent gave.
        """
        try:
            found = tool_schema.arguments_of(self._input, values)
            return found, bool(found.pop(_ALL, False))
        except msgspec.ValidationError as error:
            what, _, place = str(error).partition(" - at ")
            name = place.strip("`$.") or "arguments"
            what = f"{what[:1].lower()}{what[1:]}"[-300:]
            misuse(f"{name}: {what}", "the tool's inputSchema says what it takes")


def child_reason(tool: AgentTool, arguments: Mapping[str, Any]) -> str:
    """Return why a call runs in a child process; "" if it runs in the server's process.

    A thread cannot be ended: what asks the network, runs an environment's packages or code of a plug-in, or changes
    something gets a process, which ends at the time limit or when the agent cancels the call.
    """
    if tool.child:
        return tool.child
    if arguments.get("deep"):
        return "it runs the environment's packages"
    if len(arguments.get(tool.text, "")) > _LONGEST:
        return "the text is long"
    if find_settings() != NO_SETTINGS:
        # functions of the library leave the settings of the working folder alone, and they can name plug-ins
        return "the command reads the settings of the working folder"
    return ""


_MACHINE = ("gpus", "driver", "python", "platform", "arch", "glibc")
TOOLS: dict[str, AgentTool] = {
    "check": AgentTool(
        title="Check this machine",
        function=check,
        command="check",
        result=Report,
        keys=("verdict", "findings", "symptoms", "unknown", "needs", "next"),
        parameters=("target", "deep", "only", "skip", "fail_on", "strict", "profile"),
        note=(
            "Covers driver, GPU, PyTorch build, clashing libraries and memory; causes come first, each with evidence "
            "and a fix. Reads only, uses no network, and runs nothing of the environment unless deep is true. Takes "
            "0.3 s, or up to minutes with deep."
        ),
        leaves=("passed", "skipped", "steps"),
    ),
    "triage": AgentTool(
        title="Diagnose an error text",
        function=triage,
        command="triage",
        result=Report,
        keys=("verdict", "findings", "symptoms", "suspected", "similar", "next"),
        parameters=("text", "here", "target"),
        note="Examines this machine only if here is true. Reads only.",
        text="text",
        leaves=("passed", "skipped", "unknown", "steps"),
    ),
    "explain": AgentTool(
        title="Explain a finding",
        function=explain,
        command="explain",
        result=ExplanationText,
        keys=("text",),
        parameters=("id", "text"),
        note="Give id or text, not both. Reads only.",
        text="text",
    ),
    "wheel": AgentTool(
        title="Choose a PyTorch build",
        function=wheel,
        command="wheel",
        result=WheelChoice,
        keys=("action", "says", "reason", "torch_version", "commands"),
        parameters=("target", "torch", *_MACHINE),
        note="Uses no network and changes nothing.",
    ),
    "set": AgentTool(
        title="Find one set of libraries",
        function=package_set,
        command="set",
        result=PackageSet,
        keys=("verdict", "packages", "commands", "why", "way_out"),
        parameters=("packages", "target", *_MACHINE),
        note=(
            "Asks the user's package indexes over the network and starts the environment's interpreter; changes "
            "nothing."
        ),
        child=_NETWORK,
        network=True,
    ),
    "fit": AgentTool(
        title="Does a fine-tune fit?",
        function=fit,
        command="fit",
        result=FitReport,
        keys=("verdict", "need_gib", "terms", "devices", "advice"),
        parameters=(
            *("model", "method", "rank", "seq", "batch", "accum", "optimizer", "checkpointing"),
            *("attention", "precision", "quant", "stack", "gpu", "vram", "gpus", "sharding"),
            "target",
        ),
        note="Calculates only: loads and starts nothing, uses no network.",
    ),
    "check_project": AgentTool(
        title="Judge a project before installing",
        function=judge_project,
        command="check",
        result=ProjectReports,
        keys=("reports",),
        parameters=("project", "gpu", "driver", "platform", "python", "extra", "group"),
        note="Without a lock it asks package indexes over the network. Installs nothing.",
        leaves=("passed", "skipped", "unknown", "steps"),
        child=_NETWORK,
        network=True,
        several="reports",
    ),
    "data": AgentTool(
        title="Check training data",
        function=judge_data,
        command="data",
        result=DataReport,
        keys=("verdict", "rows", "faulty", "faults", "files"),
        parameters=("files", "valid", "model", "seq", "target"),
        note="Reads only; starts the target's interpreter for Parquet files and for model.",
        required=("files",),
        child="data can be large, and is read by several processes",
    ),
    "plan_fix": AgentTool(
        title="Plan a fix",
        function=fix,
        command="fix",
        result=FixResult,
        keys=("end", "plan", "plan_id", "predicted", "stays", "why"),
        parameters=("ids", "target", "deep"),
        about=(
            "Plan how to fix the findings of an environment: packages with versions and sizes, variables, files, which "
            "findings it should fix, and what is left to the user. A dry run: it changes nothing. Asks the user's "
            "package indexes over the network and starts the environment's interpreter, in some cases its packages."
        ),
        fixed={"dry_run": True},
        leaves=("hashes", "asks"),
        child=_NETWORK,
        network=True,
    ),
    "apply_fix": AgentTool(
        title="Apply a plan",
        function=fix,
        command="fix",
        result=FixResult,
        keys=("end", "outcome", "undo", "why"),
        parameters=("plan",),
        about=(
            "Apply a plan that plan_fix returned in this session: all of it or nothing. Does nothing if planning again "
            "gives another plan. Show the plan to the user first. Downloads packages over the network and changes "
            "the environment; doctor undo in a shell reverts it."
        ),
        required=("plan",),
        fixed={"yes": True},
        leaves=("hashes", "asks"),
        child="it changes an environment",
        network=True,
        changes=True,
    ),
}
