"""Public names of torch, and since when they are there."""

import pytest

from tunedoctor.tables.load import table
from tunedoctor.tables.small import gave_up, lacks
from tunedoctor.versions import release

SINCE, GONE = table("torch_names")["since"], table("torch_names")["gone"]


@pytest.mark.parametrize(
    ("module", "name", "torch", "since"),
    [
        ("torch.nn", "RMSNorm", "2.1.2+cu121", "2.4"),
        ("torch.nn", "RMSNorm", "2.4.0", ""),
        ("torch.nn", "RMSNorm", "", "2.4"),
        ("torch", "no_such_name", "1.13.1", ""),
        ("torch.utils._pytree", "register_pytree_node", "2.2.0a0+git1", ""),
    ],
)
def test_what_a_release_lacks(module: str, name: str, torch: str, since: str) -> None:
    assert lacks(module, name, torch) == since


def test_every_row_names_a_part_of_torch_and_a_release() -> None:
    assert all(
        name.startswith("torch.") and len(release(v)) == 2 for name, v in {**SINCE, **GONE}.items()
    )


@pytest.mark.parametrize(
    ("module", "name", "torch", "since"),
    [
        ("torch", "_six", "2.4.0+cu121", "2.0"),
        ("torch", "_six", "1.13.1", ""),
        ("torch", "_six", "", "2.0"),
        ("torch.distributed.elastic.agent.server.api", "log", "2.4.0", "2.4"),
        ("torch", "no_such_name", "2.13.0", ""),
    ],
)
def test_what_a_release_gave_up(module: str, name: str, torch: str, since: str) -> None:
    assert gave_up(module, name, torch) == since


def test_no_name_came_after_it_went() -> None:
    both = SINCE.keys() & GONE.keys()
    assert all(release(SINCE[name]) < release(GONE[name]) for name in both)
