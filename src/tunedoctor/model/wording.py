"""Format sizes, lists, times and commands for findings."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence


def gib(size: int) -> str:
    """Return bytes in readable form: "24 GiB", "1.5 GiB", "64 MiB"."""
    if size < 1 << 30:
        return f"{size / (1 << 20):.0f} MiB"
    value = size / (1 << 30)
    digits = 1 if value < 10 and abs(value - round(value)) > 0.05 else 0
    return f"{value:.{digits}f} GiB"


def many(number: int, word: str) -> str:
    """Return "1 error" or "3 errors"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def percent(likelihood: float) -> str:
    """Return "87%" for 0.87; at most 99%, since no text alone makes a cause certain."""
    return f"{min(likelihood, 0.99):.0%}"


def quoted_path(path: str) -> str:
    """Return a path quoted for a shell; a leading ~/ stays outside the quotes, so that the shell expands it."""
    import shlex  # noqa: PLC0415  few reports name a path

    home, rest = ("~/", path[2:]) if path.startswith("~/") and path != "~/" else ("", path)
    return home + shlex.quote(rest)


def name_counts(names: Iterable[str]) -> list[str]:
    """Return each name once, with its count: ["2 x RTX 4090", "T4"]."""
    return [f"{n} \u00d7 {name}" if n > 1 else name for name, n in Counter(names).items()]


def by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Return reason -> ids that have this reason."""
    result: dict[str, list[str]] = {}
    for id_, why in reasons.items():
        result.setdefault(why, []).append(id_)
    return result


def ago(taken: str) -> str:
    """Return how long ago an ISO 8601 time was: "a moment ago", "5 min ago", "3 h ago", "2 days ago"."""
    from datetime import UTC, datetime  # noqa: PLC0415  few have something to date

    try:
        minutes = (datetime.now(UTC) - datetime.fromisoformat(taken)).total_seconds() / 60
    except (ValueError, TypeError):  # not a time, or one without a zone
        return "some time ago"
    for size, name in ((1440, "day"), (60, "h"), (1, "min")):
        if minutes >= size:
            count = int(minutes // size)
            return f"{count} {name}{'s' if name == 'day' and count > 1 else ''} ago"
    return "a moment ago"


def megabytes(size: int) -> str:
    """Return "2.7 GB", "821 MB", "12 kB"."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            value = size / unit
            return f"{value:.1f} {name}" if value < 10 else f"{value:.0f} {name}"
    return f"{size} B"


def clauses(texts: Iterable[str], most: int = 3) -> str:
    """Return "a; b; c; and 7 more"."""
    all_texts = [*texts]
    more = [f"and {len(all_texts) - most} more"] if len(all_texts) > most else []
    return "; ".join([*all_texts[:most], *more])


def listed(items: Iterable[str], most: int = 4) -> str:
    """Return "a, b and c", or "a, b, c, d and 7 more"."""
    names: Sequence[str] = list(items)
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def suggest_similar(word: str, words: Iterable[str], most: int = 1) -> str:
    """Return a question that suggests words similar to one; "" if there are none."""
    from difflib import get_close_matches  # noqa: PLC0415  only on a mistake

    plain = {candidate.lower(): candidate for candidate in words}
    close = [plain[match] for match in get_close_matches(word.lower(), plain, most)]
    return f" (is it {' or '.join(close)}?)" if close else ""
