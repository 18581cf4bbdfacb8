"""A row as a sample: which form its columns have, and its turns."""

from functools import lru_cache
from typing import Any, Literal, NamedTuple

Form = Literal[
    "messages", "conversations", "instruction", "prompt-completion", "text", "preference", "unknown"
]
Turn = tuple[str, str]
"""Role and text."""
Fault = tuple[str, str]
"""Kind and detail."""

_PAIRS = (
    ("prompt", "completion"), ("prompt", "response"), ("question", "answer"), ("query", "response"),
    ("question", "response"), ("prompt", "answer"), ("input", "output"), ("source", "target"),
    ("input", "target"), ("input", "response"), ("query", "answer"), ("prompt", "output"),
)  # fmt: skip
_ANSWERS = ("output", "response", "completion", "answer")
_TALKS = ("messages", "conversations", "conversation")
_TEXTS = ("text", "content")
_ROLES = {
    "human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant",
    "ai": "assistant", "developer": "system", "function": "tool", "observation": "tool", "ipython": "tool",
    "system": "system", "user": "user", "assistant": "assistant", "tool": "tool",
    "function_call": "assistant", "function_response": "tool", "tool_response": "tool", "prompter": "user",
}  # fmt: skip
"""Names of roles in use, ShareGPT's among them, and the chat templates' name for them."""


class Layout(NamedTuple):
    """The form of a set of columns, and the columns that it reads."""

    form: Form
    columns: tuple[str, ...]


class Sample(NamedTuple):
    """A row as it is trained on. Of a preference pair the turns end with the chosen answer."""

    form: Form
    turns: list[Turn]
    faults: list[Fault]


@lru_cache(maxsize=4096)
def layout(keys: tuple[str, ...]) -> Layout:
    """Tell the form by the columns' names."""
    names = frozenset(keys)
    if {"chosen", "rejected"} <= names:
        return Layout("preference", ("chosen", "rejected"))
    for name in _TALKS:
        if name in names:
            return Layout("messages" if name == "messages" else "conversations", (name,))
    answer = next((name for name in _ANSWERS if name in names), "")
    if "instruction" in names and answer:
        return Layout("instruction", ("instruction", "input", answer))
    if pair := next((pair for pair in _PAIRS if names.issuperset(pair)), None):
        return Layout("prompt-completion", pair)
    if text := next((name for name in _TEXTS if name in names), ""):
        return Layout("text", (text,))
    return Layout("unknown", ())


def sample_of(row: dict[str, Any]) -> Sample:
    """Read a row; what it lacks is told in its faults, never raised."""
    form, columns = layout(tuple(row))
    faults: list[Fault] = []
    turns: list[Turn] = []
    match form:
        case "messages" | "conversations":
            turns = talk(row[columns[0]], columns[0], faults)
            if "system" in row and isinstance(row["system"], str) and row["system"]:
                turns.insert(0, ("system", row["system"]))
        case "prompt-completion":
            turns = _side(row, columns[0], "user", faults) + _side(
                row, columns[1], "assistant", faults
            )
        case "instruction":
            turns = _instruction(row, columns, faults)
        case "text":
            turns = [("text", _text(row[columns[0]], columns[0], faults))]
        case "preference":
            turns = _preference(row, faults)
        case _:
            faults.append(("unknown-form", ", ".join(sorted(row))[:120] or "no column"))
    return Sample(form, turns, faults)


def _instruction(row: dict[str, Any], columns: tuple[str, ...], faults: list[Fault]) -> list[Turn]:
    first = _text(row["instruction"], "instruction", faults)
    extra = row.get("input")
    if extra not in (None, ""):
        first += "\n" + _text(extra, "input", faults)
    before: list[Turn] = []
    if isinstance(row.get("system"), str) and row["system"]:
        before = [("system", row["system"])]
    return [*before, ("user", first), *_side(row, columns[2], "assistant", faults)]


def _preference(row: dict[str, Any], faults: list[Fault]) -> list[Turn]:
    prompt = next((n for n in ("prompt", "question", "instruction", "input") if n in row), "")
    before = _side(row, prompt, "user", faults) if prompt else []
    chosen = _side(row, "chosen", "assistant", faults)
    rejected = _side(row, "rejected", "assistant", faults)
    if chosen == rejected:
        faults.append(("same-pair", ""))
    if rejected and not rejected[-1][1].strip():
        faults.append(("empty-turn", "rejected"))
    # UltraFeedback and its like give the prompt apart and again as the first turn of both answers
    return chosen if chosen and chosen[0][0] in ("user", "system") else [*before, *chosen]


def _side(row: dict[str, Any], column: str, role: str, faults: list[Fault]) -> list[Turn]:
    """Return one side of a pair: a text, or messages as TRL has them."""
    value = row[column]
    if isinstance(value, list):
        return talk(value, column, faults)
    return [(role, _text(value, column, faults))]


def talk(value: object, column: str, faults: list[Fault]) -> list[Turn]:
    """Read a list of messages, {"role", "content"} or ShareGPT's {"from", "value"}."""
    if not isinstance(value, list):
        faults.append(("wrong-type", f"{column} is {_name(value)}, where a list is wanted"))
        return []
    turns: list[Turn] = []
    for i, one in enumerate(value, 1):
        if not isinstance(one, dict):
            faults.append(
                ("wrong-type", f"{column}, turn {i} is {_name(one)}, where an object is wanted")
            )
            continue
        said = one.get("role", one.get("from"))
        role = _ROLES.get(said) if isinstance(said, str) else None
        if role is None:
            if isinstance(said, str) and (role := _ROLES.get(said.strip().lower())):
                faults.append(("unknown-role", f"turn {i}: {said[:30]!r} for {role!r}"))
            else:
                word = f"{said[:30]!r}" if isinstance(said, str) else "no role"
                faults.append(("unknown-role", f"turn {i}: {word}"))
                role = "unknown"
        text = one.get("content", one.get("value"))
        if isinstance(text, str):
            turns.append((role, text))
        elif text is None and (one.get("tool_calls") or one.get("function_call")):
            turns.append((role, str(one.get("tool_calls") or one.get("function_call"))))
        else:
            turns.append((role, _text(text, f"turn {i}", faults)))
    return turns


def _text(value: object, where: str, faults: list[Fault]) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        parts = [p.get("text") for p in value if isinstance(p, dict) and p.get("type") == "text"]
        if len(parts) == sum(isinstance(p, dict) and "type" in p for p in value) and all(
            isinstance(p, str) for p in parts
        ):
            return "\n".join(map(str, parts))
        if any(isinstance(p, dict) and "type" in p for p in value):
            return "\n".join(p for p in parts if isinstance(p, str))
    faults.append(("wrong-type", f"{where} is {_name(value)}, where text is wanted"))
    return "" if value is None or isinstance(value, (list, dict)) else str(value)


def _name(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"
