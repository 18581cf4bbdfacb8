"""Sources whose answers a test gives."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Sources
from tunedoctor.installers.uv import Failed, NoSolution, Outcome, Question
from tunedoctor.model.plan import Install

LookUp = Callable[[Install, str, Mapping[str, str]], Install | NoSolution | Failed]


class Told(NamedTuple):
    """What is answered."""

    resolve: Callable[[Question], Outcome]
    look_up: LookUp
    sources: Sources = Sources()
    lacking: str = ""


class Answers(Asking):
    """Asks nobody."""

    def __init__(self, told: Told) -> None:
        super().__init__(told.sources)
        self.told = told

    def resolve(self, question: Question) -> Outcome:
        return self.told.resolve(question)

    def look_up(
        self, install: Install, python: str, installed: Mapping[str, str]
    ) -> Install | NoSolution | Failed:
        return self.told.look_up(install, python, installed)

    def held(self, index: str) -> tuple[str, ...]:
        del index
        return ()

    def lacking(self, names: Iterable[str], index: str = "") -> str:
        del names, index
        return self.told.lacking

    def but(self, **answers: object) -> "Answers":
        """Return it with other answers to some questions."""
        return Answers(self.told._replace(**answers))  # type: ignore[arg-type]
