"""Share of near repeats that `doctor data` finds, by words changed of a hundred, and strangers taken for repeats.

    python benchmarks/near_repeats.py

Words are drawn by Zipf's law from 20,000, changed ones from all of them alike.
"""

import random

from tunedoctor.data.repeats import Sketches, sketch

SHARES = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2)
TRIES = 300
STRANGERS = 20_000


def main() -> None:
    """Print a table."""
    draw = random.Random(3)  # noqa: S311  made-up text
    words = [
        "".join(draw.choices("etaoinshrdlucmfw", k=draw.randint(2, 10))) for _ in range(20_000)
    ]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    print("words  " + "".join(f"{share:>7.0%}" for share in SHARES))
    for length in (40, 100, 400):
        found = []
        for share in SHARES:
            hits = 0
            for _ in range(TRIES):
                text = draw.choices(words, weights, k=length)
                changed = list(text)
                for place in draw.sample(range(length), max(1, round(share * length))):
                    changed[place] = draw.choice(words)
                table = Sketches()
                table.like(sketch(" ".join(text).encode()), 0, 1)
                hits += table.like(sketch(" ".join(changed).encode()), 0, 2) is not None
            found.append(hits / TRIES)
        print(f"{length:5}  " + "".join(f"{share:>7.0%}" for share in found))
    table = Sketches()
    wrong = sum(
        table.like(sketch(" ".join(draw.choices(words, weights, k=100)).encode()), 0, line)
        is not None
        for line in range(1, STRANGERS + 1)
    )
    print(f"{wrong} of {STRANGERS:,} strangers taken for a repeat")


if __name__ == "__main__":
    main()
