"""Parse a row of training data: its form, its turns, its faults, and its text in the chat template.

`doctor data`, `train` and `smoke` all read rows with this file, so they accept the same rows. It needs no torch.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, Type

Turn = Tuple[str, str]
"""Role and text."""
Fault = Tuple[str, str]
"""Kind and detail."""
_ANSWERS = ("output", "response", "completion", "answer")
LAYOUTS = (
    ("preference", ("chosen", "rejected")), ("messages", ("messages",)),
    ("conversations", ("conversations",)), ("conversations", ("conversation",)),
    *(("instruction", ("instruction", answer)) for answer in _ANSWERS),
    *(("prompt-completion", pair) for pair in (
        ("prompt", "completion"), ("prompt", "response"), ("question", "answer"), ("query", "response"),
        ("question", "response"), ("prompt", "answer"), ("input", "output"), ("source", "target"),
        ("input", "target"), ("input", "response"), ("query", "answer"), ("prompt", "output"),
    )),
    ("text", ("text",)), ("text", ("content",)),
)  # fmt: skip
"""Each form and the columns that a row of it has; the first form whose columns are all present applies."""
PROMPTS = (
    "prompt",
    "question",
    "conversations",
    "conversation",
    "messages",
    "instruction",
    "input",
)
"""Columns that can hold the prompt of a preference pair; the first one that a row has applies."""
NAMES = frozenset({"system", "context"}.union(*(columns for _, columns in LAYOUTS)))
"""All columns that are read."""
SOURCE = "__source__"
"""Column that says where a converted row comes from, for example "facts.csv line 3"."""
_ROLES = {
    "human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant",
    "ai": "assistant", "developer": "system", "function": "tool", "observation": "tool", "ipython": "tool",
    "system": "system", "user": "user", "assistant": "assistant", "tool": "tool",
    "function_call": "assistant", "function_response": "tool", "tool_response": "tool", "prompter": "user",
}  # fmt: skip
"""Role names found in data sets, such as ShareGPT's, and the name that chat templates use."""
_TYPES = (
    (type(None), "null"), (bool, "true or false"), ((int, float), "a number"), (str, "text"), (list, "a list"),
)  # fmt: skip


class Sample(NamedTuple):
    """A row as it is trained on. The turns of a preference pair end with the chosen answer."""

    form: str
    turns: List[Turn]
    faults: List[Fault]
    rejected: List[Turn] = []
    """The turns of a preference pair that end with the rejected answer."""
    shared: int = 0
    """Turns that are the prompt of both answers; 0 if two plain texts contain it."""


class RewrittenError(ValueError):
    """A chat template writes an earlier turn differently once other turns follow it."""


class TemplateLimitError(RuntimeError):
    """A chat template needs more memory, time or text for a conversation than any real one."""


class Bounded:
    """A chat template with limits of memory, time and output: it is a program that came with the model.

    Memory is limited on Linux, time on POSIX systems in the main thread; elsewhere the parent process has to end this
    one.
    """

    MEMORY, SECONDS, LENGTH = 2 << 30, 20.0, (1 << 20, 20)
    """Bytes and seconds for one conversation; its text may have LENGTH[0] + LENGTH[1] * len(input) characters."""
    OFTEN = 64
    """Conversations between two looks at this process's memory use, which takes as long as writing a conversation."""

    def __init__(self, render: Callable[..., str], file: str) -> None:
        """Wrap `render`, which writes a conversation; `file` is named when it needs too much."""
        self.render, self.file, self.calls = render, file, 0
        self.before = (0, 0)  # soft and hard memory limit of this process
        self.most = 0  # soft limit while a conversation is written
        self.inside = self.is_timed = False
        self.resource: Any = None
        if os.path.exists("/proc/self/statm"):  # Linux
            self.resource = importlib.import_module("resource")

    def __call__(self, talk: List[Any], **more: Any) -> str:
        """Return the conversation as text in the chat template. Raises TemplateLimitError."""
        if self.inside:
            text = self.render(talk, **more)
        else:
            with self:
                text = self.render(talk, **more)
        least, times = self.LENGTH
        if len(text) > least and len(text) > least + times * len(repr(talk)):
            raise self.error(f"writes {len(text):,} characters for")
        return text

    def __enter__(self) -> None:
        """Set the limits once for a whole conversation: it takes a fifth of the time of writing a short one."""
        self.inside = True
        if os.name == "posix" and threading.current_thread() is threading.main_thread():
            if not self.is_timed:  # once: nothing else here takes as long
                signal.signal(signal.SIGALRM, self.over)
            self.is_timed = True
            signal.setitimer(signal.ITIMER_REAL, self.SECONDS)
        self.limit_memory()

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        """Remove the limits. Raises TemplateLimitError if memory ran out."""
        self.inside = False
        if self.resource:
            self.resource.setrlimit(self.resource.RLIMIT_DATA, self.before)
        if self.is_timed:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if kind is MemoryError:
            raise self.error(f"needs more than {self.MEMORY >> 30} GiB of memory for") from None

    def error(self, what: str) -> TemplateLimitError:
        """Return the exception for a limit; `what` says which one."""
        return TemplateLimitError(f"the chat template {self.file} {what} one conversation")

    def over(self, *_: Any) -> None:
        """Raise TemplateLimitError: the time is over."""
        raise self.error(f"takes more than {self.SECONDS:.0f} s for")

    def limit_memory(self) -> None:
        """Limit this process to MEMORY bytes more than it uses now."""
        if not self.resource:
            return
        if self.calls % self.OFTEN == 0:
            self.before = self.resource.getrlimit(self.resource.RLIMIT_DATA)
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
            limit = pages * self.resource.getpagesize() + self.MEMORY
            finite = [value for value in self.before if value != self.resource.RLIM_INFINITY]
            self.most = min([limit, *finite])
        self.calls += 1
        self.resource.setrlimit(self.resource.RLIMIT_DATA, (self.most, self.before[1]))


def template_file(model: str) -> str:
    """Return the file with the chat template in a model's folder, or `model` itself if there is none."""
    for name in ("chat_template.jinja", "chat_template.json", "tokenizer_config.json"):
        if os.path.isfile(path := os.path.join(model, name)):
            return path
    return model


@lru_cache(maxsize=4096)
def layout(keys: Tuple[str, ...]) -> Tuple[str, Tuple[str, ...]]:
    """Return the form of rows with these columns, and the columns that are read."""
    names = frozenset(keys)
    for form, columns in LAYOUTS:
        if names.issuperset(columns):
            more = {"instruction": ("input", "context"), "preference": (*PROMPTS, "system")}
            return form, (*columns, *more.get(form, ()))
    return "unknown", ()


def sample_of(row: Dict[str, Any]) -> Sample:
    """Return a row's form, turns and faults; a wrong row never raises."""
    form, columns = layout(tuple(row))
    faults: List[Fault] = []
    turns: List[Turn] = []
    if form == "unknown":
        faults.append(("unknown-form", ", ".join(sorted(row))[:120] or "no column"))
    elif form == "preference":
        return _preference(row, faults)
    elif form == "text":
        turns = [("text", _text(row[columns[0]], columns[0], faults))]
    elif form in ("messages", "conversations"):
        turns = _talk(row[columns[0]], columns[0], faults)
    elif form == "instruction":
        first = _text(row["instruction"], "instruction", faults)
        more = next((name for name in ("input", "context") if row.get(name) not in (None, "")), "")
        if more:
            first += "\n" + _text(row[more], more, faults)
        turns = [("user", first), *_side(row, columns[1], "assistant", faults)]
    else:
        turns = _side(row, columns[0], "user", faults)
        turns += _side(row, columns[1], "assistant", faults)
    system = row.get("system")
    if form not in ("unknown", "text") and isinstance(system, str) and system:
        turns.insert(0, ("system", system))
    return Sample(form, turns, faults)


def _preference(row: Dict[str, Any], faults: List[Fault]) -> Sample:
    prompt = next((name for name in PROMPTS if row.get(name) not in (None, "")), "")
    before = _side(row, prompt, "user", faults) if prompt else []
    if prompt == "instruction" and isinstance(row.get("input"), str) and row["input"]:
        before = [("user", f"{before[0][1]}\n{row['input']}"), *before[1:]]
    system = row.get("system")
    if isinstance(system, str) and system and not (before and before[0][0] == "system"):
        before.insert(0, ("system", system))
    chosen, rejected = (_side(row, n, "assistant", faults) for n in ("chosen", "rejected"))
    if chosen == rejected:
        faults.append(("same-pair", ""))
    if rejected and not rejected[-1][1].strip():
        faults.append(("empty-turn", "rejected"))
    # UltraFeedback and similar data sets repeat the prompt as the first turn of both answers
    is_whole = [bool(side) and side[0][0] in ("user", "system") for side in (chosen, rejected)]
    first, second = (
        side if whole else [*before, *side] for side, whole in zip((chosen, rejected), is_whole)
    )
    shared = len(before)
    if any(is_whole) or not shared:
        same = (a == b for a, b in zip(first[:-1], second[:-1]))
        shared = next(
            (i for i, is_same in enumerate(same) if not is_same), min(len(first), len(second)) - 1
        )
    return Sample("preference", first, faults, second, max(0, shared))


def _side(row: Dict[str, Any], column: str, role: str, faults: List[Fault]) -> List[Turn]:
    """Return one side of a pair: a text, or a list of messages as TRL writes it."""
    value = row[column]
    if isinstance(value, dict) and {"role", "from"} & {
        *value
    }:  # LLaMA-Factory: {"from": "gpt", "value": ".."}
        value = [value]
    many = isinstance(value, list)
    return _talk(value, column, faults) if many else [(role, _text(value, column, faults))]


def _talk(value: Any, column: str, faults: List[Fault]) -> List[Turn]:
    """Return the turns of a list of messages, {"role", "content"} or ShareGPT's {"from", "value"}."""
    if not isinstance(value, list):
        faults.append(("wrong-type", f"{column} is {kind_of(value)}, but must be a list"))
        return []
    turns: List[Turn] = []
    for i, message in enumerate(value, 1):
        if not isinstance(message, dict):
            wrong = f"{column}, turn {i} is {kind_of(message)}, but must be an object"
            faults.append(("wrong-type", wrong))
            continue
        name = message.get("role", message.get("from"))
        word = repr(name[:30]) if isinstance(name, str) else "no role"
        role = _ROLES.get(name, "") if isinstance(name, str) else ""
        if not role:
            role = _ROLES.get(name.strip().lower(), "") if isinstance(name, str) else ""
            faults.append(("unknown-role", f"turn {i}: {word}" + f" for {role!r}" * bool(role)))
        text, calls = message.get("content", message.get("value")), _calls(message)
        text = str(calls) if text is None and calls else _text(text, f"turn {i}", faults)
        turns.append((role or "unknown", text))
    return turns


def _calls(message: Dict[str, Any]) -> Any:
    return message.get("tool_calls") or message.get("function_call")


def _text(value: Any, where: str, faults: List[Fault]) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        parts = (p.get("text") for p in value if isinstance(p, dict) and p.get("type") == "text")
        return "\n".join(part for part in parts if isinstance(part, str))
    faults.append(("wrong-type", f"{where} is {kind_of(value)}, but must be text"))
    return "" if value is None or isinstance(value, (list, dict)) else str(value)


def kind_of(value: Any) -> str:
    """Return the JSON name of a value's type, with its article."""
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "an object")


def order_faults(sample: Sample) -> List[Fault]:
    """Return the faults in the order of turns: a strict chat template (Llama, Mistral, Gemma) rejects them.

    A conversation that does not end with an answer has nothing to learn, which is a fault too.
    """
    faults: List[Fault] = []
    last, pair = "", sample.form == "preference"  # the prompt of a pair can be in another column
    for i, (role, _) in enumerate(sample.turns if sample.form != "text" else (), 1):
        if role == last and role in ("user", "assistant"):
            faults.append(("role-order", f"turns {i - 1} and {i} are both {role}"))
        elif role == "system" and i > 1:
            faults.append(("role-order", f"turn {i} is system, but only the first turn may be"))
        elif role == "assistant" and last in ("", "system") and not pair:
            faults.append(("role-order", "it begins with assistant"))
        elif role == "tool" and last not in ("assistant", "tool"):
            faults.append(("role-order", f"turn {i} is tool, but no call precedes it"))
        last = role
    if last not in ("", "assistant"):
        has_answer = any(role == "assistant" for role, _ in sample.turns)
        faults.append(
            ("no-answer", f"it ends with {last}" if has_answer else "no turn is assistant")
        )
    return faults


def faults_of(sample: Sample, *, lenient: bool = False) -> List[Fault]:
    """Return all faults that prevent training on a row.

    `lenient` leaves out those that the model's own chat template may accept.
    """
    if sample.form == "unknown" or not sample.turns:
        return sample.faults or [("no-answer", "no turns")]
    faults = [*sample.faults, *order_faults(sample)]
    for i, (role, text) in enumerate(sample.turns, 1):
        if not text.strip() and not (lenient and role not in ("assistant", "text")):
            faults.append(("empty-turn", "the text" if role == "text" else f"turn {i} ({role})"))
    return [fault for fault in faults if not (lenient and fault[0] == "role-order")]


def talk_of(row: Dict[str, Any], sample: Sample) -> List[Dict[str, Any]]:
    """Return the turns as messages for a chat template, with their other fields, such as tool calls."""
    messages = row.get("messages")
    messages = (
        messages if sample.form == "messages" and len(messages or ()) == len(sample.turns) else []
    )
    talk = []
    for i, (role, text) in enumerate(sample.turns):
        own = messages[i] if messages else {}
        talk.append({"content": text, **own, "role": role})
        if not _calls(own):
            talk[-1]["content"] = text
    return talk


def pieces(
    talk: List[Any], render: Callable[..., str], *, last: bool = False
) -> List[Tuple[str, bool]]:
    """Return the parts of a conversation's text in the chat template, and whether each is learned.

    Answers are learned, or only the `last` one. Raises RewrittenError.
    """
    whole, done = render(talk), 0
    parts: List[Tuple[str, bool]] = []
    for i in range(len(talk) - 1 if last else 0, len(talk)):
        if talk[i]["role"] == "assistant":
            question = render(talk[:i], add_generation_prompt=True) if i else ""
            with_answer = render(talk[: i + 1])
            if not (
                whole.startswith(question)
                and whole.startswith(with_answer)
                and len(question) < len(with_answer)
            ):
                wrong = "is written differently by the chat template once other turns follow"
                raise RewrittenError(i + 1, wrong)
            parts += [
                (whole[done : len(question)], False),
                (whole[len(question) : len(with_answer)], True),
            ]
            done = len(with_answer)
    return [*parts, (whole[done:], False)]


def parse_columns(columns: str) -> Dict[str, str]:
    """Return {"prompt": "question", ...} for "prompt=question,completion=answer". Raises ValueError."""
    pairs = [part.partition("=") for part in columns.split(",") if part.strip()]
    mapping = {name.strip(): column.strip() for name, _, column in pairs}
    if wrong := [name for name in mapping if name not in NAMES or not mapping[name]]:
        how = "is not of the form NAME=COLUMN, for example prompt=A,completion=B"
        raise ValueError(f"{wrong[0]!r} in columns {how}")
    if len(mapping) < len(pairs) or (pairs and layout(tuple(mapping))[0] == "unknown"):
        raise ValueError("write columns as prompt=A,completion=B or messages=A or text=A")
    return mapping


def renamed(row: Any, columns: Dict[str, str]) -> Any:
    """Return a row with its columns renamed to those read here; a row that lacks one of them stays as it is."""
    if not columns or not isinstance(row, dict) or not row.keys() >= set(columns.values()):
        return row
    used = NAMES.union(columns.values())
    others = {key: value for key, value in row.items() if key not in used}
    return {**others, **{name: row[column] for name, column in columns.items()}}


def read(path: str) -> Iterator[Tuple[int, Any]]:
    """Yield the line number and value of each row of JSON Lines.

    Raises OSError, or ValueError with a text that begins with the line number.
    """
    line = 0
    with open(path, "rb") as file:
        try:
            for line, raw in enumerate(file, 1):
                text = raw.decode("utf-8-sig" if line == 1 else "utf-8").strip()
                if text:
                    yield line, json.loads(text)
        except (ValueError, RecursionError) as error:
            what = "not UTF-8: " if isinstance(error, UnicodeError) else "not JSON: "
            raise ValueError(f"line {line}: {what}{getattr(error, 'msg', '') or error}") from None
