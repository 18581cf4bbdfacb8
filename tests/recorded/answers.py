"""Sources whose answers a test gives."""

from collections.abc import Callable, Mapping
from typing import Any

from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Sources
from tunedoctor.installers.uv import Failed, NoSolution, Outcome, ResolveQuestion
from tunedoctor.model.plan import Install


class Answers(Asking):
    def __init__(
        self,
        resolve: Callable[[ResolveQuestion], Outcome],
        look_up: Callable[[Install, str, Mapping[str, str]], Install | NoSolution | Failed],
        sources: Sources = Sources(),  # noqa: B008  frozen
        lacking: str = "",
    ) -> None:
        super().__init__(sources)
        self.given = {"resolve": resolve, "look_up": look_up, "sources": sources}
        self.resolve, self.look_up = resolve, look_up
        self.torch_versions = lambda _: ()
        self.lacking = lambda *_: lacking
        self.source_only = lambda _: {}

    def but(self, **answers: Any) -> "Answers":
        return Answers(**{**self.given, **answers})
