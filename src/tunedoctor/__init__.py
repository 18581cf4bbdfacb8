"""tunedoctor: finds and fixes what stops a machine from fine-tuning language models.

Other programs can use the names in `__all__`; docs/library.md describes them.
"""

__version__ = "0.1.0"
__all__ = [
    "ChatResult",
    "Configuration",
    "DataReport",
    "Difference",
    "DoctorError",
    "Environment",
    "Explanation",
    "ExportResult",
    "Finding",
    "FitReport",
    "FixEvents",
    "FixPlan",
    "FixResult",
    "FleetReport",
    "Interaction",
    "PackageSet",
    "Report",
    "RunResult",
    "SavedState",
    "SmokeResult",
    "TrainResult",
    "UndoResult",
    "WheelChoice",
    "chat",
    "check",
    "check_data",
    "check_fleet",
    "check_project",
    "diff",
    "environments",
    "explain",
    "export",
    "fit",
    "fix",
    "fix_project",
    "init",
    "package_set",
    "run",
    "smoke_test",
    "snapshot",
    "states",
    "train",
    "triage",
    "undo",
    "undo_project",
    "wheel",
]
_HOMES = {
    "ChatResult": ("core.chat", "ChatResult"),
    "Configuration": ("core.init", "Configuration"),
    "DataReport": ("data.report", "DataReport"),
    "Difference": ("diagnosis.differences", "Difference"),
    "DoctorError": ("core.errors", "DoctorError"),
    "Environment": ("probes.environments", "Environment"),
    "Explanation": ("core.explain", "Explanation"),
    "ExportResult": ("core.export", "ExportResult"),
    "Finding": ("diagnosis.report", "ReportFinding"),
    "FitReport": ("memory.fit_report", "FitReport"),
    "FixEvents": ("core.fix_scopes", "FixEvents"),
    "FixPlan": ("core.fix", "FixPlan"),
    "FixResult": ("transaction.outcome", "FixResult"),
    "FleetReport": ("fleet.report", "FleetReport"),
    "Interaction": ("core.interaction", "Interaction"),
    "PackageSet": ("planning.package_set", "PackageSet"),
    "Report": ("diagnosis.report", "Report"),
    "RunResult": ("core.run", "RunResult"),
    "SavedState": ("transaction.outcome", "State"),
    "SmokeResult": ("smoke.result", "SmokeResult"),
    "TrainResult": ("core.train", "TrainResult"),
    "UndoResult": ("transaction.outcome", "UndoResult"),
    "WheelChoice": ("wheels.choose", "WheelChoice"),
    "chat": ("core.chat", "chat"),
    "check": ("core.check", "check"),
    "check_data": ("core.data", "check_data"),
    "check_fleet": ("core.fleet", "check_fleet"),
    "check_project": ("core.check_project", "check_project"),
    "diff": ("core.diff", "diff"),
    "environments": ("core.environments", "environments"),
    "explain": ("core.explain", "explain"),
    "export": ("core.export", "export"),
    "fit": ("core.fit", "fit"),
    "fix": ("core.fix", "fix"),
    "fix_project": ("core.fix_project", "fix_project"),
    "init": ("core.init", "init"),
    "package_set": ("core.package_set", "package_set"),
    "run": ("core.run", "run"),
    "smoke_test": ("core.smoke", "smoke_test"),
    "snapshot": ("core.check", "snapshot"),
    "states": ("core.undo", "states"),
    "train": ("core.train", "train"),
    "triage": ("core.triage", "triage"),
    "undo": ("core.undo", "undo"),
    "undo_project": ("core.undo", "undo_project"),
    "wheel": ("core.wheel", "wheel"),
}
"""Name -> its module and its name there: only what is used is imported."""

# type checkers know this name; importing typing takes longer than importing this package
TYPE_CHECKING = False
if TYPE_CHECKING:
    from tunedoctor.core.chat import ChatResult, chat
    from tunedoctor.core.check import check, snapshot
    from tunedoctor.core.check_project import check_project
    from tunedoctor.core.data import check_data
    from tunedoctor.core.diff import diff
    from tunedoctor.core.environments import environments
    from tunedoctor.core.errors import DoctorError
    from tunedoctor.core.explain import Explanation, explain
    from tunedoctor.core.export import ExportResult, export
    from tunedoctor.core.fit import fit
    from tunedoctor.core.fix import FixPlan, fix
    from tunedoctor.core.fix_project import fix_project
    from tunedoctor.core.fix_scopes import FixEvents
    from tunedoctor.core.fleet import check_fleet
    from tunedoctor.core.init import Configuration, init
    from tunedoctor.core.interaction import Interaction
    from tunedoctor.core.package_set import package_set
    from tunedoctor.core.run import RunResult, run
    from tunedoctor.core.smoke import smoke_test
    from tunedoctor.core.train import TrainResult, train
    from tunedoctor.core.triage import triage
    from tunedoctor.core.undo import states, undo, undo_project
    from tunedoctor.core.wheel import wheel
    from tunedoctor.data.report import DataReport
    from tunedoctor.diagnosis.differences import Difference
    from tunedoctor.diagnosis.report import Report
    from tunedoctor.diagnosis.report import ReportFinding as Finding
    from tunedoctor.fleet.report import FleetReport
    from tunedoctor.memory.fit_report import FitReport
    from tunedoctor.planning.package_set import PackageSet
    from tunedoctor.probes.environments import Environment
    from tunedoctor.smoke.result import SmokeResult
    from tunedoctor.transaction.outcome import FixResult, UndoResult
    from tunedoctor.transaction.outcome import State as SavedState
    from tunedoctor.wheels.choose import WheelChoice
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
