"""What a Mamba layer's scan takes where no kernel of mamba-ssm makes it: transformers' own code.

Read from `mamba2_chunk_scan` and `mamba_selective_scan` of transformers 5.24 and off the tracer. Mamba works token by
token and keeps each state. Mamba 2 works chunk by chunk: for each head there are matrices of chunk x chunk, B and C are
repeated for every head, and products are made in fp32, but under autocast. All sizes are bytes.
"""

from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Scan


def kept(scan: Scan, run: Run) -> int:
    """Return what the scan keeps for the backward pass."""
    if not scan.chunk:  # A and B x by the time step, states; x, the time step, the output
        return 4 * run.tokens * scan.inner * (3 * scan.state + 3)
    square, states, inner = _widths(scan)
    # decays within a chunk; B padded; x, the output, gate and silu(gate) where a norm follows; three of a head
    fp32 = square + states + (4 if scan.normed else 2) * inner + 3 * scan.heads
    if run.method == "full":  # x for D's gradient, what the norm's weight multiplies
        fp32 += (2 if scan.normed else 1) * inner + scan.heads
    # scores and those decayed; B and C for the scores, B decayed, C for the states; x twice, what the states give;
    # states before and after each chunk
    wide = 2 * square + 4 * states + 3 * inner + 2 * _between(scan)
    return run.tokens * (4 * fp32 + _wide(run) * wide)


def highest(scan: Scan, run: Run) -> int:
    """Return what the scan takes at its highest moment: at the end of being made, or while decays are taken back."""
    if (
        not scan.chunk
    ):  # beside what is kept, gradients of A and B x, whole for each token, and their sums
        return 4 * run.tokens * scan.inner * (7 * scan.state + 3)
    square, states, inner = _widths(scan)
    wide = _wide(run)
    # beside what is kept: B and C padded, B decayed; x by its time step and padded; parts of the output
    made = 4 * (square + 3 * states + 3 * inner)
    made += wide * (2 * square + 4 * states + 7 * inner + 3 * _between(scan))
    if wide < 4:  # what autocast copies is still there in fp32
        made += 4 * (square + states)
    # decays, their gradient, that of the scores and of those decayed; B's twice; x, its gradients
    back = 4 * (4 * square + 2 * states + 4 * inner + 5 * scan.heads)
    back += wide * (square + 2 * states)
    return run.tokens * max(made, back)


def _widths(scan: Scan) -> tuple[int, int, int]:
    """Return elements for each token: matrices within a chunk, B or C of all heads, x."""
    return scan.heads * scan.chunk, scan.heads * scan.state, scan.inner


def _between(scan: Scan) -> int:
    """Return elements of the states between chunks, for each token."""
    return scan.inner * scan.state // scan.chunk


def _wide(run: Run) -> int:
    return 2 if run.autocast else 4
