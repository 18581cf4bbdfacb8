"""Run a layer as transformers' code does, on a tape: what it keeps, and its memory peaks.

The scan without mamba-ssm's kernels follows `mamba2_chunk_scan` and `mamba_selective_scan` of transformers 5.24 and
the tracer. Mamba works token by token and keeps each state. Mamba 2 works chunk by chunk: each head has
matrices of chunk x chunk, B and C are repeated for every head, and products are computed in fp32 unless under
autocast.
"""

from functools import lru_cache
from typing import NamedTuple

from tunedoctor.memory.parameters import of_experts, targeted
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Experts, Layer, Matrix, Mixer, Norm, Scan, Shape
from tunedoctor.memory.tape import Modules, Tape, Tensor

_FEED, _LAST = ("feed", "gated"), ("mixed", "normed")
"""What modules of the feed-forward part read, and what the mixer's last module reads."""


class Moments(NamedTuple):
    """Bytes of one layer in addition to what the layers before it keep."""

    kept: int
    """Kept for the backward pass, including its input if that is kept."""
    forward: int
    """Peak of the forward pass, in addition to its input and what it keeps; a checkpointed layer keeps nothing."""
    backward: int
    """Peak of the backward pass, including what it keeps; for a checkpointed layer in addition to its input."""
    gradients: int
    """Gradients of its weights after the backward pass."""


@lru_cache(maxsize=512)
def moments(layer: Layer, shape: Shape, run: Run, *, first: bool = False) -> Moments:
    """Run a layer forward and backward and return its memory use; nothing below the `first` one needs a gradient."""
    tape = Tape()
    program = _Program(layer, shape, run, tape)
    width = 4 if shape.wide_residual else run.stream_width
    hidden = tape.leaf(run.tokens * shape.hidden * shape.streams, width, grad=not first)
    below = tape.now
    program(hidden)
    kept = sum({id(one): one.size for node in tape.nodes for one in node.saved}.values())
    forward, size = tape.peak - tape.now, hidden.size
    if run.checkpointing:
        tape.forget()
        tape.recording, tape.peak = False, 0
        program(hidden)
        forward = tape.peak - below
        tape.recording, tape.peak = True, 0
        tape.backward(size, lambda: program(hidden))
    else:
        del hidden
        below = tape.peak = 0
        tape.backward(size)
    return Moments(
        kept, forward, tape.peak - below, sum(gradient.size for gradient in tape.gradients)
    )


def _sides(layer: Layer) -> tuple[tuple[Norm, ...], ...]:
    """Return the norms before and after the mixer, and those before and after the feed-forward part."""
    around = layer.norms[: layer.residuals]
    if layer.after:
        return (), around[:1], (), around[1:2]
    if around[2:]:
        return around[:1], around[1:2], around[2:3], around[3:4]
    return around[:1], (), around[1:2], ()


class _Program(Modules):
    def __init__(self, layer: Layer, shape: Shape, run: Run, tape: Tape) -> None:
        super().__init__(shape, run, tape)
        self.layer = layer
        self.targets = {id(one) for one in targeted(layer, run)}
        self.sides, self.inner = _sides(layer), layer.norms[layer.residuals :]

    def __call__(self, hidden: Tensor) -> Tensor:
        """Return the stream after the layer; of parallel streams, one passes the layer and the others are corrected."""
        if self.shape.streams == 1:
            return self._run_single(hidden)
        own = self.tape.op((hidden,), self.tokens * self.shape.hidden, hidden.width, view=True)
        return self.tape.op((hidden, self._run_single(own)), hidden.count, hidden.width)

    def _run_single(self, hidden: Tensor) -> Tensor:
        layer = self.layer
        before, behind, before_feed, behind_feed = self.sides
        normed = self._normed(hidden, before)
        if layer.parallel and layer.mixer:
            given = self._mix(normed, layer.mixer)
            return self.add(self.add(self._feed(normed), given), hidden)
        if layer.mixer:
            given = self._normed(self._mix(normed, layer.mixer), behind)
            hidden = self.add(hidden, given)
            del given, normed
            if not (layer.feed or layer.experts):
                return hidden
            normed = self._normed(hidden, before_feed)
            return self.add(hidden, self._normed(self._feed(normed), behind_feed))
        return self.add(hidden, self._feed(normed))

    def _normed(self, x: Tensor, norms: tuple[Norm, ...]) -> Tensor:
        return self.norm(x, norms[0]) if norms else x

    def _linear(self, x: Tensor, m: Matrix) -> Tensor:
        y = self.linear(x, m)
        return self.adapted(x, y, m) if id(m) in self.targets else y

    def _mix(self, x: Tensor, mixer: Mixer) -> Tensor:
        own = [m for m in self.layer.matrices if m.reads not in (*_FEED, *_LAST)]
        last = [m for m in self.layer.matrices if m.reads in _LAST]
        read = {"mixer": x}
        for m in own:  # what they read in between
            if m.reads not in read:
                read[m.reads] = self.tape.op((x,), self.tokens * m.inputs, self.run.stream_width)
        outs = [self._linear(read[m.reads], m) for m in own]
        del x, read
        if mixer.kind != "attention" or mixer.scan:
            kept, most = opaque(mixer, self.run)
            count = self.tokens * (last[0].inputs if last else self.shape.hidden)
            width, waits = self.run.stream_width, (self.small(kept),)
            y = self.tape.op(tuple(outs), count, width, saved=waits, temp=most, back=most)
        else:
            y = self._attention(outs, mixer)
        del outs
        for m in last:
            if m.reads == "normed":
                y = self._normed(y, self.inner[:1])
            y = self._linear(y, m)
        return y

    def _attention(self, outs: list[Tensor], mixer: Mixer) -> Tensor:
        """Attend with the outputs of the modules before it, which are removed from the list."""
        op, width = self.tape.op, outs[0].width
        gate = outs[-1] if mixer.kept and len(outs) > 3 else None
        q, k, v = self._heads(outs, mixer, width)
        outs.clear()
        norms = [n for n in self.inner if n.width in (mixer.query, mixer.key)]
        if norms and not (mixer.assembled or any(m.reads == "normed" for m in self.layer.matrices)):
            q = self.norm(q, norms[0])
            k = self.norm(k, norms[1]) if norms[1:] else k
        # positions: products with sine and cosine, and their sum
        q = op((q,), q.count, q.width, temp=3 * q.size, back=2 * q.size)
        k = op((k,), k.count, k.width, temp=3 * k.size, back=2 * k.size)
        attend = self._eager if self.run.attention == "eager" else self._kernel
        y = attend(q, k, v, mixer)
        del q, k, v
        if gate:
            y = op((y, gate), y.count, y.width, saved=(y, gate))
        elif mixer.kept:
            kept = self.small(self.tokens * mixer.kept * self.run.stream_width)
            y = op((y,), y.count, y.width, saved=(kept,))
        return y

    def _heads(self, outs: list[Tensor], mixer: Mixer, width: int) -> tuple[Tensor, Tensor, Tensor]:
        op, tokens = self.tape.op, self.tokens
        if mixer.assembled:
            q, k = (op(tuple(outs), tokens * mixer.query, width) for _ in range(2))
            return q, k, op((outs[-1],), tokens * mixer.expanded_value, width, view=True)
        if len(outs) == 1 or mixer.fused:
            sizes = (mixer.query, mixer.key, mixer.value)
            q, k, v = (op((outs[0],), tokens * size, width, view=True) for size in sizes)
            return q, k, v
        return outs[0], outs[1], outs[2] if outs[2:] else outs[1]

    def _repeated(self, k: Tensor, v: Tensor, mixer: Mixer) -> tuple[Tensor, Tensor]:
        """Return keys and values repeated for each query head; for a single head that is a view."""
        if mixer.assembled or mixer.key * mixer.heads <= mixer.query:
            return k, v
        op, tokens = self.tape.op, self.tokens
        wide = op((k,), tokens * mixer.query, k.width)
        return wide, op((v,), tokens * mixer.expanded_value, v.width)

    def _kernel(self, q: Tensor, k: Tensor, v: Tensor, mixer: Mixer) -> Tensor:
        """Attend with a kernel: it keeps its inputs, its output and the logsumexp."""
        run, tokens = self.run, self.tokens
        q, k, v = self.narrow(q), self.narrow(k), self.narrow(v)
        scores = 4 * tokens * run.seq * mixer.heads if mixer.kernelless else 0
        waits = [q, k, v, self.small(4 * tokens * mixer.heads + scores)]
        cut = bool(mixer.window and run.seq >= mixer.window)
        if run.attention == "sdpa" and (run.padded or cut):
            k, v = self._repeated(k, v, mixer)
            waits[1:3] = [k, v]
            # the mask, for padding or a window shorter than the rows, as a bias in the model's type
            waits.append(self.small(q.width * tokens * run.seq))
        count = tokens * mixer.expanded_value
        saved = tuple(waits)
        return self.tape.op((q, k, v), count, q.width, saved=saved, keeps=True, back=2 * scores)

    def _eager(self, q: Tensor, k: Tensor, v: Tensor, mixer: Mixer) -> Tensor:
        op, stream = self.tape.op, q.width
        k, v = self._repeated(k, v, mixer)
        scores = self.tokens * self.run.seq * mixer.heads
        if mixer.sinks == "wide":
            q, k = self.cast(q, 4), self.cast(k, 4)
        q, k = self.narrow(q), self.narrow(k)
        s = op((q, k), scores, q.width, saved=(q, k))
        del q, k
        s = op((s,), scores, s.width)
        if mixer.softcap or mixer.sinks == "after":
            s = op((s,), scores, s.width, keeps=True)
            s = op((s,), scores, s.width)
        s = op((s,), scores, s.width, same=True)  # including the mask
        if mixer.sinks == "among":  # in the model's type, next to the learned score
            p = op((s,), scores, s.width, keeps=True, temp=s.size, back=s.size)
        else:  # the GPU accepts fp16 (SoftMax.cpp), and its backward pass computes a product (SoftMax.cu)
            s = self.cast(s, 4) if self.run.half == "bf16" else s
            p = op((s,), scores, 4, keeps=True, back=4 * scores)
        s = self.cast(p, stream)
        del p
        s, v = self.narrow(s), self.narrow(v)
        y = op((s, v), self.tokens * mixer.expanded_value, v.width, saved=(s, v))
        del s, v
        return op((y,), y.count, y.width)

    def _feed(self, x: Tensor) -> Tensor:
        layer, op = self.layer, self.tape.op
        first = [m for m in layer.matrices if m.reads == "feed" and m.outputs > 1]
        last = [m for m in layer.matrices if m.reads == "gated"]
        routed = self._experts(x, layer.experts) if layer.experts else None
        if not first or not last:
            return routed or x
        outs = [self._linear(x, m) for m in first]
        del x
        count, width = self.tokens * layer.feed, outs[0].width
        waits = (self.small(int(layer.parts * count * width)),) if layer.parts else ()
        if not layer.gated:
            h = op((outs[0],), count, width, saved=(outs[0], *waits))
        else:
            halves = (op((outs[0],), count, width, view=True) for _ in range(2))
            gate, up = outs if outs[1:] else halves
            if self.run.own_feed:
                h = op((gate, up), count, width, saved=(gate, up))
            else:
                active = op((gate,), count, width, saved=(gate, *waits))
                h = op((active, up), count, width, saved=(active, up))
                del active
            del gate, up
        outs.clear()
        norms = tuple(n for n in self.inner if n.width == layer.feed and n.size == layer.feed)
        h = self._normed(h, norms)
        for m in last:
            h = self._linear(h, m)
        return self.add(h, routed) if routed else h

    def _experts(self, x: Tensor, one: Experts) -> Tensor:
        """Run routed experts: gate, act(gate) and up, and the output, which is multiplied by the router's weight."""
        run, tokens, narrow = self.run, self.tokens, self.run.stream_width
        own = of_experts(self.layer, run)
        each = (one.parts if one.gated else 1) * one.width + one.inputs
        if self.full or own.weights:
            each += one.inputs + one.width
        # weights with their adapters, and 16-bit copies of those
        kept = narrow * own.weights + (narrow * own.adapters if run.adapter_bytes != narrow else 0)
        kept += narrow * tokens * one.inputs if own.router else 0
        kept += narrow * tokens * one.active * each + 8 * tokens * one.count
        made = run.gradient(one.size if self.full else own.adapters + own.router)
        # modules run one after the other, a fused tensor all at once
        parts = one.count if run.stack.experts_quantised else 1
        used = 2 * narrow * tokens * one.active * (one.width + one.inputs) // parts
        back = max(narrow * own.largest, used)
        return self.tape.op(
            (x,), x.count, x.width, saved=(self.small(kept),), temp=back, back=back, made=made
        )


def opaque(mixer: Mixer, run: Run) -> tuple[int, int]:
    """Return what a mixer other than plain attention keeps, and what it uses temporarily in addition."""
    narrow, tokens = run.stream_width, run.tokens
    kept = tokens * (narrow * mixer.kept + 4 * mixer.kept_fp32)
    if run.method == "full":
        kept += narrow * tokens * mixer.trained
    if mixer.kind == "attention":  # in addition to a scan
        kept += narrow * tokens * (mixer.query + mixer.key + mixer.value + mixer.expanded_value)
    own, highest = _scanned(mixer.scan, run) if mixer.scan else (0, 0)
    return kept + own, highest - own


def _scanned(scan: Scan, run: Run) -> tuple[int, int]:
    """Return what the scan keeps for the backward pass, and its peak, either in the forward pass or for the decays."""
    inner, state, heads = scan.inner, scan.state, scan.heads
    if not scan.chunk:  # A and B x times the time step, states; x, the time step, the output
        # in addition, gradients of A and B x for each token, and their sums
        each = 4 * run.tokens * inner
        return each * (3 * state + 3), each * (7 * state + 3)
    # elements per token: matrices within a chunk, B or C of all heads, states between chunks
    square, states, between = heads * scan.chunk, heads * state, inner * state // scan.chunk
    wide = 2 if run.autocast else 4
    # decays within a chunk; padded B; x, the output, gate and silu(gate) if a norm follows; three per head
    fp32 = square + states + (4 if scan.normed else 2) * inner + 3 * heads
    if run.method == "full":  # x for D's gradient, and what the norm's weight multiplies
        fp32 += (2 if scan.normed else 1) * inner + heads
    # scores, also decayed; B and C for the scores, decayed B, C for the states; x twice, the states' output;
    # states before and after each chunk
    kept = 4 * fp32 + wide * (2 * square + 4 * states + 3 * inner + 2 * between)
    # in addition to what is kept: padded B and C, decayed B; x times its time step and padded; parts of the output
    made = 4 * (square + 3 * states + 3 * inner)
    made += wide * (2 * square + 4 * states + 7 * inner + 3 * between)
    if wide < 4:  # autocast's inputs still exist in fp32
        made += 4 * (square + states)
    # decays, their gradient, those of the scores and the decayed scores; B's twice; x and its gradients
    back = 4 * (4 * square + 2 * states + 4 * inner + 5 * heads)
    back += wide * (square + 2 * states)
    return run.tokens * kept, run.tokens * max(made, back)
