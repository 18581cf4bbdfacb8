"""doctor policy."""

from tunedoctor.cli.command_options import PolicyOptions
from tunedoctor.cli.options import TERMINAL, aim, look
from tunedoctor.cli.output import write
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import read_snapshot
from tunedoctor.core.policy import write_policy
from tunedoctor.model.snapshot import Snapshot


def run_policy(arguments: PolicyOptions) -> int:
    """Write a policy that a machine meets; returns the exit code."""
    check_combinations(arguments)

    def take() -> Snapshot:
        if arguments.source:
            return read_snapshot(arguments.source)
        return look(aim(arguments.target, own=arguments.own))

    policy = write_policy(take, arguments.output, force=arguments.force, interaction=TERMINAL)
    if not policy.file:
        write(policy.text)
    return 0


def check_combinations(options: PolicyOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if options.here and (options.source or options.own):
        misuse("--from-here and --from are two machines", "name one")
