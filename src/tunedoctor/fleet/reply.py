"""What a node sends, whatever engine asked it: each engine is a module here with `collect(wanted, how)`."""

from typing import NamedTuple

import msgspec

IMAGE = "localhost/training:latest"
"""What integrations/container makes."""


class Reply(msgspec.Struct, frozen=True):
    """What one node sent, or why it did not."""

    name: str
    """As the engine calls the node; of a file its stem."""
    snapshot: bytes = b""
    """JSON of doctor.snapshot/1, or of doctor.report/1 from a file; not read yet, and from anybody."""
    problem: str = ""
    """Why there is none: "down", "no answer in 60 s", "not begun: drained (broken fan)"."""
    seconds: float = 0.0
    """From the asking to the answer, by the clock."""


class How(NamedTuple):
    """How each node is asked."""

    words: tuple[str, ...] = ("snapshot", "--profile", "node", "--keep-host")
    """Arguments of the doctor there; it prints a snapshot."""
    doctor: str = ""
    """The doctor on the nodes; "" takes the one that is there, else brings one along and takes it away again."""
    seconds: float = 120.0
    """For one node, from its beginning."""
    at_once: int = 64
    """Nodes that are asked side by side, where the engine does not decide."""
    image: str = IMAGE
    """Of a pod: one with the doctor in it."""
