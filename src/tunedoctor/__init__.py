"""tunedoctor: finds and cures what stops a machine from fine-tuning language models.

What is offered to other programs are the names of `__all__`; docs/library.md describes them.
"""

__version__ = "0.1.0"
__all__ = [
    "ChatResult",
    "Configuration",
    "DataReport",
    "Difference",
    "DoctorError",
    "ExportResult",
    "Finding",
    "Fit",
    "FixEvents",
    "FixPlan",
    "FixResult",
    "Interaction",
    "PackageSet",
    "Report",
    "RunResult",
    "SavedState",
    "SmokeResult",
    "TrainResult",
    "UndoResult",
    "Wheel",
    "chat",
    "check",
    "check_data",
    "diff",
    "export",
    "fit",
    "fix",
    "init",
    "package_set",
    "run",
    "smoke_test",
    "snapshot",
    "states",
    "train",
    "triage",
    "undo",
    "wheel",
]
_HOMES = {
    "ChatResult": ("core.chat", "ChatResult"),
    "Configuration": ("core.init", "Configuration"),
    "DataReport": ("data.report", "Report"),
    "Difference": ("diagnosis.differences", "Difference"),
    "DoctorError": ("core.errors", "DoctorError"),
    "ExportResult": ("core.export", "ExportResult"),
    "Finding": ("diagnosis.report", "ReportFinding"),
    "Fit": ("memory.answer", "Answer"),
    "FixEvents": ("core.fix_scopes", "FixEvents"),
    "FixPlan": ("core.fix", "FixPlan"),
    "FixResult": ("transaction.outcome", "FixResult"),
    "Interaction": ("core.interaction", "Interaction"),
    "PackageSet": ("planning.set_answer", "Answer"),
    "Report": ("diagnosis.report", "Report"),
    "RunResult": ("core.run", "RunResult"),
    "SavedState": ("transaction.outcome", "State"),
    "SmokeResult": ("smoke.answer", "Answer"),
    "TrainResult": ("core.train", "TrainResult"),
    "UndoResult": ("transaction.outcome", "Undone"),
    "Wheel": ("wheels.choose", "Answer"),
    "chat": ("core.chat", "chat"),
    "check": ("core.check", "check"),
    "check_data": ("core.data", "check_data"),
    "diff": ("core.diff", "diff"),
    "export": ("core.export", "export"),
    "fit": ("core.fit", "fit"),
    "fix": ("core.fix", "fix"),
    "init": ("core.init", "init"),
    "package_set": ("core.package_set", "package_set"),
    "run": ("core.run", "run"),
    "smoke_test": ("core.smoke", "smoke_test"),
    "snapshot": ("core.check", "snapshot"),
    "states": ("core.undo", "states"),
    "train": ("core.train", "train"),
    "triage": ("core.check", "triage"),
    "undo": ("core.undo", "undo"),
    "wheel": ("core.wheel", "wheel"),
}
"""Name -> module and its name there: only what is used is imported."""

# type checkers know this name; importing typing takes longer than this package
TYPE_CHECKING = False
if TYPE_CHECKING:
    from tunedoctor.core.chat import ChatResult, chat
    from tunedoctor.core.check import check, snapshot, triage
    from tunedoctor.core.data import check_data
    from tunedoctor.core.diff import diff
    from tunedoctor.core.errors import DoctorError
    from tunedoctor.core.export import ExportResult, export
    from tunedoctor.core.fit import fit
    from tunedoctor.core.fix import FixPlan, fix
    from tunedoctor.core.fix_scopes import FixEvents
    from tunedoctor.core.init import Configuration, init
    from tunedoctor.core.interaction import Interaction
    from tunedoctor.core.package_set import package_set
    from tunedoctor.core.run import RunResult, run
    from tunedoctor.core.smoke import smoke_test
    from tunedoctor.core.train import TrainResult, train
    from tunedoctor.core.undo import states, undo
    from tunedoctor.core.wheel import wheel
    from tunedoctor.data.report import Report as DataReport
    from tunedoctor.diagnosis.differences import Difference
    from tunedoctor.diagnosis.report import Report
    from tunedoctor.diagnosis.report import ReportFinding as Finding
    from tunedoctor.memory.answer import Answer as Fit
    from tunedoctor.planning.set_answer import Answer as PackageSet
    from tunedoctor.smoke.answer import Answer as SmokeResult
    from tunedoctor.transaction.outcome import FixResult
    from tunedoctor.transaction.outcome import State as SavedState
    from tunedoctor.transaction.outcome import Undone as UndoResult
    from tunedoctor.wheels.choose import Answer as Wheel
else:

    def __getattr__(name: str) -> object:
        """Import what a program asks for, and only that."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415

        from tunedoctor.system.descendants import share  # noqa: PLC0415

        share()  # the process is somebody else's
        module, own_name = _HOMES[name]
        return getattr(import_module(f"tunedoctor.{module}"), own_name)

    def __dir__() -> list[str]:
        """Return the names that exist, and those that are imported when they are used."""
        return sorted({*globals(), *__all__})
