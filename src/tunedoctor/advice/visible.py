"""Which GPUs CUDA_VISIBLE_DEVICES leaves to a process.

Source: CUDA C++ programming guide, environment variables: the list ends at its first entry that names no device;
indexes follow the order of CUDA, fastest first, unless CUDA_DEVICE_ORDER is PCI_BUS_ID.
"""

from collections.abc import Iterable

from tunedoctor.facts import Environment, NvidiaGpu, Unknown
from tunedoctor.versions import parts

VARIABLE = "CUDA_VISIBLE_DEVICES"


def entries(value: str) -> list[str]:
    """Return the entries of such a list, as written."""
    return [entry.strip() for entry in value.split(",")] if value.strip() else []


def visible_gpus(
    gpus: Iterable[NvidiaGpu], environment: Environment | Unknown | None
) -> tuple[NvidiaGpu, ...]:
    """Return the GPUs that a process started here would see, in the order in which CUDA counts them.

    Of unlike cards the order by compute capability stands for that by speed.
    """
    cards = tuple(gpus)
    setting = environment.get(VARIABLE) if isinstance(environment, Environment) else None
    if setting is None:
        return cards
    order = environment.get("CUDA_DEVICE_ORDER") if isinstance(environment, Environment) else None
    counted = cards
    if order != "PCI_BUS_ID" and len({card.name for card in cards}) > 1:
        counted = tuple(
            sorted(cards, key=lambda card: parts(card.compute_capability), reverse=True)
        )
    left: list[NvidiaGpu] = []
    for entry in entries(setting):
        named = _named(entry, counted)
        if named is None:
            break
        left.append(named)
    return tuple(left)


def _named(entry: str, cards: tuple[NvidiaGpu, ...]) -> NvidiaGpu | None:
    """Return the card that an index or the beginning of a UUID names; a MIG id names the first with MIG on."""
    if entry.isascii() and entry.isdigit():
        return cards[int(entry)] if int(entry[:9]) < len(cards) else None
    if entry.startswith("MIG-"):
        return next((card for card in cards if card.mig), None)
    if entry.startswith("GPU-"):
        unknown = next((card for card in cards if not card.uuid), None)
        return next((card for card in cards if card.uuid.startswith(entry)), unknown)
    return None
