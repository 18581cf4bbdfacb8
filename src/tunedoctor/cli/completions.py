"""Values that a shell offers at the tab key; each imports what it lists only then."""

from collections.abc import Iterable


def complete_check(incomplete: str) -> list[str]:
    """Return the ids of checks."""
    from tunedoctor.diagnosis.registry import all_checks  # noqa: PLC0415

    return _starting((check.id for check in all_checks()), incomplete)


def complete_topic(incomplete: str) -> list[str]:
    """Return the ids of checks and the pages that doctor explain shows."""
    from tunedoctor.core.explain import documents  # noqa: PLC0415
    from tunedoctor.diagnosis.registry import all_checks  # noqa: PLC0415

    return _starting((*(check.id for check in all_checks()), *documents()), incomplete)


def complete_gpu(incomplete: str) -> list[str]:
    """Return GPU models from the word on that was typed: "40" gives "4090", "rtx 40" gives "RTX 4090"."""
    from tunedoctor.tables.gpus import cards  # noqa: PLC0415

    low, names = incomplete.lower(), dict[str, None]()
    for card in cards():
        words = card.name.split()
        tails = (" ".join(words[i:]) for i in range(len(words)))
        names |= {
            incomplete + tail[len(low) :]: None for tail in tails if tail.lower().startswith(low)
        }
    return sorted(names)


def complete_model(incomplete: str) -> list[str]:
    """Return the models of the catalogue."""
    from tunedoctor.tables.small import models  # noqa: PLC0415

    return _starting((model.name for model in models()), incomplete)


def complete_goal(incomplete: str) -> list[str]:
    """Return the goals of a first configuration."""
    from tunedoctor.tables.load import table  # noqa: PLC0415

    return _starting((goal["name"] for goal in table("goals")["goals"]), incomplete)


def complete_optimizer(incomplete: str) -> list[str]:
    """Return the optimizers that doctor fit knows."""
    from tunedoctor.memory.parameters import OPTIMIZERS  # noqa: PLC0415

    return _starting(OPTIMIZERS, incomplete)


def complete_stack(incomplete: str) -> list[str]:
    """Return the training libraries that doctor fit knows."""
    from tunedoctor.memory.run import STACKS  # noqa: PLC0415

    return _starting(STACKS, incomplete)


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
