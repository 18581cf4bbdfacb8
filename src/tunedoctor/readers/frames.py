"""Read one line of a traceback: a place in the code, in the layouts of Python, notebooks and Rich."""

from tunedoctor.facts import Frame
from tunedoctor.lazy import pattern

PLAIN = pattern(
    r'(?P<indent>\s*)File "?(?P<file>[^"\n]{1,400}?)"?, line (?P<line>\d{1,7})(?:,? in (?P<function>.{1,200}))?\s*$'
)
"""Python's own; faulthandler writes no comma before `in`."""
_PATH = r"(?:~|[A-Za-z]:)?[\w.<>@+ \\/~-]{0,300}[\w>]"
_NOTEBOOK = (
    pattern(
        r"(?:Cell|Input) In ?\[(?P<cell>\d{0,5}| |\*)\],? "
        r"(?:line (?P<line>\d{1,6})|in (?P<function>.{1,200}))\s*(?:\(.{0,80}\))?$"
    ),
    pattern(rf"File (?P<file>{_PATH}):(?P<line>\d{{1,7}})(?:, in (?P<function>.{{1,400}}))?$"),
    pattern(
        r"(?P<file><ipython-input-[\w-]{1,60}>|/tmp/ipykernel_\d{1,9}/\d{1,12}\.py) in (?P<function>.{1,200})$"
    ),
    pattern(
        rf"\[?(?P<file>(?:~|/|[A-Za-z]:\\){_PATH}\.(?:py|pyx|so|pyd))"
        r"(?:\]\([^)\n]{1,80}\))? in (?P<function>.{1,400})$"
    ),
)
_RICH = pattern(
    rf"(?P<file>{_PATH}\.(?:py|pyx)|<\w{{1,40}}>):(?P<line>\d{{1,7}}) in (?P<function>.{{1,200}})$"
)
ARROW = pattern(r"\s{0,8}(?:-{1,6}>|❱|>)\s{0,6}(?P<line>\d{1,7})(?:\s(?P<code>.*))?$")
"""The line of code that stands in the traceback, marked."""
NUMBERED = pattern(r"\s{0,12}\d{1,7}(?:\s|$)")


def plain(text: str) -> Frame | None:
    """Return the frame of a line as Python prints it."""
    found = PLAIN.match(text) if "File " in text and ", line " in text else None
    if not found:
        return None
    return Frame(
        file=found["file"], line=int(found["line"]), function=(found["function"] or "").strip()
    )


def notebook(text: str) -> Frame | None:
    """Return the frame of a line as IPython prints it."""
    line = text.strip()
    if " in " not in line and ", line " not in line and not line.startswith("File "):
        return None
    for shape in _NOTEBOOK:
        if found := shape.match(line):
            groups = found.groupdict()
            number = groups.get("line")
            return Frame(
                file=groups.get("file") or f"In[{groups.get('cell') or ''}]",
                line=int(number) if number else None,
                function=_name(groups.get("function")),
            )
    return None


def rich(text: str) -> Frame | None:
    """Return the frame of a line as Rich prints it inside a box."""
    found = _RICH.match(text.strip()) if " in " in text else None
    return (
        Frame(file=found["file"], line=int(found["line"]), function=found["function"])
        if found
        else None
    )


def _name(function: str | None) -> str:
    return (function or "").split("(")[0].strip() or (function or "")
