"""doctor wheel --matrix on a terminal."""

from itertools import groupby

from tunedoctor.render.choice import head
from tunedoctor.render.screen import Part, Screen, mark
from tunedoctor.wheels.matrix import Matrix, MatrixRow


def render(found: Matrix, screen: Screen) -> str:
    """Return the screen: a line for each build of the last patch of each release, this machine marked."""
    head(found.machine, found.assumed, screen)
    screen.line()
    rows = [_cells(row, first=not i) for some in _releases(found) for i, row in enumerate(some)]
    screen.table("|torch|build|Python|driver|code for|here", rows)
    if not rows:
        screen.wrap("no build of a release in range is for this platform", 2, mark("error"))
    screen.next("doctor wheel says why, and prints the commands")
    return screen.text()


def _releases(found: Matrix) -> list[list[MatrixRow]]:
    every = [list(some) for _, some in groupby(found.rows, lambda row: row.torch)]
    last = {some[0].torch.rpartition(".")[0]: some for some in reversed(every)}
    return [some for some in every if some in last.values() or any(row.chosen for row in some)]


def _cells(row: MatrixRow, *, first: bool) -> tuple[Part, ...]:
    sign = mark("ok") if row.chosen else ""
    here = "; ".join(row.lacks) or ("this one" if row.chosen else "runs")
    return (
        sign,
        row.torch if first else "",
        row.variant,
        _span(row.pythons),
        row.driver,
        _span(row.code),
        here,
    )


def _span(some: tuple[str, ...]) -> str:
    """Return the ends of a list, without free-threaded Pythons and PTX."""
    plain = [one for one in some if one[-1] != "t" and "+" not in one]
    return f"{plain[0]} - {plain[-1]}" if len(plain) > 1 else "".join(plain)
