"""tunedoctor: finds and cures what stops a machine from fine-tuning language models.

What is offered to other programs are the names of `__all__`; docs/library.md describes them.
"""

__version__ = "0.1.0"
__all__ = [
    "DoctorError",
    "Finding",
    "Fit",
    "Report",
    "Wheel",
    "check",
    "fit",
    "snapshot",
    "triage",
    "wheel",
]

# type checkers know this name; importing typing takes longer than this package
TYPE_CHECKING = False
if TYPE_CHECKING:
    from tunedoctor.core.library import (
        DoctorError,
        Finding,
        Fit,
        Report,
        Wheel,
        check,
        fit,
        snapshot,
        triage,
        wheel,
    )
else:

    def __getattr__(name: str) -> object:
        """Import the library when something of it is asked for: the command does without."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from tunedoctor.core import library  # noqa: PLC0415

        return getattr(library, name)

    def __dir__() -> list[str]:
        """Return what there is, and what will be."""
        return sorted({*globals(), *__all__})
