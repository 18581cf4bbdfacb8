"""The limit on open files."""

import resource

from tunedoctor.facts import FileLimit
from tunedoctor.probes.limits import file_limit, from_limits


def test_no_limit_is_minus_one() -> None:
    assert from_limits(1024, 2**63, 2**63) == FileLimit(soft=1024, hard=-1)
    assert from_limits(-1, -1, -1) == FileLimit(soft=-1, hard=-1)


def test_the_limit_of_this_process() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert file_limit() == from_limits(soft, hard, resource.RLIM_INFINITY)
