"""Find in an error what a library says that compares the version of its neighbour itself."""

from typing import NamedTuple

from tunedoctor.facts import Errors, Unknown
from tunedoctor.lazy import pattern

COMPARES = (
    pattern(r"(?P<owner>Numba) needs (?P<name>NumPy) \d[\w.]{0,20} or (?:less|greater)"),
    pattern(
        r"(?P<owner>)To use `datasets`, the module `(?P<name>pyarrow)[<>=]=?[\d.]{1,20}` is required, and the cu"
        r"rrent version"
    ),
    pattern(
        r"(?P<owner>)Detected incompatible (?P<name>Protobuf) Gencode/Runtime versions [^\n]{3,120}runtime [\d.]"
        r"{1,20}"
    ),
    pattern(
        r"(?P<owner>)The installed (?P<name>pydantic-core) version \([^()\n]{1,20}\) is incompatible with the cu"
        r"rrent pydantic version"
    ),
    pattern(
        r"(?P<owner>)The version of (?P<name>PEFT) you are using is not compatible, please use a version"
    ),
    pattern(r"(?P<owner>Unsloth): [Pp]lease upgrade (?P<name>Unsloth Zoo|[\w-]{2,30})\b"),
    pattern(
        r"(?P<owner>Unsloth): Your (?P<name>transformers|trl|peft) version of [\w.]{1,20} does not support"
    ),
    pattern(
        r"(?P<owner>)VersionConflict: \((?P<name>[\w-]{2,40}) \d[\w.]{0,20} \([^()\n]{1,300}\), Requirement\.par"
        r"se\([^()\n]{1,80}\)"
    ),
    pattern(
        r"(?P<owner>[\w-]{2,40}) \d[\w.]{0,20} has requirement (?P<name>(?!torch|numpy)[\w-]{2,40})\S{2,60}, but"
        r" you'll have "
        r"[\w-]{2,40} [^\n]{1,20} which is incompatible"
    ),
    pattern(
        r"(?P<owner>)Cannot install (?P<name>(?!torch|numpy)[\w-]{2,40})[<>=!~][^\n]{1,200} because these packag"
        r"e versions have "
        r"conflicting dependencies"
    ),
    pattern(
        r"(?P<owner>)(?<![\w-])(?P<name>(?!numpy|torch)[A-Za-z][\w-]{1,40})[<>=!~]=?[^\s]{1,60} is required for "
        r"a normal "
        r"functioning of this module, but found (?!None)[^\n]{3,60}?\d(?=\.\s|\.$|$)"
    ),
    pattern(
        r"(?P<owner>)Found an incompatible version of (?P<name>[\w-]{2,40})\. Found version [^\n]{3,40}? but only "
        r"versions? (?:(?:above|below) \S{1,40}|\S{1,40} or (?:higher|lower)) are supported"
    ),
    pattern(
        r"(?P<owner>[A-Z`]?[\w-]{0,40}`?)(?: TP| ALST/Ulysses| adapter)? requires (?P<name>transformers|deepspeed"
        r"|accelerate|peft|trl|datasets|tokenizers|vllm|safetensors|huggingface[_-]hub|optimum|kernels)(?: version)? ?"
        r"(?:(?:>=|==|<=|<) ?\d[\w.]{0,20}|\d[\w.]{0,20} or (?:higher|newer|later|above))\)?[.,]? (?:[Pp]lease )?"
        r"(?:[Uu]pgrade|[Uu]pdate|[Ii]nstall|[Dd]owngrade)"
    ),
    pattern(
        r"(?P<owner>)(?:Your )?(?P<name>DeepSpeed|[Tt]ransformers|[Aa]ccelerate|PEFT|TRL)(?: MLU| MUSA)? version "
        r"(?:must be >= \d[\w.]{0,20}|is too (?:old|new))"
    ),
    pattern(
        r"(?P<owner>)(?:upgrade|update) (?:your )?(?P<name>transformers|accelerate|peft|trl|datasets|tokenizers"
        r"|deepspeed)(?: version)?(?: to)? ?(?:>=|v?\d)"
    ),
    pattern(
        r"(?P<owner>[\w-]{2,40}) requires (?P<name>(?!torch|numpy)[A-Za-z][\w-]{1,40})>=\d[\w.]{0,20} to be installed"
        r"\. Your version is \d"
    ),
    pattern(
        r"(?P<owner>[\w-]{2,40}) requires (?P<name>(?!torch|numpy)[A-Za-z][\w-]{1,40}) ?(?:[<>=!~]=?\d[\w.*]{0,20},? ?)"
        r"{1,3}but (?:found|got|version) v?\d[\w.]{0,20}"
    ),
    pattern(
        r"(?P<owner>vLLM) with version \d[\w.]{0,20} does not (?:yet )?support (?P<name>transformers)"
    ),
    pattern(
        r"(?P<owner>[A-Z]\w{1,40}) (?:needs|requires) (?P<name>[A-Za-z][\w-]{1,40}) v?\d[\w.]{0,20} or "
        r"(?:less|older|greater|newer|later|higher|above)\b[^\n]{0,10} (?:[Gg]ot|[Ff]ound|[Bb]ut) [^\n]{3,60}"
    ),
    pattern(
        r"(?P<owner>[A-Z]\w{1,40}) requires version '?\d[\w.]{0,20}'? or newer of '(?P<name>[\w-]{2,40})' "
        r"\(version '[^'\n]{1,20}' currently installed\)"
    ),
)
"""Words of libraries for a neighbour of a version that they refuse; torch has checks of its own."""


class Compared(NamedTuple):
    """What was said."""

    owner: str
    """Library that refuses; "" where it is not named."""
    name: str
    """Distribution that it refuses."""
    said: str


def compares(errors: Errors | Unknown | None) -> Compared | None:
    """Return the first such sentence of a log; None where there is none."""
    for error in errors.errors if isinstance(errors, Errors) else ():
        if error.type.endswith("Warning") and error.type != "ImportWarning":  # datasets raises it
            continue
        for own in COMPARES:
            found = own.search(error.text)
            if found and "torch" not in {found["name"].lower(), found["owner"].lower()}:
                return Compared(found["owner"], found["name"].lower().replace(" ", "-"), found[0])
    return None
