"""Find in an error that code of one installed library missed a name, or a keyword, of another."""

from collections.abc import Iterator
from typing import NamedTuple

from tunedoctor.advice.loose_misfits import loose_misfits
from tunedoctor.facts import Errors, ErrorText, Unknown
from tunedoctor.lazy import pattern
from tunedoctor.tables.small import distribution_of

INSTALLED = pattern(r"[\\/](?:site|dist)-packages[\\/](?P<top>\w{1,60})(?:[\\/]|\.py$)")
_NAME = pattern(
    r"cannot import name '(?P<name>\w{1,80})' from '(?P<module>[A-Za-z_][\w.]{1,120})'"
    r"(?: \((?P<file>[^()\n]{1,400})\))?"
)
_ATTRIBUTE = pattern(
    r"module '(?P<module>[A-Za-z_][\w.]{1,120})' has no attribute '(?P<name>\w{1,80})'"
)
_KEYWORD = pattern(
    r"(?P<module>[A-Z]\w{1,60})(?:\.\w{1,60})?\(\) got an unexpected keyword argument '(?P<name>\w{1,80})'"
)
_PYDANTIC = pattern(
    r"(?P<module>pydantic)\.errors\.(?P<name>Pydantic\w{1,40}Error)|(?:^|\n)(?P<bare>Pydantic(?:User|Import|Sche"
    r"ma\w{0,20})Error)\b"
)
"""pydantic 2 raises it where code is written for pydantic 1."""
_NOT_WHOLE = pattern(
    r"partially initialized|unknown location|circular import|consider renaming"
    r"|module '(?:torch|transformers|datasets|numpy)' has no attribute '(?:__version__|__path__|nn|Tensor|tensor"
    r"|cuda|device"
    r"|load_dataset|Dataset|AutoModel|AutoTokenizer|ndarray|array|float32)'"
)
"""A module without what each release of it has is hidden or cut, not of another version."""
_LEFT_OUT = pattern(
    r"module 'torch\._C' has no attribute '_(?:cuda|Cuda|nccl|mps|xpu|npu)"
    r"|cannot import name '_(?:cuda|Cuda)\w{0,60}' from 'torch\._C'|'ProcessGroup(?:NCCL|Gloo|UCC|MPI|XCCL)'"
)
"""What a build of torch leaves out, whatever its release."""
CLASSES = {
    **dict.fromkeys(
        ("Accelerator", "DataLoaderConfiguration", "GradientAccumulationPlugin"), "accelerate"
    ),
    **dict.fromkeys(
        ("Trainer", "TrainingArguments", "BitsAndBytesConfig", "PreTrainedModel"), "transformers"
    ),
    **dict.fromkeys(("SFTTrainer", "SFTConfig", "DPOTrainer", "DPOConfig"), "trl"),
    **dict.fromkeys(("PPOTrainer", "PPOConfig", "GRPOTrainer", "GRPOConfig"), "trl"),
    **dict.fromkeys(("LoraConfig", "PeftConfig", "PeftModel"), "peft"),
    **dict.fromkeys(("Dataset", "DatasetDict", "DownloadConfig"), "datasets"),
    **dict.fromkeys(("HfApi", "HfFileSystem"), "huggingface-hub"),
    **dict.fromkeys(("EngineArgs", "AsyncEngineArgs", "SamplingParams"), "vllm"),
}
"""Class that others call -> its distribution."""


class Misfit(NamedTuple):
    """One such error."""

    owner: str
    """Distribution whose code failed; "" where nothing tells."""
    other: str
    """Distribution that lacks the name or keyword."""
    module: str
    name: str
    said: str


def misfits(errors: Errors | Unknown | None, *, loosely: bool = False) -> Iterator[Misfit]:
    """Yield them in the order of the text; `loosely`: those whose caller is not known, instead.

    Not what the user's own code asks for, nor a package that misses a part of itself, nor a file outside of where
    packages are installed.
    """
    if loosely:
        yield from (Misfit("", one.library, "", "", one.said) for one in loose_misfits(errors))
        return
    for error in errors.errors if isinstance(errors, Errors) else ():
        if found := _misfit(error):
            yield found


def _misfit(error: ErrorText) -> Misfit | None:
    if _NOT_WHOLE.search(error.text) or _LEFT_OUT.search(error.text):
        return None
    keyword = _KEYWORD.search(error.text)
    found = _NAME.search(error.text) or _ATTRIBUTE.search(error.text) or keyword
    if found is None and (pydantic := _PYDANTIC.search(error.text)):
        owner = next((o for o in _owners(error) if not o.startswith("pydantic")), "")
        name = pydantic["name"] or pydantic["bare"]
        said = error.text.partition("\n")[0][:120]
        return Misfit(owner, "pydantic", "pydantic", name, said) if owner else None
    if found is None:
        return None
    file = found.groupdict().get("file")
    if file and not INSTALLED.search(file):
        return None
    other = CLASSES.get(found["module"], "") if found is keyword else _named(found["module"])
    owner = next((o for o in _owners(error) if not keyword or o != other), "")
    if not owner or not other or owner == other:
        return None
    return Misfit(owner, other, found["module"], found["name"], found[0].partition(" (")[0])


def owner_of(error: ErrorText) -> str:
    """Return the distribution whose code raised an error, "" for the user's own or where no frame tells."""
    return next(_owners(error), "")


def _owners(error: ErrorText) -> Iterator[str]:
    """Yield the distributions of the frames, innermost first, up to the first frame of the user's own."""
    for frame in reversed(error.frames):
        if frame.file.startswith("<"):
            continue
        place = INSTALLED.search(frame.file)
        if place is None:
            return
        yield _named(place["top"])


def _named(module: str) -> str:
    top = module.partition(".")[0]
    return distribution_of(module) or top.lower().replace("_", "-")
