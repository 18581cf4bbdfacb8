"""What a row of training data is: its form, its turns, what is wrong with it, and how a chat template writes it.

The one reader of rows of doctor data, train and smoke: what one of them passes, the others take. Needs no torch.
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
"""Forms, and the columns that make a row one; the first that has all of them counts."""
NAMES = frozenset({"system", "context"}.union(*(columns for _, columns in LAYOUTS)))
"""All columns that are read."""
SOURCE = "__source__"
"""Where a converted row comes from, as in "facts.csv line 3"."""
_ROLES = {
    "human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant",
    "ai": "assistant", "developer": "system", "function": "tool", "observation": "tool", "ipython": "tool",
    "system": "system", "user": "user", "assistant": "assistant", "tool": "tool",
    "function_call": "assistant", "function_response": "tool", "tool_response": "tool", "prompter": "user",
}  # fmt: skip
"""Names of roles in use, ShareGPT's among them, and the chat templates' name for them."""
_TYPES = (
    (type(None), "null"), (bool, "true or false"), ((int, float), "a number"), (str, "text"), (list, "a list"),
)  # fmt: skip


class Sample(NamedTuple):
    """A row as it is trained on. Of a preference pair the turns end with the chosen answer."""

    form: str
    turns: List[Turn]
    faults: List[Fault]


class RewrittenError(ValueError):
    """A template writes an earlier turn otherwise when others follow."""


class TemplateLimitError(RuntimeError):
    """A chat template needs more memory, time or text for a conversation than any real one."""


class Bounded:
    """A chat template that is stopped when it needs too much: it is a program that came with the model.

    Memory is bounded on Linux, time on POSIX systems in the main thread; elsewhere who started this process ends it.
    """

    MEMORY, SECONDS, LENGTH = 2 << 30, 20.0, (1 << 20, 20)
    """Bytes and seconds for one conversation; characters that any may have, and how many times its own."""
    OFTEN = 64
    """Conversations after which it is looked up again what this process takes: that costs as much as writing one."""

    def __init__(self, render: Callable[..., str], file: str) -> None:
        """Take what writes a conversation, and the file to name where that needs too much."""
        self.render, self.file, self.calls = render, file, 0
        self.before, self.most = (
            (0, 0),
            0,
        )  # limits of memory, and the one for the next conversations
        self.inside = self.is_timed = False
        self.resource: Any = None
        if os.path.exists("/proc/self/statm"):  # Linux
            self.resource = importlib.import_module("resource")

    def __call__(self, talk: List[Any], **more: Any) -> str:
        """Return the conversation as the template writes it. Raises TemplateLimitError."""
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
        """Set the limits, for all parts of one conversation: that costs a fifth of writing a short one."""
        self.inside = True
        if os.name == "posix" and threading.current_thread() is threading.main_thread():
            if not self.is_timed:  # once: that costs more than all else here
                signal.signal(signal.SIGALRM, self.over)
            self.is_timed = True
            signal.setitimer(signal.ITIMER_REAL, self.SECONDS)
        self.limit_memory()

    def __exit__(self, kind: Optional[Type[BaseException]], *_: object) -> None:
        """Take the limits back. Raises TemplateLimitError where memory ran out."""
        self.inside = False
        if self.resource:
            self.resource.setrlimit(self.resource.RLIMIT_DATA, self.before)
        if self.is_timed:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if kind is MemoryError:
            raise self.error(f"needs more than {self.MEMORY >> 30} GiB of memory for") from None

    def error(self, what: str) -> TemplateLimitError:
        """Return what to raise."""
        return TemplateLimitError(f"the chat template {self.file} {what} one conversation")

    def over(self, *_: Any) -> None:
        """Stop what runs: the time is over."""
        raise self.error(f"takes more than {self.SECONDS:.0f} s for")

    def limit_memory(self) -> None:
        """Let this process take MEMORY bytes more than now."""
        if not self.resource:
            return
        if self.calls % self.OFTEN == 0:
            self.before = self.resource.getrlimit(self.resource.RLIMIT_DATA)
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
            limit = pages * self.resource.getpagesize() + self.MEMORY
            known = [one for one in self.before if one != self.resource.RLIM_INFINITY]
            self.most = min([limit, *known])
        self.calls += 1
        self.resource.setrlimit(self.resource.RLIMIT_DATA, (self.most, self.before[1]))


def template_file(model: str) -> str:
    """Return the file that holds the chat template of a model's folder; the name itself where it is no folder."""
    for name in ("chat_template.jinja", "chat_template.json", "tokenizer_config.json"):
        if os.path.isfile(path := os.path.join(model, name)):
            return path
    return model


@lru_cache(maxsize=4096)
def layout(keys: Tuple[str, ...]) -> Tuple[str, Tuple[str, ...]]:
    """Tell the form by the columns' names, and the columns that it reads."""
    names = frozenset(keys)
    for form, columns in LAYOUTS:
        if names.issuperset(columns):
            return form, (*columns, "input", "context") if form == "instruction" else columns
    return "unknown", ()


def sample_of(row: Dict[str, Any]) -> Sample:
    """Read a row; what it lacks is told in its faults, never raised."""
    form, columns = layout(tuple(row))
    faults: List[Fault] = []
    turns: List[Turn] = []
    if form == "unknown":
        faults.append(("unknown-form", ", ".join(sorted(row))[:120] or "no column"))
    elif form == "preference":
        turns = _preference(row, faults)
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
    if form not in ("unknown", "text", "preference") and isinstance(system, str) and system:
        turns.insert(0, ("system", system))
    return Sample(form, turns, faults)


def _preference(row: Dict[str, Any], faults: List[Fault]) -> List[Turn]:
    prompt = next((n for n in ("prompt", "question", "instruction", "input") if n in row), "")
    before = _side(row, prompt, "user", faults) if prompt else []
    chosen, rejected = (_side(row, n, "assistant", faults) for n in ("chosen", "rejected"))
    if chosen == rejected:
        faults.append(("same-pair", ""))
    if rejected and not rejected[-1][1].strip():
        faults.append(("empty-turn", "rejected"))
    # UltraFeedback and its like give the prompt apart and again as the first turn of both answers
    return chosen if chosen and chosen[0][0] in ("user", "system") else [*before, *chosen]


def _side(row: Dict[str, Any], column: str, role: str, faults: List[Fault]) -> List[Turn]:
    """Return one side of a pair: a text, or messages as TRL has them."""
    value = row[column]
    many = isinstance(value, list)
    return _talk(value, column, faults) if many else [(role, _text(value, column, faults))]


def _talk(value: Any, column: str, faults: List[Fault]) -> List[Turn]:
    """Read a list of messages, {"role", "content"} or ShareGPT's {"from", "value"}."""
    if not isinstance(value, list):
        faults.append(("wrong-type", f"{column} is {kind_of(value)}, where a list is wanted"))
        return []
    turns: List[Turn] = []
    for i, one in enumerate(value, 1):
        if not isinstance(one, dict):
            wrong = f"{column}, turn {i} is {kind_of(one)}, where an object is wanted"
            faults.append(("wrong-type", wrong))
            continue
        said = one.get("role", one.get("from"))
        word = repr(said[:30]) if isinstance(said, str) else "no role"
        role = _ROLES.get(said, "") if isinstance(said, str) else ""
        if not role:
            role = _ROLES.get(said.strip().lower(), "") if isinstance(said, str) else ""
            faults.append(("unknown-role", f"turn {i}: {word}" + f" for {role!r}" * bool(role)))
        text, calls = one.get("content", one.get("value")), _calls(one)
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
    faults.append(("wrong-type", f"{where} is {kind_of(value)}, where text is wanted"))
    return "" if value is None or isinstance(value, (list, dict)) else str(value)


def kind_of(value: Any) -> str:
    """Name the type of a value as JSON has it."""
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "an object")


def order_faults(sample: Sample) -> List[Fault]:
    """Find what a strict chat template (Llama's, Mistral's, Gemma's) refuses, and what has nothing to learn."""
    found: List[Fault] = []
    last, pair = "", sample.form == "preference"  # whose prompt can be elsewhere
    for i, (role, _) in enumerate(sample.turns if sample.form != "text" else (), 1):
        if role == last and role in ("user", "assistant"):
            found.append(("role-order", f"turns {i - 1} and {i} are both {role}"))
        elif role == "system" and i > 1:
            found.append(("role-order", f"turn {i} is system, which stands first or nowhere"))
        elif role == "assistant" and last in ("", "system") and not pair:
            found.append(("role-order", "it begins with assistant"))
        elif role == "tool" and last not in ("assistant", "tool"):
            found.append(("role-order", f"turn {i} is tool, without a call before it"))
        last = role
    if last not in ("", "assistant"):
        answered = any(role == "assistant" for role, _ in sample.turns)
        found.append(("no-answer", f"it ends with {last}" if answered else "no turn is assistant"))
    return found


def faults_of(sample: Sample, *, lenient: bool = False) -> List[Fault]:
    """Return all that keeps a row from being trained on; `lenient`: but for what the model's template may take."""
    if sample.form == "unknown" or not sample.turns:
        return sample.faults or [("no-answer", "no turns")]
    found = [*sample.faults, *order_faults(sample)]
    for i, (role, text) in enumerate(sample.turns, 1):
        if not text.strip() and not (lenient and role not in ("assistant", "text")):
            found.append(("empty-turn", "the text" if role == "text" else f"turn {i} ({role})"))
    return [one for one in found if not (lenient and one[0] == "role-order")]


def talk_of(row: Dict[str, Any], sample: Sample) -> List[Dict[str, Any]]:
    """Return the turns as a chat template takes them, with what else their messages hold, as calls of tools."""
    given = row.get("messages")
    given = given if sample.form == "messages" and len(given or ()) == len(sample.turns) else []
    talk = []
    for i, (role, text) in enumerate(sample.turns):
        own = given[i] if given else {}
        talk.append({"content": text, **own, "role": role})
        if not _calls(own):
            talk[-1]["content"] = text
    return talk


def pieces(
    talk: List[Any], render: Callable[..., str], *, last: bool = False
) -> List[Tuple[str, bool]]:
    """Cut a conversation as its template writes it; True: learned, of answers or the `last`. Raises RewrittenError."""
    whole, done = render(talk), 0
    found: List[Tuple[str, bool]] = []
    for i in range(len(talk) - 1 if last else 0, len(talk)):
        if talk[i]["role"] == "assistant":
            ask = render(talk[:i], add_generation_prompt=True) if i else ""
            told = render(talk[: i + 1])
            if not (whole.startswith(ask) and whole.startswith(told) and len(ask) < len(told)):
                raise RewrittenError(i + 1, "is written otherwise when others follow")
            found += [(whole[done : len(ask)], False), (whole[len(ask) : len(told)], True)]
            done = len(told)
    return [*found, (whole[done:], False)]


def named(columns: str) -> Dict[str, str]:
    """Return the file's columns by names here, of "prompt=question,completion=answer". Raises ValueError."""
    pairs = [one.partition("=") for one in columns.split(",") if one.strip()]
    found = {name.strip(): column.strip() for name, _, column in pairs}
    if wrong := [name for name in found if name not in NAMES or not found[name]]:
        raise ValueError(f"{wrong[0]!r} in columns is no NAME=COLUMN, as in prompt=A,completion=B")
    if len(found) < len(pairs) or (pairs and layout(tuple(found))[0] == "unknown"):
        raise ValueError("columns are named as in prompt=A,completion=B or messages=A or text=A")
    return found


def renamed(row: Any, columns: Dict[str, str]) -> Any:
    """Return a row with its columns under the names that are known here; one that lacks them stays as it is."""
    if not columns or not isinstance(row, dict) or not row.keys() >= set(columns.values()):
        return row
    used = NAMES.union(columns.values())
    others = {key: value for key, value in row.items() if key not in used}
    return {**others, **{name: row[column] for name, column in columns.items()}}


def read(path: str) -> Iterator[Tuple[int, Any]]:
    """Yield line and value of each row of JSON Lines. Raises OSError, and ValueError, which begins with the line."""
    line = 0
    with open(path, "rb") as file:
        try:
            for line, raw in enumerate(file, 1):
                text = raw.decode("utf-8-sig" if line == 1 else "utf-8").strip()
                if text:
                    yield line, json.loads(text)
        except (ValueError, RecursionError) as error:
            what = "not UTF-8: " if isinstance(error, UnicodeError) else "no JSON: "
            raise ValueError(f"line {line}: {what}{getattr(error, 'msg', '') or error}") from None
