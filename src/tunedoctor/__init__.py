"""tunedoctor: finds and fixes what stops a machine from fine-tuning language models.

Other programs can use the names in `__all__`; docs/library.md describes them.
"""

__version__ = "0.1.0"
__all__ = [
    "Configuration",
    "DataReport",
    "Difference",
    "DoctorError",
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
    "UndoResult",
    "Wheel",
    "check",
    "check_data",
    "diff",
    "fit",
    "fix",
    "init",
    "package_set",
    "run",
    "smoke_test",
    "snapshot",
    "states",
    "triage",
    "undo",
    "wheel",
]
_HOMES = {
    "Configuration": ("core.init", "Configuration"),
    "DataReport": ("data.report", "Report"),
    "Difference": ("diagnosis.differences", "Difference"),
    "DoctorError": ("core.errors", "DoctorError"),
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
    "UndoResult": ("transaction.outcome", "Undone"),
    "Wheel": ("wheels.choose", "Answer"),
    "check": ("core.check", "check"),
    "check_data": ("core.data", "check_data"),
    "diff": ("core.diff", "diff"),
    "fit": ("core.fit", "fit"),
    "fix": ("core.fix", "fix"),
    "init": ("core.init", "init"),
    "package_set": ("core.package_set", "package_set"),
    "run": ("core.run", "run"),
    "smoke_test": ("core.smoke", "smoke_test"),
    "snapshot": ("core.check", "snapshot"),
    "states": ("core.undo", "states"),
    "triage": ("core.check", "triage"),
    "undo": ("core.undo", "undo"),
    "wheel": ("core.wheel", "wheel"),
}
"""Name -> its module and its name there: only what is used is imported."""

# type checkers know this name; importing typing takes longer than importing this package
TYPE_CHECKING = False
if TYPE_CHECKING:
    from tunedoctor.core.check import check, snapshot, triage
    from tunedoctor.core.data import check_data
    from tunedoctor.core.diff import diff
    from tunedoctor.core.errors import DoctorError
    from tunedoctor.core.fit import fit
    from tunedoctor.core.fix import FixPlan, fix
    from tunedoctor.core.fix_scopes import FixEvents
    from tunedoctor.core.init import Configuration, init
    from tunedoctor.core.interaction import Interaction
    from tunedoctor.core.package_set import package_set
    from tunedoctor.core.run import RunResult, run
    from tunedoctor.core.smoke import smoke_test
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
        """Import what a program uses, and only that."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415

        from tunedoctor.system.descendants import share  # noqa: PLC0415

        share()  # the process is another program's
        module, own_name = _HOMES[name]
        return getattr(import_module(f"tunedoctor.{module}"), own_name)

    def __dir__() -> list[str]:
        """Return the names that exist, and those that are imported on first use."""
        return sorted({*globals(), *__all__})
