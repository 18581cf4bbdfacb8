from datetime import date

import pytest

from tunedoctor.facts import Knowledge
from tunedoctor.probes.knowledge import knowledge, knowledge_of
from tunedoctor.tables.load import WheelTable, wheel_table

TABLE = WheelTable({}, "2026-11-24", "updated", "x is left out")


@pytest.mark.parametrize(
    ("today", "days"),
    [
        (date(2026, 11, 24), 0),
        (date(2026, 11, 25), 1),
        (date(2027, 1, 24), 61),
        (date(2020, 1, 1), 0),
    ],
)
def test_days_from_the_date_of_the_table(today: date, days: int) -> None:
    assert knowledge_of(TABLE, today) == Knowledge(
        date="2026-11-24", days=days, source="updated", problem="x is left out"
    )


def test_the_table_in_use() -> None:
    one = knowledge()
    assert (one.date, one.source) == (wheel_table().date, wheel_table().source)
