"""Preference tuning: the losses of DPO and ORPO for pairs of a chosen and a rejected answer."""

from __future__ import annotations

import contextlib
from typing import Any

from train_data import Pair  # type: ignore[import-not-found]  # noqa: TC002  as all parts
from train_input import say  # type: ignore[import-not-found]

REWARDS = ("reward_chosen", "reward_rejected", "reward_margin", "reward_accuracy")
"""What the log contains about the pairs of a step: means over them. Accuracy: the share with a positive margin."""
HIGH_RATE = 5e-5
"""Learning rate above which a preference tuning usually destroys the model; TRL takes 1e-6, adapters ten times that."""


def token_logps(model: Any, ids: Any, keep: Any, chunk: int) -> Any:
    """Return log-probabilities of tokens given those before, rows x (tokens - 1); 0 where `keep` is false."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    inputs = {"input_ids": ids, "use_cache": False}
    target = ids[:, 1:][keep]
    if chunk:
        hidden, head, cap = hidden_and_head(model, inputs, keep)
        with torch.autocast(ids.device.type, enabled=False):
            flat = chunked_logps()(hidden, head, target, cap, chunk)
    else:
        logits = model(**inputs).logits[:, :-1][keep].float()
        flat = -F.cross_entropy(logits, target, reduction="none")
    logps = torch.zeros(keep.shape, dtype=torch.float32, device=ids.device)
    return logps.masked_scatter(keep, flat)


def hidden_and_head(model: Any, inputs: dict[str, Any], keep: Any) -> tuple[Any, Any, float | None]:
    """Return the hidden states of kept positions, the head's matrix, and the cap of the logits or None."""
    import torch

    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    hidden = getattr(base, base.base_model_prefix)(**inputs)[0][:, :-1][keep]
    kind, head = hidden.device.type, base.get_output_embeddings().weight
    if torch.is_autocast_enabled(kind):
        hidden = hidden.to(torch.get_autocast_dtype(kind))
    return hidden, head, getattr(base.config, "final_logit_softcapping", None)


def chunked_logps() -> Any:
    """Return a function of (hidden, weight, target, cap, chunk) that gives each token's log-probability.

    Logits exist for one chunk of tokens at a time, in the forward and in the backward pass, which computes them
    again: the weight of each token in the loss is only known once all are summed.
    """
    import torch
    import torch.nn.functional as F  # noqa: N812

    def logits_of(some: Any, weight: Any, cap: float | None) -> tuple[Any, Any]:
        logits = F.linear(some, weight).float()
        if not cap:
            return logits, None
        bent = logits.div_(cap).tanh_()
        return cap * bent, bent

    class ChunkedLogps(torch.autograd.Function):  # type: ignore[misc]
        """log softmax(hidden @ weight.T)[target] of each token."""

        @staticmethod
        def forward(ctx: Any, *arguments: Any) -> Any:
            hidden, weight, target, cap, chunk = arguments
            logps = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
            sums = torch.empty(len(hidden), 1, dtype=torch.float32, device=hidden.device)
            narrow = weight.to(hidden.dtype)
            for i in range(0, len(hidden), chunk):
                logits, _ = logits_of(hidden[i : i + chunk], narrow, cap)
                right, most = (
                    logits.gather(1, target[i : i + chunk, None]),
                    logits.amax(-1, keepdim=True),
                )
                total = logits.sub_(most).exp_().sum(-1, keepdim=True)  # in place: logits are large
                sums[i : i + chunk] = total.log_().add_(most)
                logps[i : i + chunk] = (right - sums[i : i + chunk])[:, 0]
                logits = total = None  # free them before the next chunk
            ctx.save_for_backward(hidden, weight, target, sums)
            ctx.cap, ctx.chunk = cap, chunk
            return logps

        @staticmethod
        def backward(ctx: Any, upstream: Any) -> Any:
            hidden, weight, target, sums = ctx.saved_tensors
            narrow, needs = weight.to(hidden.dtype), ctx.needs_input_grad
            d_hidden = torch.zeros_like(hidden) if needs[0] else None
            d_weight = torch.zeros_like(weight, dtype=torch.float32) if needs[1] else None
            for i in range(0, len(hidden), ctx.chunk):
                some, part = hidden[i : i + ctx.chunk], slice(i, i + ctx.chunk)
                logits, bent = logits_of(some, narrow, ctx.cap)
                slope = (
                    logits.sub_(sums[part]).exp_().neg_()
                )  # minus the softmax, plus 1 at the target
                slope.scatter_add_(1, target[part, None], torch.ones_like(slope[:, :1]))
                slope.mul_(upstream[part, None])
                if bent is not None:
                    slope.mul_(bent.mul_(bent).neg_().add_(1))
                slope = slope.to(hidden.dtype)
                if d_hidden is not None:
                    d_hidden[part] = slope @ narrow
                if d_weight is not None:
                    d_weight += (slope.t() @ some).float()
                logits = slope = bent = None
            return (
                d_hidden,
                None if d_weight is None else d_weight.to(weight.dtype),
                None,
                None,
                None,
            )

    return ChunkedLogps.apply


def pair_counts(pairs: list[Pair]) -> tuple[int, int]:
    """Return what the loss of some pairs is a mean over: pairs, and tokens of prompts and chosen answers."""
    return len(pairs), sum(len(pair.chosen.ids) - 1 for pair in pairs)


def log1mexp(x: Any) -> Any:
    """Return log(1 - exp(x)) for x < 0, by the branch that loses no digits (Maechler 2012)."""
    import torch

    return torch.where(x > -0.693147, torch.log(-torch.expm1(x)), torch.log1p(-torch.exp(x)))


def pair_loss(run: Any, ids: Any, labels: Any, lengths: Any, counts: tuple[int, int]) -> Any:
    """Return what pairs add to the mean loss of `counts` pairs and tokens; add their rewards to run.rewards.

    `ids`, `labels`, `lengths`: of the rows with the chosen answers, then of those with the rejected ones. DPO is the
    sigmoid loss of Rafailov et al. 2023, equation 7. ORPO is the loss of Hong et al. 2024, equation 6, with the mean
    over all tokens of prompt and chosen answer, as TRL computes it.
    """
    import torch
    import torch.nn.functional as F  # noqa: N812

    config, answer = run.config, labels[:, 1:] != -100
    if config.objective == "dpo":
        with torch.no_grad(), without_adapter(run):
            reference = token_logps(run.model, ids, answer, run.chunk).sum(1)
        policy = token_logps(run.model, ids, answer, run.chunk).sum(1)
        chosen, rejected = (config.beta * (policy - reference)).chunk(2)
        loss = -F.logsigmoid(chosen - rejected).sum() / counts[0]
    else:
        keep, half = answer.clone(), len(ids) // 2
        places = torch.arange(1, ids.shape[1], device=ids.device)
        keep[:half] = places[None] < lengths[:half, None]  # the prompt of the chosen answer too
        logps = token_logps(run.model, ids, keep, run.chunk)
        means = (logps * answer).sum(1) / answer.sum(1)
        good, bad = means.chunk(2)
        log_odds = (good - bad) - (log1mexp(good) - log1mexp(bad))
        nll = -logps[:half].sum() / counts[1]
        loss = nll - config.beta * F.logsigmoid(log_odds).sum() / counts[0]
        chosen, rejected = config.beta * good, config.beta * bad
    chosen, rejected = chosen.detach().double(), rejected.detach().double()
    sums = [chosen.sum(), rejected.sum(), (chosen - rejected).sum(), (chosen > rejected).sum()]
    run.rewards += torch.stack([value.double() for value in sums]) / counts[0]
    return loss


@contextlib.contextmanager
def without_adapter(run: Any) -> Any:
    """Make the model the reference: the base without its adapter, and without dropout."""
    run.rest()
    with run.model.disable_adapter():
        yield
    if run.is_learning:
        run.model.train()


def prepare(run: Any) -> None:
    """Warn of a high learning rate, and switch off the base model's own dropout.

    The reference has no dropout, so the policy may not have it either; that of the adapters stays.
    """
    config = run.config
    if config.learning_rate > HIGH_RATE:
        rate = f"learning_rate {config.learning_rate:g} is high for {config.objective}"
        say(f"{rate}: adapters usually need about 1e-5")
    for name, module in run.model.named_modules():
        if type(module).__name__ == "Dropout" and "lora_" not in name:
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0
