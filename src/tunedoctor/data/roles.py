"""The order of roles in a sample, and turns that are empty or cut off."""

from tunedoctor.data.shapes import Fault, Sample

_SHORT = {"system": "s", "user": "u", "assistant": "a", "tool": "t", "text": "x", "unknown": "?"}
_CUT_FROM = 200
"""Characters from which an answer that ends inside a sentence seems cut; names and labels are shorter."""


def order(sample: Sample) -> str:
    """Return the roles in short, repeats counted: "s (ua)3"."""
    letters = "".join(_SHORT[role] for role, _ in sample.turns)
    head = "s" if letters.startswith("s") else ""
    rest = letters[len(head) :]
    n = len(rest) // 2
    if n > 1 and rest == "ua" * n:
        rest = "(ua)+"
    elif len(rest) > 12:
        rest = rest[:12] + "+"
    return f"{head} {rest}".strip()


def order_faults(sample: Sample) -> list[Fault]:
    """Find what a strict chat template (Llama's, Mistral's, Gemma's) refuses, and what has nothing to learn."""
    found: list[Fault] = []
    if sample.form == "text":
        return found
    last = ""
    for i, (role, _) in enumerate(sample.turns, 1):
        if wrong := _against(role, last, i, pair=sample.form == "preference"):
            found.append(("role-order", wrong))
        last = role
    if sample.turns and last != "assistant":
        answered = any(role == "assistant" for role, _ in sample.turns)
        found.append(("no-answer", f"it ends with {last}" if answered else "no turn is assistant"))
    return found


def _against(role: str, last: str, i: int, *, pair: bool) -> str:
    """Return what is wrong with turn `i` behind the role `last`; of a preference pair the prompt can be elsewhere."""
    if role == last and role in ("user", "assistant"):
        return f"turns {i - 1} and {i} are both {role}"
    if role == "system" and i > 1:
        return f"turn {i} is system, which stands first or nowhere"
    if role == "assistant" and last in ("", "system") and not pair:
        return "it begins with assistant"
    if role == "tool" and last not in ("assistant", "tool"):
        return f"turn {i} is tool, without a call before it"
    return ""


def turn_faults(sample: Sample) -> list[Fault]:
    """Find empty turns, and answers that end inside a sentence or a code block."""
    found: list[Fault] = []
    for i, (role, text) in enumerate(sample.turns, 1):
        if not text or text.isspace():
            found.append(("empty-turn", f"turn {i} ({role})" if role != "text" else "the text"))
        elif role == "assistant" and len(text) >= _CUT_FROM:
            end = text[-1]
            if (end.isalpha() and end.isascii() and "\n" not in text[-40:]) or end in ",;:(":
                found.append(("cut-answer", f"turn {i} ends inside a sentence"))
            elif text.count("```") % 2:
                found.append(("cut-answer", f"turn {i} ends inside a code block"))
    return found
