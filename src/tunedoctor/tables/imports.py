"""What is imported of a stack, and the stages that tell of it, over imports.json."""

from functools import cache

from tunedoctor.tables.load import table


@cache
def late_stages() -> frozenset[str]:
    """Return the stages of what a library loads only when it is asked for: "trl SFTTrainer"."""
    return frozenset(name for one in table("imports")["stack"] for name in one.get("late", {}))


def is_import(stage: str) -> bool:
    """Tell the stage of an import, a late one too, from one of computing."""
    return stage.startswith("import ") or stage in late_stages()


def module_of(stage: str) -> str:
    """Return the module that the stage of an import is about: "trl" of "import trl" and of "trl SFTTrainer"."""
    return stage.removeprefix("import ").partition(" ")[0]
