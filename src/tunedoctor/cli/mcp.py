"""doctor mcp: functions of the library as tools of a coding agent, by the Model Context Protocol on stdin and stdout.

`mcp_tools.py` lists the tools. A call runs the function in a thread of the server, or the same command of doctor in a
child process where that is safer (`child_reason`): a child that crashes, hangs or grows harms only its own call.
"""

import asyncio
import gc
import inspect
import json
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tunedoctor import __version__
from tunedoctor.cli.command_options import McpOptions
from tunedoctor.cli.command_words import command_words
from tunedoctor.cli.mcp_tools import INSTRUCTIONS, TOOLS, AgentTool, Interface, child_reason
from tunedoctor.core.errors import DoctorError, misuse, refusing
from tunedoctor.core.interaction import Interaction
from tunedoctor.diagnosis.redaction import redact, redact_text, this_identity
from tunedoctor.system import child
from tunedoctor.system.descendants import end_living

if TYPE_CHECKING:
    from anyio import CapacityLimiter
    from mcp import types
    from mcp.server import Server

T = TypeVar("T")
LARGEST = 24_000
"""The most characters of an answer: some 8,000 tokens of an agent's context."""
_NO_JSON, _NO_REQUEST = -32700, -32600
"""Error codes of JSON-RPC."""
_AT_ONCE, _WAITING = 4, 32
"""Calls that run at the same time, and calls that may wait for their turn."""
_FIX_SECONDS = 3600.0
"""Time limit of a fix, which should not end half-way because it is slow."""
_CUTS = ((200, 8000), (60, 2000), (30, 1000), (15, 500), (8, 250), (4, 120), (2, 60))
"""Entries of a list and characters of a text that are kept; tried in this order until an answer is short enough."""
_THREAD, _MOST_HUNG = "doctor mcp call", 64
"""Name of the threads that run a call, and how many may be left by calls that hung."""


def run_mcp(given: McpOptions) -> int:
    """Serve until stdin ends; returns the exit code."""
    gc.enable()  # main turns it off, because most commands end soon
    try:
        import anyio  # noqa: PLC0415  the extra's
        from mcp.server.stdio import stdio_server  # noqa: PLC0415

        server = Service(given).server()
    except ImportError as error:
        what = f"doctor mcp needs the package mcp, version 2 or newer, which cannot be imported ({error})"
        misuse(
            what, "install it: pip install 'tunedoctor[mcp]', or in a checkout pip install '.[mcp]'"
        )
    if sys.stdin.isatty():
        sys.stderr.write(
            "doctor: a coding agent starts this command and talks to it: doctor explain mcp\n"
        )

    async def serve() -> None:
        async with stdio_server() as (reads, writes), anyio.create_task_group() as tasks:
            sends, good = anyio.create_memory_object_stream[Any](0)
            tasks.start_soon(_answer_bad, reads, sends, writes)
            await server.run(good, writes, server.create_initialization_options())

    anyio.run(serve)
    end_living()  # the agent has gone, so no one waits for their answers
    return 0


async def _answer_bad(reads: Any, sends: Any, writes: Any) -> None:  # noqa: ANN401  streams of the SDK
    """Pass messages on, and answer invalid ones with an error: the SDK drops them, so the sender would wait forever."""
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
    return _NO_REQUEST, "Invalid request: not a JSON-RPC 2.0 message", number


class Service:
    """The tools of one server, and the plans that it has shown."""

    def __init__(self, given: McpOptions) -> None:
        """Take the options of the command."""
        self._seconds = float(given.timeout)
        self._tools = {
            name: (tool, Interface(tool))
            for name, tool in TOOLS.items()
            if given.allow_fix or not tool.changes
        }
        self._limiter: CapacityLimiter | None = None
        self._calls = 0
        self._shown: dict[str, dict[str, Any]] = {}
        """plan_id -> the arguments of the call of plan_fix that returned it."""

    def server(self) -> "Server[Any]":
        """Return the server. Raises ImportError if the SDK is not installed."""
        from mcp.server import Server  # noqa: PLC0415  the extra's

        return Server(
            "tunedoctor",
            version=__version__,
            instructions=INSTRUCTIONS,
            on_list_tools=self._listed,
            on_call_tool=self._called,
        )

    async def _listed(self, *_: object) -> "types.ListToolsResult":
        from mcp import types  # noqa: PLC0415

        tools = [
            types.Tool(
                name=name,
                title=tool.title,
                description=interface.description,
                input_schema=interface.input,
                output_schema=interface.output,
                annotations=types.ToolAnnotations(
                    title=tool.title,
                    read_only_hint=not tool.changes,
                    destructive_hint=tool.changes,
                    idempotent_hint=not tool.changes,
                    open_world_hint=tool.network,
                ),
            )
            for name, (tool, interface) in self._tools.items()
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
        if name not in self._tools:
            misuse(
                f"there is no tool {name[:60]!r} here",
                "apply_fix exists only with doctor mcp --allow-fix",
            )
        tool, interface = self._tools[name]
        arguments, everything = interface.arguments(values)
        if tool.changes:
            if arguments["plan"] not in self._shown:
                misuse(
                    "plan_fix has returned no such plan here",
                    "call it, and show the user its plan",
                )
            arguments |= self._shown[arguments["plan"]]
        if child_reason(tool, arguments):
            answer = await self._run_child(tool, arguments)
        else:
            answer = await self._run_here(tool, arguments)
        if answer.get("plan_id") and answer["end"] == "planned":
            self._shown[answer["plan_id"]] = arguments
        return _for_agent(answer, () if everything else tool.leaves)

    async def _run_here(self, tool: AgentTool, arguments: dict[str, Any]) -> dict[str, Any]:
        """Call the function in a thread. At the time limit the agent gets an error, and the thread continues."""
        import anyio  # noqa: PLC0415  the extra's

        async with self._turn():
            if sum(one.name == _THREAD for one in threading.enumerate()) >= _MOST_HUNG:
                misuse(f"{_MOST_HUNG} earlier calls still hang", "restart doctor mcp")
            try:
                with anyio.fail_after(self._seconds):
                    return await _in_thread(partial(_called_function, tool, arguments))
            except TimeoutError:
                misuse(f"doctor {tool.command} gave no answer in {self._seconds:.0f} s", _ELSEWHERE)

    async def _run_child(self, tool: AgentTool, arguments: dict[str, Any]) -> dict[str, Any]:
        """Run the command in a child process, which ends when the agent cancels the call; a fix runs to its end."""
        import anyio  # noqa: PLC0415  the extra's

        values = {**tool.fixed, **arguments}
        text = str(values.pop(tool.text, "")) if tool.text else ""
        words = command_words(tool.command, values) + (["-"] if text else [])
        form = [] if tool.is_page else ["--format=json"]
        argv = [sys.executable, "-I", "-m", "tunedoctor", tool.command, *form, *words]
        stop = threading.Event()
        work = partial(
            child.run,
            argv,
            timeout=_FIX_SECONDS if tool.changes else self._seconds,
            stdin=text.encode("utf-8", "replace").decode(),
            stop=stop,
        )
        async with self._turn():
            try:
                with anyio.CancelScope(shield=tool.changes):
                    ended = await _in_thread(work)
            finally:
                stop.set()
        return _read(tool, ended)  # pyright: ignore[reportPossiblyUnboundVariable]  no scope is cancelled here

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        """Wait until few enough other calls run. Raises DoctorError if too many wait already."""
        from anyio import CapacityLimiter  # noqa: PLC0415  the extra's

        self._limiter = self._limiter or CapacityLimiter(_AT_ONCE)
        if self._calls >= _AT_ONCE + _WAITING:
            misuse(f"{self._calls} calls are running or waiting", "wait for their answers first")
        self._calls += 1
        try:
            async with self._limiter:
                yield
        finally:
            self._calls -= 1


_ELSEWHERE = "ask for less, or run it in a shell"


class _AgentNotes(Interaction):
    """Keeps what a function says to its user."""

    def __init__(self) -> None:
        """Begin without notes."""
        self.texts: list[str] = []

    def say(self, text: str) -> None:
        """Keep a note."""
        self.texts.append(text)


def _called_function(tool: AgentTool, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of a tool's function as plain data, with what the function said."""
    notes = _AgentNotes()
    takes = inspect.signature(tool.function).parameters
    own = {"interaction": notes} if "interaction" in takes else {}
    try:
        result = tool.function(**arguments, **own)
    except DoctorError:
        raise
    except BaseException as error:  # one call must not end the server
        sys.excepthook(type(error), error, error.__traceback__)
        what = f"{type(error).__name__}: {error}"[:500]
        raise DoctorError(f"doctor {tool.command} failed, which is a bug in it: {what}") from error
    return {**msgspec.json.decode(msgspec.json.encode(result)), "said": notes.texts}


async def _in_thread(work: Callable[[], T]) -> T:
    """Run work in a new thread and return its result. A cancelled call leaves the thread, which delays no exit."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(done: Callable[[], None]) -> None:
        if not future.done():  # the agent may have cancelled the call
            done()

    def hand_over(done: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the server has ended meanwhile
            loop.call_soon_threadsafe(settle, done)

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  it is the caller's
            hand_over(partial(future.set_exception, error))
        else:
            hand_over(partial(future.set_result, result))

    threading.Thread(target=run, name=_THREAD, daemon=True).start()
    return await future


def _for_agent(answer: dict[str, Any], leaves: tuple[str, ...]) -> dict[str, Any]:
    """Return an answer as the agent gets it: short enough and redacted."""
    # what an agent reads goes to its model, wherever that runs; the id of a plan looks like a secret
    plan = {"plan_id": answer["plan_id"]} if answer.get("plan_id") else {}
    return {**redact(bounded(answer, leaves), this_identity(shared=True)), **plan}


def _read(tool: AgentTool, ended: child.ChildResult) -> dict[str, Any]:
    """Return the answer of a command with its messages. Raises DoctorError if it gave none."""
    said = [line.removeprefix("doctor: ") for line in ended.err.splitlines() if line.strip()]
    if ended.how != "exit":
        misuse(f"doctor {tool.command} gave {ended.death}", _ELSEWHERE)
    if not ended.out or (tool.is_page and not ended.ok):
        raise DoctorError("; ".join(said[-3:]) or ended.death)
    with refusing(
        msgspec.DecodeError, "run it in a shell", f"doctor {tool.command} gave no JSON: "
    ):
        answer: dict[str, Any]
        if tool.is_page:
            answer = {"text": ended.out}
        elif tool.several:
            answer = {tool.several: _json_values(ended.out)}
        else:
            answer = msgspec.json.decode(ended.out)
    return {**answer, "said": said}


def _json_values(text: str) -> list[Any]:
    """Return the JSON values of a text: one over several lines, or one in each line. Raises DecodeError."""
    lines = text.splitlines()
    if lines[0] == "{":
        return [msgspec.json.decode(text)]
    return [msgspec.json.decode(line) for line in lines]


def bounded(answer: dict[str, Any], leaves: tuple[str, ...]) -> dict[str, Any]:
    """Return an answer without some keys and without empty values, cut to at most LARGEST characters."""
    found: dict[str, Any] = _bare(answer, leaves)
    whole = found
    for entries, letters in _CUTS:
        if len(json.dumps(found, ensure_ascii=False)) <= LARGEST:
            break
        found = {
            **_cut(whole, entries, letters),
            "cut": "long parts are cut; the command in a shell prints all",
        }
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
