"""A node's reply, from any tool: each tool has a module here with `collect(wanted, how)`."""

from typing import NamedTuple

import msgspec

IMAGE = "localhost/training:latest"
"""The image that integrations/container builds."""


class Reply(msgspec.Struct, frozen=True):
    """The answer of one node, or why there is none."""

    name: str
    """The tool's name for the node; the stem of a file."""
    snapshot: bytes = b""
    """JSON of doctor.snapshot/1, or doctor.report/1 from a file; not parsed yet, and untrusted."""
    problem: str = ""
    """Why there is none: "down", "no answer in 60 s", "not started: drained (broken fan)"."""
    seconds: float = 0.0
    """From request to answer, by the clock."""


class CollectOptions(NamedTuple):
    """How to ask each node."""

    words: tuple[str, ...] = ("snapshot", "--profile", "node", "--keep-host")
    """Arguments of doctor on the node; it prints a snapshot."""
    doctor: str = ""
    """Path of doctor on the nodes; "": use an installed one, else send a copy and remove it afterwards."""
    seconds: float = 120.0
    """Time limit for one node, from its start."""
    at_once: int = 64
    """Nodes to ask in parallel, unless the tool decides that."""
    image: str = IMAGE
    """For a pod: an image that contains doctor."""
