"""doctor list."""

from argparse import Namespace

from tunedoctor.cli.output import screen, write
from tunedoctor.diagnosis.registry import all_checks, all_fixes, installed_plugins


def command(_: Namespace) -> int:
    """Print checks, fixes and plug-ins; returns the exit code."""
    checks = sorted(all_checks(), key=lambda c: c.id)
    fixes = sorted(all_fixes(), key=lambda f: f.id)
    plugins = sorted(installed_plugins().items())
    shown = screen()
    for head, rows in (
        (f"{len(checks)} checks", [(c.id, f"{c.severity:<8} {c.title}") for c in checks]),
        (f"{len(fixes)} fixes", [(f.id, f.title) for f in fixes]),
        (f"{len(plugins)} plug-ins (they run only when named: --plugin NAME)", plugins),
    ):
        shown.line((head, "bold"))
        for name, text in rows:
            shown.line(f"  {name:<30} {text}")
    shown.next("doctor explain ID tells all about one")
    write(shown.text())
    return 0
