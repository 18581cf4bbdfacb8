"""GPUs that people name in sentences of their own: "I'm on Ubuntu with an RTX 4090". The weakest word of all."""

import re
from collections.abc import Iterable, Iterator

from tunedoctor.lazy import pattern
from tunedoctor.readers.values.cards import cards_in
from tunedoctor.readers.values.said import Said

_OWN = pattern(
    r"\b(?:my (?:gpu|card|graphics card|machine)\s(?:is|has)|i have|i(?:'m| am) (?:on|using|running|training)"
    r"|running on|training on|i use|using|on my|with my|with|gpu:?"
    r"|my (?:gpu|card|graphics card),|on (?:an?|the|one|google|colab|kaggle))\s{1,3}"
    r"(?:(?:a|an|the|one|single|two|2x?|my|local|nvidia|amd|geforce|new|free|google|colab|kaggle)\s){0,4}"
    r"(?P<gpu>(?:RTX|GTX|RX|Radeon|Tesla|A100|H100|H200|V100|T4|L4|L40S?|A10G?|Arc|Quadro)\b[ -]?[\w]{0,8}"
    r"(?:\s(?:Ti|SUPER|XTX?|Ada|Laptop|\w{0,3}\d{2,4}))?)",
    re.IGNORECASE,
)
_JETSON = pattern(
    r"\bon (?:(?:a|an|my|our|the) )?(?:NVIDIA )?(?P<gpu>Jetson (?:(?:AGX|Orin|Xavier|Thor|Nano|NX|TX2)\b ?){1,3})",
    re.IGNORECASE,
)
_SPARK = pattern(
    r"\bon (?:(?:a|an|my|our|the) )?(?:NVIDIA )?DGX Spark \((?P<gpu>(?:NVIDIA )?GB10)\b",
    re.IGNORECASE,
)
_ITEM = pattern(
    r"\A\s{0,16}[-*+\u2022]\s{1,3}(?P<gpu>(?:(?:nvidia|amd|geforce|radeon)\s){0,3}"
    r"(?:RTX|GTX|RX|Tesla|Quadro|[AVHL]\d{2,3}S?|[5-9]\d{2}0 ?XTX?)\b[ -]?\w{0,8}"
    r"(?:\s(?:Ti|SUPER|XTX?|GRE|Ada|Laptop|\d{1,3}\s?GB))?)\s*\Z",
    re.IGNORECASE,
)
"""A point of a list that is a card's name and nothing else."""
_LONGEST = 600


def prose(lines: Iterable[str]) -> Iterator[Said]:
    """Yield the GPU that sentences in the first person or points of a list name, where they name one model only."""
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(lines):
        if len(line) > _LONGEST or " " not in line:
            continue
        for one in (
            *_OWN.finditer(line),
            *_JETSON.finditer(line),
            *_SPARK.finditer(line),
            *_ITEM.finditer(line),
        ):
            for card in cards_in(one["gpu"]):
                if card.capability or card.gfx:
                    found.setdefault(f"{card.vendor} {card.name.lower()}", (card.name, number))
    if len(found) == 1:
        ((name, number),) = found.values()
        yield Said("gpu in prose", name, line=number)
