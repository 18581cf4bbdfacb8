"""A name that trl gave up: the release that is advised has it."""

from typed import inside as doctor

ERROR = "ImportError: cannot import name '{name}' from 'trl' (/v/lib/python3.11/site-packages/trl/__init__.py)"


def fix_of(name: str) -> str:
    """Return the line of the fix that triage prints, for trl 1.16."""
    screen = doctor("triage", "-", stdin=f"{ERROR.format(name=name)}\n\ntrl==1.16.0\n").stdout
    return next(line for line in screen.splitlines() if line.lstrip().startswith("fix "))


def test_a_trainer_that_moved_in_0_29():
    assert '"trl<0.29"' in fix_of("PPOTrainer")


def test_a_trainer_that_ended_with_0_12():
    assert "<0.13.0" in fix_of("PPOv2Trainer")
