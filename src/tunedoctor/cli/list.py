"""doctor list."""

from argparse import Namespace

from tunedoctor.cli.output import write
from tunedoctor.registry import all_checks, all_fixes, installed_plugins


def command(_: Namespace) -> int:
    """Print checks, fixes and plug-ins; returns the exit code."""
    checks = sorted(all_checks(), key=lambda c: c.id)
    lines = [f"{len(checks)} checks"]
    lines += [f"  {c.id:<30} {c.severity:<8} {c.title}" for c in checks]
    fixes = sorted(all_fixes(), key=lambda f: f.id)
    lines.append(f"{len(fixes)} fixes")
    lines += [f"  {f.id:<30} {f.title}" for f in fixes]
    plugins = installed_plugins()
    lines.append(f"{len(plugins)} plug-ins (they run only when named: --plugin NAME)")
    lines += [f"  {name:<30} {module}" for name, module in sorted(plugins.items())]
    write("\n".join(lines) + "\n")
    return 0
