"""Rows of a file as tokens, in the order in which they are learned, and what a model answers before and after that."""

from __future__ import annotations

import bisect
import functools
import hashlib
import itertools
import json
import random
import textwrap
from pathlib import Path
from typing import Any, Iterator, NamedTuple

from train_input import RANK, Config, or_stop, say, stop, whole_file  # type: ignore[import-not-found]
from train_rows import (  # type: ignore[import-not-found]
    SOURCE,
    Bounded,
    TemplateLimitError,
    faults_of,
    named,
    pieces,
    read,
    renamed,
    sample_of,
    talk_of,
    template_file,
)
from train_screen import LIVE  # type: ignore[import-not-found]

FORMS = """a line is {"prompt": "..", "completion": ".."} or {"text": ".."} or {"messages": [{"role":
  "user", "content": ".."}, {"role": "assistant", "content": ".."}]}; doctor data FILE names all faults,
  and with --convert OUT.jsonl makes such lines of CSV, JSON, Parquet and others"""


class Row(NamedTuple):
    """One or several samples: where they are from, tokens, labels (-100: not learned), positions."""

    lines: list[str]
    ids: list[int]
    labels: list[int]
    places: Any


RENDERERS: dict[int, Bounded] = {}


def renderer(tokenizer: Any, config: Config) -> Bounded:
    """Return what writes conversations by the chat template, within bounds."""
    if id(tokenizer) not in RENDERERS:
        own = template_file(config.model)
        file = own if config.template == "model" else config.template
        render = functools.partial(tokenizer.apply_chat_template, tokenize=False)
        RENDERERS[id(tokenizer)] = Bounded(render, file)
    return RENDERERS[id(tokenizer)]


def encode(row: Any, where: str, tokenizer: Any, config: Config) -> Iterator[Row]:
    """Check a row of the file, and yield it as tokens; a long text gives several."""
    if not isinstance(row, dict):
        stop(f"{where}: no row to learn from: {json.dumps(row)[:80]}", FORMS)
    sample = sample_of(row)
    for kind, detail in faults_of(sample, lenient=True):
        stop(f"{where}: {kind}: {detail}: {json.dumps(row)[:80]}", FORMS)
    turns = sample.turns
    plain = functools.partial(tokenizer, add_special_tokens=False)
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    first, remedy = tokenizer(turns[0][1])["input_ids"], "set template to a Jinja file"
    first = first[:-1] if end and first[-1:] == end else first
    parts: list[tuple[list[int], bool]] = []  # tokens, and whether they are learned
    if sample.form == "text":
        parts = [(first + end, True)]
    elif config.template != "none" and tokenizer.chat_template:
        render = renderer(tokenizer, config)
        with or_stop(f"{where}: the chat template refuses it", f"{remedy}, or answers = 'last'"):
            try:
                with render:
                    cut = pieces(talk_of(row, sample), render, last=config.answers == "last")
            except TemplateLimitError as error:
                stop(f"{where}: {error}", remedy)
        parts = [(plain(piece)["input_ids"], is_learned) for piece, is_learned in cut if piece]
    elif [role for role, _ in turns] == ["user", "assistant"]:
        parts = [(first, False), (plain(turns[1][1])["input_ids"] + end, True)]
    elif [role for role, _ in turns] == ["assistant"]:
        parts = [(first + end, True)]
    else:
        stop(f"{where}: a conversation, and the model has no chat template", remedy)
    ids = [token for part, _ in parts for token in part]
    labels = [token if is_learned else -100 for part, is_learned in parts for token in part]
    for i in range(0, len(ids) if sample.form == "text" else 1, config.max_length):
        some = ids[i : i + config.max_length]  # nothing foretells the first token
        yield Row([where], some, [-100, *labels[i + 1 : i + len(some)]], range(len(some)))


def rows_in(path: str, config: Config) -> Iterator[tuple[str, Any]]:
    """Yield where each row stands, in the user's own file, and the row. Raises OSError, ValueError."""
    columns = named(config.columns)
    for number, value in read(path):
        where, row = f"{path} line {number}", renamed(value, columns)
        if isinstance(row, dict):
            where = str(row.pop(SOURCE, where))[:300]
        yield where, row


def read_data(path: str, tokenizer: Any, size: int, config: Config) -> tuple[list[Row], str]:
    """Read, check and encode a file for a model that knows `size` tokens; returns its sha256 too."""
    try:
        found = list(rows_in(path, config))
    except (OSError, ValueError) as error:
        stop(f"{path} {error}", FORMS)
    rows: list[Row] = []
    for where, row in found:
        with or_stop(f"{where}: the model's tokenizer refuses this text", "take the line out"):
            rows += encode(row, where, tokenizer, config)
    full = sum(len(row.ids) == config.max_length for row in rows)
    dull = len(rows) - len(rows := [row for row in rows if learned([row])])
    if full:
        say(f"{path}: {full} samples fill max_length; {dull} are left out, with nothing to learn")
    if not rows:
        stop(f"{path}: no row, or no answer within max_length", f"set a larger max_length; {FORMS}")
    if (most := max(max(row.ids) for row in rows)) >= size:
        stop(f"the tokenizer gives {most}, the model knows {size} tokens", "take the model's own")
    return rows, hashlib.sha256(Path(path).read_bytes()).hexdigest()


def pack(samples: list[Row], length: int) -> list[Row]:
    """Put whole samples together in rows of `length` tokens: longest first, where it fits best."""
    rows: list[tuple[int, int, Row]] = []  # sorted: room that is left, a number, the row
    for number, one in enumerate(sorted(samples, key=lambda one: -len(one.ids))):
        at = bisect.bisect(rows, (len(one.ids),))
        room, n, row = rows.pop(at) if at < len(rows) else (length, number, Row([], [], [], []))
        bisect.insort(rows, (room - len(one.ids), n, Row(*([*a, *b] for a, b in zip(row, one)))))
    return [row for _, _, row in rows]


@functools.lru_cache(maxsize=4)
def order(count: int, seed: int, epoch: int) -> list[int]:
    """Return the order of the rows in an epoch."""
    return random.Random(f"{seed}/{epoch}").sample(range(count), count)  # noqa: S311


def rows_of(step: int, rows: list[Row], config: Config) -> list[Row]:
    """Return the rows of a step, longest first; epochs follow each other without a gap."""
    places = (divmod(step * config.batch + i, len(rows)) for i in range(config.batch))
    picked = [rows[order(len(rows), config.seed, epoch)[at]] for epoch, at in places]
    return sorted(picked, key=lambda row: -len(row.ids))


def learned(rows: list[Row]) -> int:
    """Count the tokens that are learned."""
    return sum(label != -100 for row in rows for label in row.labels)


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
        every = sample_of(one).turns
        turns = itertools.takewhile(lambda t: t[0] not in ("assistant", "text"), every)
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
