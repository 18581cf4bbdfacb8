"""What a model answers before and after it was trained, to a few questions of the data."""

from __future__ import annotations

import itertools
import json
import textwrap
from pathlib import Path
from typing import Any

from train_data import rows_in  # type: ignore[import-not-found]
from train_input import RANK, say, whole_file  # type: ignore[import-not-found]
from train_rows import sample_of  # type: ignore[import-not-found]
from train_screen import LIVE  # type: ignore[import-not-found]

LONGEST = 48
"""Tokens of an answer."""
SHOWN = 300
"""Characters of one."""


def questions(run: Any) -> list[dict[str, Any]]:
    """Return the first rows as tokens to go on from, what was asked in words, and the answer that is wanted."""
    config, tokenizer = run.config, run.tokenizer
    firsts: dict[str, Any] = {}
    for row in run.shown:
        firsts.setdefault(row.lines[0], row)
    found: list[dict[str, Any]] = []
    for where, one in rows_in(config.eval_data or config.data, config):
        if where not in firsts:
            continue
        turns = itertools.takewhile(
            lambda t: t[0] not in ("assistant", "text"), sample_of(one).turns
        )
        asked = [text for role, text in turns if role == "user"]
        ids, labels = list(firsts[where].ids), firsts[where].labels
        begin = next(i for i, label in enumerate(labels) if label != -100)
        if not asked:  # a text goes on
            begin = max(1, min(len(ids) // 2, LONGEST // 2), 0 if begin == 1 else begin)
        end = next((i for i in range(begin, len(ids)) if labels[i] == -100), len(ids))
        told = {"line": where, "prompt": asked[-1] if asked else text_of(tokenizer, ids[:begin])}
        found.append({**told, "wanted": text_of(tokenizer, ids[begin:end]), "ids": ids[:begin]})
        if len(found) == config.samples:
            break
    return found


def text_of(tokenizer: Any, ids: list[int]) -> str:
    """Return tokens as text."""
    return str(tokenizer.decode(ids, skip_special_tokens=True)).strip()


def ends(model: Any, tokenizer: Any) -> dict[str, Any]:
    """Return what generate() is to take for the end of an answer."""
    end, known = tokenizer.eos_token_id, model.generation_config.eos_token_id
    every = {end, *known} if isinstance(known, list) else {end, known}
    return {"eos_token_id": sorted(every - {None}) or None, "pad_token_id": end}


def ask(run: Any, when: str, least: float) -> None:
    """Have some rows answered before and after training, for about a tenth of its time at most.

    `least`: seconds of the training if the device did nothing but matrix products, of which it does a third as a rule.
    """
    config = run.config
    if config.samples and config.shard and when == "before":
        say("no samples: the model is sharded")
    if RANK or not config.samples or config.shard or (when == "before" and run.step):
        return
    LIVE.wait(f"answers {when} training", config.out)
    if when == "before":
        run.samples = questions(run)
    answers(run, when, min(120.0, max(20.0, 0.3 * least)))
    LIVE.wait()
    rows = ({k: v for k, v in one.items() if k != "ids"} for one in run.samples)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    whole_file(Path(config.out, "samples.jsonl"), text)


def answers(run: Any, when: str, seconds: float) -> None:
    """Write down what the model answers now; no random number is drawn, and no more than `seconds` are spent."""
    import torch

    dice = [module.get_rng_state() for module in run.dice]
    run.rest()
    try:
        for one in run.samples:
            ids = torch.tensor([one["ids"]], device=run.device)
            how = ends(run.model, run.tokenizer)
            how.update(max_new_tokens=LONGEST, max_time=seconds / len(run.samples))
            how.update(do_sample=False, temperature=None, top_p=None, top_k=None)
            with torch.no_grad(), run.cast():
                made = run.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **how)
            new = made[0, ids.shape[1] :].tolist()
            cut = len(new) == LONGEST or not {*new[-1:]} & {*(how["eos_token_id"] or ())}
            one[when] = text_of(run.tokenizer, new) + " ..." * cut
    except Exception as error:  # a training does not fail of what is shown beside it
        say(f"no samples: {error!r:.200}")
        run.samples = []
    run.model.train()
    for module, state in zip(run.dice, dice):
        module.set_rng_state(state)


def told(head: str, samples: list[dict[str, Any]], wide: int) -> str:
    """Return what was learned, and samples, as text for a terminal."""
    wide = max(40, wide)
    lines = ["", *textwrap.wrap(head, wide)]
    for one in samples:
        lines.append("")
        for name, key in (("asked", "prompt"), ("before", "before"), ("after", "after")):
            text = " ".join(one.get(key, "").split())
            text = text[:SHOWN] + " ..." * (len(text) > SHOWN)
            shown = textwrap.wrap(text or "(nothing)", wide - 10)
            lines += [f"{name:>8}  {shown[0]}", *(f"{'':10}{more}" for more in shown[1:])]
    return "\n".join(lines)
