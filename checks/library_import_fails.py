from collections.abc import Sequence

from tunedoctor.api import (
    Facts,
    Finding,
    Runtime,
    Stage,
    check,
    distribution_of,
    expression,
    is_import,
    late_stages,
    listed,
    module_of,
    pip,
)

NEEDED = ("numpy", "transformers", "tokenizers", "safetensors", "huggingface_hub")
MAIN = (*NEEDED, "accelerate", "peft", "trl", "datasets")
"""What a fine-tune imports; others of the stack are a warning."""


@check("library-import-fails")
def library_import_fails(facts: Facts, runtime: Runtime) -> Finding | None:
    """Find stages "import X" that failed, crashed or hung."""
    bad = [
        stage
        for stage in runtime.stages
        if stage.outcome in ("failed", "crashed", "hung") and _tells(stage)
    ]
    if not bad:
        return None
    late = late_stages()
    main = [stage for stage in bad if module_of(stage.name) in MAIN or stage.name in late]
    # what a library loads late fails for another's sake as well: whose plain import fails comes first
    plain = [stage for stage in main if stage.name not in late]
    first = _blamed((plain or main or bad)[0], bad)
    module = module_of(first.name)
    others = [stage.name for stage in bad if stage is not first]
    return Finding(
        severity="error" if main else "warning",
        title=f"{module} cannot be imported",
        found=f"{first.name}: {_last(first)}" + (f"; also {listed(others)}" if others else ""),
        means=f"a script that imports {module} stops there"
        if first.outcome != "hung"
        else f"a script that imports {module} waits there",
        cure=pip(
            facts.interpreter, "install", "--force-reinstall", distribution_of(module) or module
        ),
        cure_note="no other finding says why; the message names the place",
        evidence=tuple(
            line.strip() for line in first.error.splitlines() if line.strip().startswith("File ")
        )[-3:],
    )


def _blamed(first: Stage, bad: Sequence[Stage]) -> Stage:
    """Return the stage of the library in whose files the first one ended, where that one fails too.

    Of a chain of exceptions the first is the cause; what follows tells who asked.
    """
    cause = first.error.partition("\nThe above exception was")[0]
    files = expression("library-import-fails/in-package").findall(
        cause.partition("\nDuring handling of the above")[0]
    )
    return next((stage for stage in bad if files and module_of(stage.name) == files[-1]), first)


def _tells(stage: Stage) -> bool:
    """Tell an import; torch itself has checks of its own."""
    return is_import(stage.name) and stage.name != "import torch"


def _last(stage: Stage) -> str:
    """Return the message of the first cause: of a chain it is the innermost that tells."""
    lines = [
        line for line in stage.error.splitlines() if line.strip() and not line.startswith("  ")
    ]
    return (lines[0] if lines else stage.error.strip() or stage.outcome)[:200]
