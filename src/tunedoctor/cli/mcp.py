"""doctor mcp: commands as tools of a coding agent, by the Model Context Protocol on stdin and stdout.

Tools are rows of mcp.json, their inputs the parameters of the commands. A call that only computes on its input runs in
the server's process (mcp_local.py); any other runs a separate doctor as a child process, and what crashes, hangs or
grows there ends there.
"""

import gc
import json
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tunedoctor import __version__
from tunedoctor.cli.command_options import McpOptions
from tunedoctor.cli.command_words import command_parameters, command_words, json_schema
from tunedoctor.cli.mcp_local import local_call
from tunedoctor.core.errors import DoctorError, misuse, refusing
from tunedoctor.diagnosis.redaction import redact, redact_text, this_identity
from tunedoctor.system import child
from tunedoctor.system.descendants import end_living

if TYPE_CHECKING:
    from anyio import CapacityLimiter
    from mcp import types
    from mcp.server import Server

T = TypeVar("T")
LARGEST = 24_000
"""Characters of an answer: some 8,000 tokens of an agent's context."""
_TEXT, _WORD, _MANY = 4 << 20, 4096, 100
"""Characters of a text for stdin and of another one, and entries of a list."""
_NO_JSON, _NO_REQUEST = -32700, -32600
"""Codes of JSON-RPC."""
_AT_ONCE, _WAITING = 4, 32
"""Calls that are worked on at the same time, and those that may wait for their turn."""
_OF_A_FIX = 3600.0
"""Seconds: it is not ended in the middle for being slow."""
_CUTS = ((200, 8000), (60, 2000), (30, 1000), (15, 500), (8, 250), (4, 120), (2, 60))
"""Entries of a list and characters of a text that are kept, until an answer is short enough."""


class Tool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of mcp.json, which says what each means."""

    command: str
    title: str
    help: str
    options: tuple[str, ...]
    answer: dict[str, Any]
    needs: tuple[str, ...] = ()
    says: dict[str, str] = {}
    words: dict[str, bool] = {}
    text: str = ""
    plain: bool = False
    leaves: tuple[str, ...] = ()
    network: bool = False
    changes: bool = False

    @property
    def input(self) -> dict[str, Any]:
        """The JSON Schema of what it takes."""
        parameters = command_parameters(self.command)
        takes = {name: _schema(parameters[name], self.says.get(name)) for name in self.options}
        if self.text:
            size = {"minLength": 1, "maxLength": _TEXT}
            takes["text"] = {"type": "string", **size, "description": self.text}
        if self.leaves:
            says = f"Do not leave out {', '.join(self.leaves)}."
            takes["all"] = {"type": "boolean", "default": False, "description": says}
        form = {"type": "object", "properties": takes, "additionalProperties": False}
        return {**form, "required": [*self.needs]}


class _File(msgspec.Struct, frozen=True):
    instructions: str
    tools: dict[str, Tool]


@cache
def _file() -> _File:
    return msgspec.json.decode(Path(__file__).with_suffix(".json").read_bytes(), type=_File)


def run_mcp(given: McpOptions) -> int:
    """Serve until stdin ends; returns the exit code."""
    gc.enable()  # main turns it off for short runs
    try:
        import anyio  # noqa: PLC0415  the extra's
        from mcp.server.stdio import stdio_server  # noqa: PLC0415

        server = Service(given).server()
    except ImportError as error:
        what = f"doctor mcp stands on the package mcp, 2 or newer, which is not here ({error})"
        misuse(
            what, "pip install 'tunedoctor[mcp]' brings it, from a checkout pip install '.[mcp]'"
        )
    if sys.stdin.isatty():
        sys.stderr.write(
            "doctor: an agent is to start this and to speak to it: doctor explain mcp\n"
        )

    async def serve() -> None:
        async with stdio_server() as (reads, writes), anyio.create_task_group() as tasks:
            sends, good = anyio.create_memory_object_stream[Any](0)
            tasks.start_soon(_answer_bad, reads, sends, writes)
            await server.run(good, writes, server.create_initialization_options())

    anyio.run(serve)
    end_living()  # the agent is gone, and waits for no answer
    return 0


async def _answer_bad(reads: Any, sends: Any, writes: Any) -> None:  # noqa: ANN401  streams of the SDK
    """Pass messages on, and answer invalid ones with an error: the SDK drops them, and the sender would wait."""
    from mcp import types  # noqa: PLC0415  the extra's
    from mcp.shared.message import SessionMessage  # noqa: PLC0415

    async with sends:
        async for one in reads:
            if not isinstance(one, Exception):
                await sends.send(one)
                continue
            code, what, number = _fault_of(one)
            error = types.ErrorData(code=code, message=what)
            message = types.JSONRPCError(jsonrpc="2.0", id=number, error=error)
            await writes.send(SessionMessage(message))


def _fault_of(error: Exception) -> tuple[int, str, str | int | None]:
    """Return the JSON-RPC code, what is wrong, and the id of the request if it has one."""
    try:
        rows: list[dict[str, Any]] = getattr(error, "errors")()  # noqa: B009  pydantic's
        first = rows[0]
    except (AttributeError, IndexError, TypeError, ValueError):
        return _NO_JSON, "Parse error", None
    if first.get("type") == "json_invalid":
        return _NO_JSON, f"Parse error: {str(first.get('msg'))[:200]}", None
    given = [one.get("input") for one in rows]
    number = next((one["id"] for one in given if isinstance(one, dict) and "id" in one), None)
    number = number if isinstance(number, str | int) and not isinstance(number, bool) else None
    return _NO_REQUEST, "Invalid request: it is no message of JSON-RPC 2.0", number


def _schema(parameter: Any, says: str | None) -> dict[str, Any]:  # noqa: ANN401  click's types are private in Typer
    form = json_schema(parameter, {"type": "string", "maxLength": _WORD}, _MANY)
    return {**form, "description": says or parameter.help}


class Service:
    """The tools of one server, and the plans that it has shown."""

    def __init__(self, given: McpOptions) -> None:
        """Take the options of the command."""
        self._seconds = float(given.timeout)
        every = _file().tools.items()
        self._tools = {name: one for name, one in every if given.allow_fix or not one.changes}
        self._limiter: CapacityLimiter | None = None
        self._calls = 0
        self._shown: dict[str, dict[str, Any]] = {}
        """plan_id -> what was asked for then."""

    def server(self) -> "Server[Any]":
        """Return the server. Raises ImportError where the SDK is not here."""
        from mcp.server import Server  # noqa: PLC0415  the extra's

        return Server(
            "tunedoctor",
            version=__version__,
            instructions=_file().instructions,
            on_list_tools=self._listed,
            on_call_tool=self._called,
        )

    async def _listed(self, *_: object) -> "types.ListToolsResult":
        from mcp import types  # noqa: PLC0415

        tools = [
            types.Tool(
                name=name,
                title=tool.title,
                description=tool.help,
                input_schema=tool.input,
                output_schema={"type": "object", "properties": tool.answer},
                annotations=types.ToolAnnotations(
                    title=tool.title,
                    read_only_hint=not tool.changes,
                    destructive_hint=tool.changes,
                    idempotent_hint=not tool.changes,
                    open_world_hint=tool.network,
                ),
            )
            for name, tool in self._tools.items()
        ]
        return types.ListToolsResult(tools=tools)

    async def _called(
        self, _: object, asked: "types.CallToolRequestParams"
    ) -> "types.CallToolResult":
        from mcp import types  # noqa: PLC0415

        answer: dict[str, Any] | None = None
        try:
            answer = await self._answer(asked.name, dict(asked.arguments or {}))
            text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        except DoctorError as error:
            text = str(error)[:2000]
            text = redact_text(text, this_identity(shared=True))
        return types.CallToolResult(
            content=[types.TextContent(text=text)],
            structured_content=answer,
            is_error=answer is None,
        )

    async def _answer(self, name: str, values: dict[str, Any]) -> dict[str, Any]:
        tool = self._tools.get(name)
        if tool is None:
            what = f"there is no tool {name[:60]!r} here"
            misuse(what, "apply_fix is there with doctor mcp --allow-fix alone")
        _check(tool, values)
        everything, text = values.pop("all", False), str(values.pop("text", ""))
        if tool.changes and values["plan"] not in self._shown:
            misuse("plan_fix has shown no such plan here", "call it, and show the user its plan")
        values |= self._shown[values["plan"]] if tool.changes else {}
        if not tool.words and (local := local_call(tool.command, dict(values), text)):
            answer = await self._run(local, wait=False)
            return self._shown_to_agent(tool, values, {**answer, "said": []}, everything)
        words = command_words(tool.command, {**tool.words, **values})
        words += ["-"] if text else []
        form = [] if tool.plain else ["--format=json"]
        argv = [sys.executable, "-I", "-m", "tunedoctor", tool.command, *form, *words]
        seconds = _OF_A_FIX if tool.changes else self._seconds
        stdin = text.encode("utf-8", "replace").decode()
        work = partial(child.run, argv, timeout=seconds, stdin=stdin)
        # a fix that was begun is waited for, though the agent goes away
        ended = await self._run(work, wait=tool.changes)
        return self._shown_to_agent(tool, values, _read(tool, ended), everything)

    async def _run(self, work: Callable[[], T], *, wait: bool) -> T:
        """Return what work in a thread returns. `wait`: it is waited for though the agent goes away."""
        from anyio import CapacityLimiter, to_thread  # noqa: PLC0415

        self._limiter = self._limiter or CapacityLimiter(_AT_ONCE)
        if self._calls >= _AT_ONCE + _WAITING:
            misuse(
                f"{self._calls} calls are worked on or wait here", "wait for their answers first"
            )
        self._calls += 1
        try:
            return await to_thread.run_sync(work, abandon_on_cancel=not wait, limiter=self._limiter)
        finally:
            self._calls -= 1

    def _shown_to_agent(
        self,
        tool: Tool,
        values: dict[str, Any],
        answer: dict[str, Any],
        everything: bool,  # noqa: FBT001  as the agent says
    ) -> dict[str, Any]:
        """Return an answer as the agent gets it: bounded and redacted; plans are remembered."""
        plan = {"plan_id": answer["plan_id"]} if answer.get("plan_id") else {}
        if plan and answer["end"] == "planned":
            self._shown[plan["plan_id"]] = values
        found = bounded(answer, () if everything else tool.leaves)
        # what an agent reads goes to its model, wherever that runs; an id looks like a secret
        return {**redact(found, this_identity(shared=True)), **plan}


def _check(tool: Tool, values: dict[str, Any]) -> None:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  the extra's
    from jsonschema.exceptions import best_match  # noqa: PLC0415

    if wrong := best_match(Draft202012Validator(tool.input).iter_errors(values)):
        place = ".".join(map(str, wrong.absolute_path)) or "the input"
        misuse(f"{place}: {wrong.message[-300:]}", "the tool's schema tells what it takes")


def _read(tool: Tool, ended: child.Ended) -> dict[str, Any]:
    """Return what a doctor answered, with what it said besides; it gave none where its input was of no use."""
    said = [line.removeprefix("doctor: ") for line in ended.err.splitlines() if line.strip()]
    if ended.how != "exit":
        misuse(f"doctor {tool.command} gave {ended.death}", "ask for less, or run it in a shell")
    if not ended.out or (tool.plain and not ended.ok):
        raise DoctorError("; ".join(said[-3:]) or ended.death)
    with refusing(
        msgspec.DecodeError, "run it in a shell", f"doctor {tool.command} gave no JSON: "
    ):
        answer = {"text": ended.out} if tool.plain else msgspec.json.decode(ended.out)
    return {**answer, "said": said}


def bounded(answer: dict[str, Any], leaves: tuple[str, ...]) -> dict[str, Any]:
    """Return an answer without some keys and what is empty in it, cut to at most LARGEST characters."""
    found: dict[str, Any] = _bare(answer, leaves)
    whole = found
    for entries, letters in _CUTS:
        if len(json.dumps(found, ensure_ascii=False)) <= LARGEST:
            break
        found = {**_cut(whole, entries, letters), "cut": "long parts; a shell's command prints all"}
    return found


def _bare(value: Any, leaves: tuple[str, ...]) -> Any:  # noqa: ANN401  any JSON
    if isinstance(value, list):
        return [_bare(one, leaves) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _bare(one, leaves) for key, one in value.items() if key not in leaves}
    return {key: one for key, one in kept.items() if one not in ("", None, [], {})}


def _cut(value: Any, entries: int, letters: int) -> Any:  # noqa: ANN401  any JSON
    if isinstance(value, str) and len(value) > letters:
        return f"{value[:letters]}… {len(value) - letters} characters more"
    if isinstance(value, list):
        more = [f"… {len(value) - entries} more"] if len(value) > entries else []
        return [*(_cut(one, entries, letters) for one in value[:entries]), *more]
    if isinstance(value, dict):
        some = [*value.items()][:entries] if len(value) > max(entries, 30) else value.items()
        return {key: _cut(one, entries, letters) for key, one in some}
    return value
