"""Turn the rows of a file into tokens, order and pack them, and let the model answer samples before and after."""

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
    parse_columns,
    pieces,
    read,
    renamed,
    sample_of,
    talk_of,
    template_file,
)
from train_screen import LIVE  # type: ignore[import-not-found]

FORMS = """write each line as {"prompt": "..", "completion": ".."} or {"text": ".."} or {"messages": [{"role":
  "user", "content": ".."}, {"role": "assistant", "content": ".."}]}; `doctor data FILE` lists all faults,
  and `doctor data FILE --convert OUT.jsonl` converts CSV, JSON, Parquet and others to such lines"""

PAIR_FORMS = """write each line as {"prompt": "..", "chosen": "..", "rejected": ".."}, or with lists of messages
  in their place; `doctor data FILE` lists all faults"""


class Row(NamedTuple):
    """One or several samples: source lines, tokens, labels (-100: not learned), positions."""

    lines: list[str]
    ids: list[int]
    labels: list[int]
    places: Any


class Pair(NamedTuple):
    """A chosen and a rejected answer to the same prompt, each a row with it."""

    chosen: Row
    rejected: Row

    @property
    def lines(self) -> list[str]:
        """Return the source lines."""
        return self.chosen.lines

    @property
    def ids(self) -> list[int]:
        """Return the tokens of both rows."""
        return [*self.chosen.ids, *self.rejected.ids]

    @property
    def labels(self) -> list[int]:
        """Return the labels of both rows."""
        return [*self.chosen.labels, *self.rejected.labels]


RENDERERS: dict[int, Bounded] = {}


def renderer(tokenizer: Any, config: Config) -> Bounded:
    """Return a function that writes conversations with the chat template, limited in time and memory."""
    if id(tokenizer) not in RENDERERS:
        own = template_file(config.model)
        file = own if config.template == "model" else config.template
        render = functools.partial(tokenizer.apply_chat_template, tokenize=False)
        RENDERERS[id(tokenizer)] = Bounded(render, file)
    return RENDERERS[id(tokenizer)]


def encode(row: Any, where: str, tokenizer: Any, config: Config) -> Iterator[Row]:
    """Check a row of the file and yield it as tokens; a text over max_length yields several rows."""
    if not isinstance(row, dict):
        stop(f"{where}: not an object: {json.dumps(row)[:80]}", FORMS)
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
        wrong = f"{where}: the model's chat template rejects this conversation"
        with or_stop(wrong, f"{remedy}, or set answers = 'last'"):
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
        stop(f"{where} is a conversation, but the model has no chat template", remedy)
    ids = [token for part, _ in parts for token in part]
    labels = [token if is_learned else -100 for part, is_learned in parts for token in part]
    for i in range(0, len(ids) if sample.form == "text" else 1, config.max_length):
        some = ids[
            i : i + config.max_length
        ]  # the first token has nothing it could be predicted from
        yield Row([where], some, [-100, *labels[i + 1 : i + len(some)]], range(len(some)))


def alike(one: Any, other: Any) -> int:
    """Return how many first characters or tokens of two texts are the same."""
    pairs = enumerate(zip(one, other))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def encode_pair(row: Any, where: str, tokenizer: Any, config: Config) -> Iterator[Pair]:
    """Check a preference pair of the file and yield it as tokens, cut off after max_length."""
    sample = sample_of(row) if isinstance(row, dict) else sample_of({})
    if sample.form != "preference":
        stop(f"{where}: not a pair of answers: {json.dumps(row)[:80]}", PAIR_FORMS)
    for kind, detail in faults_of(sample, lenient=True):
        stop(f"{where}: {kind}: {detail}: {json.dumps(row)[:80]}", PAIR_FORMS)
    both, remedy = (sample.turns, sample.rejected), "set template to a Jinja file"
    tokenize = functools.partial(tokenizer, add_special_tokens=False)
    end: list[int] = []
    if sample.shared and config.template != "none" and tokenizer.chat_template:
        render = renderer(tokenizer, config)
        with or_stop(f"{where}: the model's chat template rejects this conversation", remedy):
            try:
                with render:
                    talks = [[{"role": r, "content": text} for r, text in side] for side in both]
                    prompt = render(talks[0][: sample.shared], add_generation_prompt=True)
                    texts = [render(talk) for talk in talks]
            except TemplateLimitError as error:
                stop(f"{where}: {error}", remedy)
    elif sample.shared < 2 and max(map(len, both)) == sample.shared + 1:
        texts = ["".join(text for _, text in side) for side in both]
        prompt = sample.turns[0][1] if sample.shared else texts[0][: alike(*texts)]
        tokenize, end = tokenizer, [tokenizer.eos_token_id][: tokenizer.eos_token_id is not None]
    else:
        stop(f"{where} is a conversation, but the model has no chat template", remedy)
    asked, *answered = (tokenize(text)["input_ids"] for text in (prompt, *texts))
    if end:  # some tokenizers add the end token, which the prompt must not have
        asked, *answered = (x[:-1] if x[-1:] == end else x for x in (asked, *answered))
    # the answers begin where their tokens differ from the prompt's, which may be before its end
    begin = min(alike(asked, ids) for ids in answered)
    rows = []
    for ids in answered:
        whole = [*ids, *end][: config.max_length]
        labels = [-100] * max(1, begin) + whole[max(1, begin) :]
        rows.append(Row([where], whole, labels[: len(whole)], range(len(whole))))
    yield Pair(*rows)


def rows_in(path: str, config: Config) -> Iterator[tuple[str, Any]]:
    """Yield each row and its place in the user's own file. Raises OSError, ValueError."""
    columns = parse_columns(config.columns)
    for number, value in read(path):
        where, row = f"{path} line {number}", renamed(value, columns)
        if isinstance(row, dict):
            where = str(row.pop(SOURCE, where))[:300]
        yield where, row


def read_data(path: str, tokenizer: Any, size: int, config: Config) -> tuple[list[Row], str]:
    """Return the rows of a file as tokens for a vocabulary of `size` tokens, and the file's sha256."""
    try:
        source_rows = list(rows_in(path, config))
    except (OSError, ValueError) as error:
        stop(f"{path} {error}", FORMS)
    rows: list[Any] = []  # of Row, or of Pair
    for where, row in source_rows:
        with or_stop(f"{where}: the model's tokenizer fails on this text", "remove the line"):
            rows += (encode if config.objective == "sft" else encode_pair)(
                row, where, tokenizer, config
            )
    full = sum(any(len(one.ids) == config.max_length for one in parts_of(row)) for row in rows)
    dull = len(rows) - len(
        rows := [row for row in rows if all(learned([x]) for x in parts_of(row))]
    )
    if full:
        cut = f"{path}: {full} samples reach max_length and may be cut off"
        say(f"{cut}; {dull} are skipped because nothing is left to learn")
    if not rows:
        stop(f"{path}: no row, or no answer within max_length", f"set a larger max_length; {FORMS}")
    if (most := max(max(row.ids) for row in rows)) >= size:
        wrong = f"the tokenizer produces token {most}, but the model has {size} tokens"
        stop(wrong, "use the tokenizer that belongs to the model")
    return rows, hashlib.sha256(Path(path).read_bytes()).hexdigest()


def pack(samples: list[Row], length: int) -> list[Row]:
    """Pack whole samples into rows of `length` tokens: longest first, each where it fits best."""
    rows: list[tuple[int, int, Row]] = []  # sorted: room left, a number that breaks ties, the row
    for number, sample in enumerate(sorted(samples, key=lambda sample: -len(sample.ids))):
        at = bisect.bisect(rows, (len(sample.ids),))
        room, n, row = rows.pop(at) if at < len(rows) else (length, number, Row([], [], [], []))
        bisect.insort(
            rows, (room - len(sample.ids), n, Row(*([*a, *b] for a, b in zip(row, sample))))
        )
    return [row for _, _, row in rows]


def parts_of(row: Row | Pair) -> tuple[Row, ...]:
    """Return the row itself, or the two rows of a pair."""
    return tuple(row) if isinstance(row, Pair) else (row,)


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
    """Return how many tokens of the rows are learned."""
    return sum(label != -100 for row in rows for label in row.labels)


LONGEST = 48
"""Most tokens of a sample's answer."""
SHOWN = 300
"""Most characters of an answer on the screen."""


def questions(run: Any) -> list[dict[str, Any]]:
    """Return samples of the first rows: the tokens to continue from, the question and the expected answer as text."""
    config, tokenizer = run.config, run.tokenizer
    firsts: dict[str, Any] = {}
    for row in run.shown:
        firsts.setdefault(row.lines[0], row)
    samples: list[dict[str, Any]] = []
    for where, source_row in rows_in(config.eval_data or config.data, config):
        if where not in firsts:
            continue
        every = sample_of(source_row).turns
        turns = itertools.takewhile(lambda t: t[0] not in ("assistant", "text"), every)
        user_texts = [text for role, text in turns if role == "user"]
        ids, labels = list(firsts[where].ids), firsts[where].labels
        begin = next(i for i, label in enumerate(labels) if label != -100)
        if not user_texts:  # plain text: the model continues it
            begin = max(1, min(len(ids) // 2, LONGEST // 2), 0 if begin == 1 else begin)
        end = next((i for i in range(begin, len(ids)) if labels[i] == -100), len(ids))
        sample = {
            "line": where,
            "prompt": user_texts[-1] if user_texts else text_of(tokenizer, ids[:begin]),
        }
        samples.append({**sample, "wanted": text_of(tokenizer, ids[begin:end]), "ids": ids[:begin]})
        if len(samples) == config.samples:
            break
    return samples


def text_of(tokenizer: Any, ids: list[int]) -> str:
    """Return tokens as text."""
    return str(tokenizer.decode(ids, skip_special_tokens=True)).strip()


def ends(model: Any, tokenizer: Any) -> dict[str, Any]:
    """Return generate()'s arguments for the tokens that end an answer."""
    end, defaults = tokenizer.eos_token_id, model.generation_config.eos_token_id
    every = {end, *defaults} if isinstance(defaults, list) else {end, defaults}
    return {"eos_token_id": sorted(every - {None}) or None, "pad_token_id": end}


def ask(run: Any, when: str, least: float) -> None:
    """Let the model answer some rows before or after training, in at most about a tenth of the training's time.

    `least`: seconds that the training takes at the device's peak speed; it usually reaches a third of that speed.
    """
    config = run.config
    if config.samples and config.shard and when == "before":
        say("no sample answers: the model is sharded")
    if RANK or not config.samples or config.shard or (when == "before" and run.step):
        return
    LIVE.wait(f"answers {when} training", config.out)
    if when == "before":
        run.samples = questions(run)
    answers(run, when, min(120.0, max(20.0, 0.3 * least)))
    LIVE.wait()
    rows = ({k: v for k, v in sample.items() if k != "ids"} for sample in run.samples)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    whole_file(Path(config.out, "samples.jsonl"), text)


def answers(run: Any, when: str, seconds: float) -> None:
    """Store the model's current answers in run.samples, in at most `seconds`; the random states stay as they are."""
    import torch

    dice = [module.get_rng_state() for module in run.dice]
    run.rest()
    try:
        for sample in run.samples:
            ids = torch.tensor([sample["ids"]], device=run.device)
            options = ends(run.model, run.tokenizer)
            options.update(max_new_tokens=LONGEST, max_time=seconds / len(run.samples))
            options.update(do_sample=False, temperature=None, top_p=None, top_k=None)
            with torch.no_grad(), run.cast():
                output = run.model.generate(
                    input_ids=ids, attention_mask=torch.ones_like(ids), **options
                )
            new = output[0, ids.shape[1] :].tolist()
            cut = len(new) == LONGEST or not {*new[-1:]} & {*(options["eos_token_id"] or ())}
            sample[when] = text_of(run.tokenizer, new) + " ..." * cut
    except Exception as error:  # sample answers are an extra: they must not fail the training
        say(f"no sample answers: {error!r:.200}")
        run.samples = []
    run.model.train()
    for module, state in zip(run.dice, dice):
        module.set_rng_state(state)


def summary_text(head: str, samples: list[dict[str, Any]], width: int) -> str:
    """Return the summary line and the sample answers as text for a terminal of `wide` columns."""
    width = max(40, width)
    lines = ["", *textwrap.wrap(head, width)]
    for sample in samples:
        lines.append("")
        for name, key in (("question", "prompt"), ("before", "before"), ("after", "after")):
            text = " ".join(sample.get(key, "").split())
            text = text[:SHOWN] + " ..." * (len(text) > SHOWN)
            wrapped = textwrap.wrap(text or "(nothing)", width - 10)
            lines += [f"{name:>8}  {wrapped[0]}", *(f"{'':10}{more}" for more in wrapped[1:])]
    return "\n".join(lines)
