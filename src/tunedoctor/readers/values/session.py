"""What a Python prompt or a shell answered: the expression or command that was typed, then the lines below it."""

import re
from collections.abc import Iterable, Iterator, Sequence

from tunedoctor.lazy import pattern
from tunedoctor.readers.prompts import Prompt, prompt, typed_in
from tunedoctor.readers.values.libraries import library_of
from tunedoctor.readers.values.said import Said, bare

_INLINE = pattern(
    r"""python[\d.]*(?:\.exe)?\s+(?:-\w\s+){0,4}?-c\s*(?P<quote>["'])(?P<code>.{1,800})(?P=quote)"""
)
_FAILED = pattern(
    r"\s{0,40}(?:Traceback \(most recent call last\)"
    r"|(?:[A-Za-z_]\w{0,60}\.){0,6}\w{0,60}(?:Error|Exception)\s?(?::|\Z))"
)
"""In place of an answer."""
_TRACED = pattern(r"\++ (?=[A-Za-z])")
"""What `set -x` puts in front of a command."""
_OUT = pattern(r"\A\s{0,40}(?:Out\[\d{1,5}\]:\s?|\s{0,8})")
_EXPRESSIONS = (
    (r"torch\.version\.cuda\b", "torch_cuda"),
    (r"torch\.version\.hip\b", "torch_hip"),
    (r"torch\.cuda\.is_available\(\)", "available"),
    (r"torch\.xpu\.is_available\(\)", "xpu_available"),
    (r"torch\.backends\.mps\.is_available\(\)", "mps_available"),
    (r"torch\.cuda\.device_count\(\)", "gpu_count"),
    (r"torch\.(?:cuda|xpu)\.get_device_name\([^()]{0,30}\)", "gpu"),
    (r"torch\.cuda\.get_device_capability\([^()]{0,30}\)", "capability"),
    (r"torch\.cuda\.get_arch_list\(\)", "archs"),
    (r"torch\.(?:__version__|version\.__version__)", "torch"),
    (r"(?P<module>[a-z_]\w{1,40})\.(?:__version__|version\.version)", "library"),
    (r"(?P<filed>[a-z_]\w{1,40})\.__file__", "file"),
    (
        r"(?:importlib\.metadata\.|importlib_metadata\.|metadata\.)?version\(['\"](?P<package>[\w.-]{2,60})['\"]\)",
        "library",
    ),
    (r"sys\.version\b", "python"),
    (r"platform\.platform\(\)", "platform"),
    (r"platform\.machine\(\)", "machine"),
    (r"(?:8\s?\*\s?)?struct\.calcsize\(['\"]P['\"]\)(?:\s?\*\s?8)?", "bits"),
)
_EXPRESSION = pattern("|".join(f"(?P<e{i}>{one})" for i, (one, _) in enumerate(_EXPRESSIONS)))
_COMMANDS = (
    (pattern(r"\A(?:\S*/)?python[\d.]*(?:\.exe)?\s+(?:-V{1,2}|--version)\s*\Z"), "python"),
    (pattern(r"\Auname\s+-\w*r\w*\s*\Z"), "kernel"),
    (pattern(r"\Auname\s+-a\s*\Z"), "kernel"),
    (pattern(r"\Auname\s+-m\s*\Z"), "machine"),
)
_ECHO = pattern(
    r"\A(?:echo\s+[\"']?(?:\$\{?|%|\$env:)(?P<name>[A-Za-z_]\w{1,60})[}%]?[\"']?|printenv\s+(?P<printed>[A-Za-z_]\w{1,60}))\s*\Z"
)
_ASSIGN = pattern(
    r"\A(?:export\s+|ENV\s+|set\s+(?:-\w+\s+)*|setx\s+|\$env:)?(?P<rest>[A-Z][A-Z0-9_]{1,60}\s?=\s?.{0,600})\Z"
)
_ONE = pattern(
    r"""\A(?P<name>[A-Z][A-Z0-9_]{1,60})\s?=\s?(?P<value>"[^"\n]{0,500}"|'[^'\n]{0,500}'|[^\s;&"']{0,500})(?:\s+|\s*(?:;|&&)\s*|\Z)"""
)
_ENVIRON = pattern(
    r"""\A\s{0,40}(?:>>>\s?)?os\.environ(?:\[|\.setdefault\()\s?["'](?P<name>[A-Z][A-Z0-9_]{1,60})["'](?:\]\s?=|,)\s?["'](?P<value>[^"'\n]{0,300})["']"""
)
_GREP = pattern(
    r"\A(?:env|printenv|export)\s*\|\s*grep\s+(?:-\w+\s+)?[\"']?\^?(?P<part>[A-Za-z_]{2,40})[\"']?\s*\Z"
)
_STARTS = ("python", "export ", "ENV ", "set ", "os.environ", "$env:", "CUDA", "HSA", "HIP")
"""Beginnings of a line without a prompt that is looked at."""
_PRINTED = pattern(
    r"\s{0,8}(?:print\()?(?:torch\.(?:__version__|version\.cuda|cuda\.is_available\(\)))\)?\s{0,8}\Z"
)
"""A statement without its prompt: an answer only where a value stands below it."""
_VALUE = pattern(r"\s{0,8}['\"]?(?:\d{1,2}\.\d{1,2}[\w.+]{0,30}|True|False|None)['\"]?\s{0,8}\Z")
_SHORTEST, _LONGEST = 4, 1000
_FAR = 12
"""Lines below a command in which its answer stands."""


def answers(lines: Sequence[str]) -> Iterator[Said]:
    """Yield what was answered, and the variables that were set by what was typed."""
    for number, line in enumerate(lines):
        if not _SHORTEST <= len(line) <= _LONGEST:
            continue
        if line.startswith("+"):
            line = _TRACED.sub("", line, count=1)  # noqa: PLW2901  the command is all that is used
        found = prompt(line)
        if not found and not line.lstrip().startswith(_STARTS):
            if "torch." in line and _PRINTED.match(line) and _is_value(lines, number):
                for one in _expressions(line.strip(), lines, number, repl=True):
                    yield one._replace(line=number)
            continue
        if environ := _ENVIRON.match(line):
            yield Said(f"env {environ['name']}", environ["value"], line=number)
        command = found.typed if found else line.strip()
        if (
            found
            and found.kind != "shell"
            and command == "import torch"
            and _goes_on(lines, number)
        ):
            yield Said("ran", "", line=number)
        for one in (
            *_set(command, prompted=found is not None),
            *_answered(command, found, lines, number),
        ):
            yield one._replace(line=number)


_YES_OR_NO = frozenset({"available", "xpu_available", "mps_available"})
_TRUTH = pattern(r"\b(?:[Tt]rue|[Ff]alse)\b")
"""In an answer of theirs; a warning that a terminal broke over two lines stands before it."""
_CHANGES = frozenset({"torch", "torch_cuda", "torch_hip", "available", "xpu_available", "archs"})
"""What another torch answers otherwise."""


def latest(answered: Iterable[Said]) -> Iterator[Said]:
    """Yield the answers, of a torch that changed its version only the last: what came before is over."""
    kept = list(answered)
    versions = [(at, one.value) for at, one in enumerate(kept) if one.key == "torch"]
    last = versions[-1][1] if versions else ""
    other = next((at for at, value in reversed(versions) if value != last), -1)
    since = next((at for at, _ in versions if at > other), 0) if other >= 0 else 0
    for at, one in enumerate(kept):
        if at >= since or one.key not in _CHANGES:
            yield one


def _goes_on(lines: Sequence[str], number: int) -> bool:
    """Tell whether the next prompt stands right below a statement: it printed nothing, and raised nothing."""
    after = next((line for line in lines[number + 1 : number + 3] if line.strip()), "")
    return after.lstrip().startswith((">>>", "In ["))


def _is_value(lines: Sequence[str], number: int) -> bool:
    """Tell whether the next line that is not empty is a value as torch prints them."""
    after = next((line for line in lines[number + 1 : number + 3] if line.strip()), "")
    return _VALUE.match(after) is not None


def _answered(
    command: str, found: Prompt | None, lines: Sequence[str], number: int
) -> Iterator[Said]:
    """Pair a command with the lines below it; one without a prompt only where it runs Python."""
    if inline := _INLINE.search(command):
        yield from _expressions(inline["code"], lines, number, repl=False)
    elif found is None:
        return
    elif found.kind != "shell":
        yield from _expressions(command, lines, number, repl=True)
    elif grep := _GREP.match(command):
        if _nothing(lines, number):
            yield Said("not exported", grep["part"].upper())
    elif echo := _ECHO.match(command):
        value = _next(lines, number)
        if value is not None:
            yield Said(f"env {echo['name'] or echo['printed']}", value)
    else:
        key = next((key for shape, key in _COMMANDS if shape.match(command)), None)
        if key and (value := _next(lines, number)):
            yield Said(key, value)


def _set(command: str, *, prompted: bool) -> Iterator[Said]:
    """Variables before a command or alone: "export A=1 B=2", "CUDA_VISIBLE_DEVICES=2 python main.py"."""
    found = _ASSIGN.match(command)
    if found is None:
        return
    rest, alone = found["rest"], command.startswith(("export", "ENV", "set", "$env"))
    if not (alone or prompted) and not re.search(
        r"\s(?:\S*/)?(?:python|torchrun|accelerate|deepspeed|llamafactory-cli|vllm|axolotl|uv)\b",
        rest,
    ):
        return
    while one := _ONE.match(rest):
        yield Said(f"env {one['name']}", one["value"].strip("\"'"))
        rest = rest[one.end() :]


def _next(lines: Sequence[str], number: int) -> str | None:
    """Return the line below, "" for an empty one; None where another prompt stands there or the text ends."""
    if number + 1 >= len(lines) or typed_in(lines[number + 1]):
        return None
    return lines[number + 1].strip()


def _nothing(lines: Sequence[str], number: int) -> bool:
    """Tell whether a command printed nothing: another prompt, an empty line, or words for it stand below."""
    answer = _next(lines, number)
    return answer is None or answer.strip("()[]<># ").lower() in (
        "",
        "nothing",
        "no output",
        "empty",
        "none",
    )


def _expressions(source: str, lines: Sequence[str], number: int, *, repl: bool) -> Iterator[Said]:
    """Pair the expressions that a statement prints with the lines that it printed."""
    groups = (
        [m[1] for m in re.finditer(r"print\(((?:[^()]|\([^()]{0,60}\)){0,300})\)", source)]
        if "print(" in source
        else []
    )
    if not groups and repl and "=" not in source.replace("==", ""):
        groups = [source]
    wanted = [[_key(m) for m in _EXPRESSION.finditer(group)] for group in groups]
    wanted = [keys for keys in wanted if keys]
    if not wanted:
        return
    answers_: list[str] = []
    for line in lines[number + 1 : number + 1 + _FAR]:
        if typed_in(line) or _FAILED.match(line):
            break
        text = _OUT.sub("", line, count=1).strip()
        if (
            text
            and "Warning" not in text
            and not text.startswith(("return ", "warnings.", "File "))
        ):
            answers_.append(text)
    if _YES_OR_NO.issuperset(key for keys in wanted for key in keys):
        answers_ = [text for text in answers_ if _TRUTH.search(text)]
    for keys, text in zip(wanted, answers_, strict=False):
        yield from _split(keys, text, number)


def _key(found: "re.Match[str]") -> str:
    index = next(i for i in range(len(_EXPRESSIONS)) if found[f"e{i}"] is not None)
    key = _EXPRESSIONS[index][1]
    if key == "file":
        return f"file {library_of(found['filed']) or found['filed']}"
    if key != "library":
        return key
    name = found["module"] or found["package"] or ""
    if name.lower() == "torch":
        return "torch"
    library = library_of(name)
    return f"library {library}" if library else "other"


def _split(keys: list[str], text: str, number: int) -> Iterator[Said]:
    """One line for several expressions holds them with spaces between; brackets hold together."""
    if len(keys) == 1:
        label = re.match(r"\A[A-Za-z][\w .]{0,40}[:=]\s+(?P<value>.+)\Z", text)
        values = [
            label["value"] if label and keys[0] not in ("gpu", "platform", "python") else text
        ]
    else:
        if len(text) > 2 and text[0] == "(" and text[-1] == ")":
            text = text[1:-1]  # a prompt prints several values as a tuple
        values = re.findall(
            r"\[[^\]]{0,400}\]|\([^)]{0,60}\)|'[^']{0,200}'|\"[^\"]{0,200}\"|[^\s,]+", text[:1000]
        )
        if "gpu" in keys and len(values) > len(keys):
            at, extra = keys.index("gpu"), len(values) - len(keys)
            values[at : at + extra + 1] = [" ".join(values[at : at + extra + 1])]
        if len(values) != len(keys):
            return
    for key, value in zip(keys, values, strict=True):
        if key != "other":
            yield Said(key, bare(value), line=number)
        if key in ("torch", "available", "gpu", "capability", "archs"):
            yield Said("ran", "", line=number)
        if key in ("gpu", "capability") and re.search(r"\d", value):
            yield Said("seen", "", line=number)
