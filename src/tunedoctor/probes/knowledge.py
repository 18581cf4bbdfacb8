"""The date of the wheel table in use."""

from datetime import UTC, date, datetime

from tunedoctor.facts import Knowledge
from tunedoctor.probing import probe
from tunedoctor.tables.load import WheelTable, wheel_table


@probe(Knowledge)
def knowledge() -> Knowledge:
    """Count the days since the table's date."""
    return knowledge_of(wheel_table(), datetime.now(UTC).date())


def knowledge_of(table: WheelTable, today: date) -> Knowledge:
    """Return how old a table is; a clock that is behind it makes it new."""
    days = (today - date.fromisoformat(table.date)).days
    return Knowledge(date=table.date, days=max(days, 0), source=table.source, problem=table.problem)
