from collections.abc import Sequence

from tunedoctor import api

MAIN = (
    *("numpy", "transformers", "tokenizers", "safetensors", "huggingface_hub"),
    *("accelerate", "peft", "trl", "datasets"),
)
"""What a fine-tune imports; others of the stack are a warning."""


@api.check("library-import-fails")
def library_import_fails(facts: api.Facts, runtime: api.Runtime) -> api.Finding | None:
    """Find stages "import X" that failed, crashed or hung; torch itself has checks of its own."""
    ended = (one for one in runtime.stages if one.outcome in ("failed", "crashed", "hung"))
    bad = [one for one in ended if api.is_import(one.name) and one.name != "import torch"]
    if not bad:
        return None
    late = api.late_stages()
    main = [stage for stage in bad if api.module_of(stage.name) in MAIN or stage.name in late]
    # what a library loads late fails for another's sake as well: whose plain import fails comes first
    plain = [stage for stage in main if stage.name not in late]
    first = _blamed((plain or main or bad)[0], bad)
    module, lines = api.module_of(first.name), first.error.splitlines()
    # of a chain of exceptions the innermost, which comes first, tells
    message = next((one for one in lines if one.strip() and not one.startswith("  ")), "")
    return facts.worded(
        "library-import-fails/main" if main else "",
        "library-import-fails",
        evidence=tuple(one.strip() for one in lines if one.strip().startswith("File "))[-3:],
        module=module,
        name=api.brought_by(module),
        stage=first.name,
        last=(message or first.error.strip() or first.outcome)[:200],
        others=[stage.name for stage in bad if stage is not first],
        ends="waits" if first.outcome == "hung" else "stops",
    )


def _blamed(first: api.Stage, bad: Sequence[api.Stage]) -> api.Stage:
    """Return the stage of the library in whose files the first one ended, where that one fails too.

    Of a chain of exceptions the first is the cause; what follows tells who asked.
    """
    cause = first.error.partition("\nThe above exception was")[0]
    cause = cause.partition("\nDuring handling of the above")[0]
    files = api.expression("library-import-fails/in-package").findall(cause)
    return next((stage for stage in bad if files and api.module_of(stage.name) == files[-1]), first)
