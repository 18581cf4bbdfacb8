"""Loaders for the small tables, in the order of their names; the tables themselves describe their content."""

import re
from functools import cache
from typing import Any, Literal

import msgspec

from tunedoctor.model.versions import at_least, normalised, pep440, release, within
from tunedoctor.tables.load import rows, table


def good_set(torch: str = "", transformers: str = "", python: str = "") -> dict[str, str]:
    """Return the newest set that fits an installed torch and transformers, as name -> version; {} if none does.

    "" means not installed or unknown. A set fits if torch has the same or a newer minor version than in the set,
    transformers is not older than in the set, and all libraries of the set support the Python.
    """
    sets: list[dict[str, str]] = table("good_sets")["sets"]
    have = pep440(transformers)
    for row in reversed(sets):
        if python and within(python, row["python"]) is False:
            continue
        own = pep440(row["transformers"])
        if torch and release(torch)[:2] < release(row["torch"])[:2]:
            continue
        if have is None or (own is not None and own <= have):
            return row
    return {}


@cache
def _incidental() -> frozenset[tuple[str, str]]:
    incidental_rows = table("incidental")["rows"]
    return frozenset((row["fact"], field) for row in incidental_rows for field in row["fields"])


def incidental(fact: str, path: str) -> bool:
    """Return whether a difference means nothing alone: a changing value, a path, the name of one of several things."""
    return bool({(fact, path), (fact, re.sub(r"\[[^\]]*\]", "", path))} & _incidental())


@cache
def late_stages() -> frozenset[str]:
    """Return the stages for what a library loads only on request: "trl SFTTrainer"."""
    return frozenset(
        name for library in table("imports")["stack"] for name in library.get("late", {})
    )


def is_import(stage: str) -> bool:
    """Return whether a stage is an import, including a late one, rather than a computation."""
    return stage.startswith("import ") or stage in late_stages()


def module_of(stage: str) -> str:
    """Return the module that an import stage is about: "trl" for "import trl" and "trl SFTTrainer"."""
    return stage.removeprefix("import ").partition(" ")[0]


def first_transformers(model: str) -> str:
    """Return the first release that knows a model type ("qwen3" -> "4.51.0"), or its class ("Qwen3ForCausalLM").

    "" if no release in the table knows it: a model with its own code, or one that is newer than the table.
    """
    data = table("model_types")
    releases_by_type: dict[str, str] = data["items"]
    if model in releases_by_type:
        return releases_by_type[model]
    if model in data["in_before"]:
        return str(data["before"])
    head = model.partition("For")[0].removesuffix("Fast")
    for end in ("Model", "Config", "Tokenizer", "Processor"):
        head = head.removesuffix(end)
    return next(
        (since for name, since in releases_by_type.items() if _plain(name) == _plain(head)), ""
    )


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


class ModelRow(msgspec.Struct, frozen=True):
    """One model in the table."""

    name: str
    config: dict[str, Any]
    """Keys and values as in its config.json."""
    params: int
    outside: int = 0
    """Elements of its vision and audio towers, which are not in the config."""
    alike: tuple[str, ...] = ()
    """Models whose config has the same keys and values."""
    like: str = ""
    """An earlier row with all keys that are not in its own config."""
    note: str = ""


@cache
def models() -> tuple[ModelRow, ...]:
    """Return all models in table order, each with all keys of its config."""
    by_name: dict[str, ModelRow] = {}
    for row in rows("models", "models", ModelRow):
        base = by_name[row.like].config if row.like else {}
        by_name[row.name] = msgspec.structs.replace(row, config={**base, **row.config})
    return tuple(by_name.values())


def distribution_of(module: str) -> str:
    """Return the distribution of a module such as "a.b"; "" if the module is unknown."""
    top = module.partition(".")[0]
    if module == "google" or module.startswith("google.protobuf"):
        return "protobuf"
    if top == "google":
        return ""
    names = table("modules")
    otherwise: str = names["named_otherwise"].get(top, "")
    return otherwise or (top.lower() if top in names["named_alike"] else "")


def brought_by(module: str) -> str:
    """Return the distribution that installs a module: the known one, else the one with its name."""
    return distribution_of(module) or normalised(module.partition(".")[0])


def modules_of(name: str) -> tuple[str, ...]:
    """Return the modules that a distribution would install if it were installed."""
    names = table("modules")["named_otherwise"]
    modules = [module for module, other in names.items() if normalised(other) == name]
    stack = table("probes")["stack"].get(name)
    module_names = [stack] if stack else modules or [name.replace("-", "_")]
    module_names += ["google.protobuf"] * (name == "protobuf")
    return tuple(dict.fromkeys(module_names))


def question(text: str) -> str:
    """Return what to ask for if a text does not settle it; "" if no row matches."""
    rows_of_questions = table("questions")["questions"]
    return next(
        (q["ask"] for q in rows_of_questions if re.search(q["pattern"], text, re.IGNORECASE)), ""
    )


class Override(msgspec.Struct, frozen=True):
    """The properties of a GPU that needs an override value."""

    gfx: str
    value: str
    """"10.3.0"."""
    grade: Literal["works", "older", "stopgap", "fails"]
    """works: no wheel has the GPU's own code. older: only old wheels lack it. stopgap: seen to run, and to fail. fails:
    seen to hang, crash or give wrong results."""

    @property
    def runs(self) -> str:
        """The target whose code runs: "10.3.0" -> gfx1030."""
        return "gfx" + self.value.replace(".", "")


def rocm_override(gfx: str) -> Override | None:
    """Return what is known about a GPU's target ("gfx1031"); None if no value was ever useful for it."""
    return next((row for row in rows("rocm_overrides", "rows", Override) if row.gfx == gfx), None)


Lack = Literal["no_chat_template", "no_padding_token"]


def tokenizer_lacks(model: str, what: Lack) -> bool:
    """Return whether a model's tokenizer is known to lack something; False for a model that is not in the table."""
    return model in table("tokenizers")[what]


def is_conversational(dataset: str) -> bool:
    """Return whether a dataset is known to consist of messages; False for one that is not in the table."""
    return dataset in table("tokenizers")["conversational"]


class TritonPtxas(msgspec.Struct, frozen=True):
    """The ptxas that Triton runs for GPUs of compute capability 10.0 and newer."""

    torch: str
    """First torch that requires this Triton: "2.10"."""
    triton: str
    cuda: str
    """CUDA release of that ptxas: "12.9"."""


def triton_ptxas(torch: str) -> TritonPtxas | None:
    """Return the row of a torch release ("2.9.1"); None for a torch that is older than the table, or unknown."""
    fits = [row for row in rows("triton_ptxas", "rows", TritonPtxas) if at_least(torch, row.torch)]
    return fits[-1] if torch and fits else None


def torch_with_ptxas(cuda: str) -> str:
    """Return the first torch whose Triton has the ptxas of this CUDA or a newer one; "" if there is none yet."""
    every = rows("triton_ptxas", "rows", TritonPtxas)
    return next((row.torch for row in every if at_least(row.cuda, cuda)), "")


def lacks(module: str, name: str, torch: str) -> str:
    """Return the release that added a name which a torch does not have; "" if it has the name, or if unknown.

    An unknown torch ("") counts as older, because an error said that the name does not exist. Without a module the name
    is "function keyword".
    """
    kind, key = ("since", f"{module}.{name}") if module else ("keywords", name)
    since: str = table("torch_names")[kind].get(key, "")
    return since if since and (not torch or within(torch, f"<{since}") is True) else ""


def gave_up(module: str, name: str, torch: str) -> str:
    """Return the release that removed a name which a torch ("": the newest) no longer has; "" if unknown."""
    since: str = table("torch_names")["gone"].get(f"{module}.{name}", "")
    return since if since and (not torch or within(torch, f">={since}") is True) else ""


class XidMeaning(msgspec.Struct, frozen=True):
    """An Xid that is about the GPU, not the program that ran on it."""

    name: str
    asks: Literal["reset", "reboot", "power", "replace", "idle"]
    """`idle`: restarting the program is enough for now, and a reset once the GPU is idle."""
    says: tuple[str, ...] = ()
    """Words, one of which its text must contain; otherwise it is harmless."""


def xid_meaning(number: int, text: str = "") -> XidMeaning | None:
    """Return what an Xid requires; None for an application's fault or an unknown one.

    `text`: what the driver printed after the number. Links use one number for fatal and harmless errors.
    """
    row = table("xids")["xids"].get(str(number))
    if not row:
        return None
    meaning = msgspec.convert(row, XidMeaning)
    low = text.lower()
    return None if meaning.says and not any(word in low for word in meaning.says) else meaning


class ExitStatus(msgspec.Struct, frozen=True):
    """An exit status with which Windows ends a program."""

    status: int
    name: str
    says: str

    @property
    def words(self) -> str:
        """The name, the number as Windows writes it, and what it means."""
        return f"{self.name} (0x{self.status:X}): {self.says}"


def windows_status(code: int) -> ExitStatus | None:
    """Return what an exit status of Windows means; None for a program's own, which are small."""
    statuses = rows("exit_statuses", "statuses", ExitStatus) if code >= 1 << 30 else ()
    return next((status for status in statuses if status.status == code), None)


class Goal(msgspec.Struct, frozen=True):
    """The purpose of a training, and the resulting keys of its configuration."""

    name: str
    words: str
    """What the model should do, after "to"."""
    settings: dict[str, float | int | bool | str]
    held: float
    source: str
