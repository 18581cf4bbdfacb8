# mypy: ignore-errors
"""Count tokens as a model sees them: `python count_tokens.py MODEL FILE`.

FILE holds [line, form, [[role, text], ...]] as JSON Lines. Prints one JSON object: {"rows": [[tokens, learned,
first], ...], "refused": {index: why}, "template": bool, "transformers": version}; `first` is the place of the first
learned token.
With a chat template answers are learned, as far as the template writes a conversation the same whatever follows.
Needs transformers; nothing is downloaded. Python 3.8 and newer.
"""

import json
import os
import sys
from itertools import takewhile

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
from train_rows import RewrittenError, pieces

os.environ.update(HF_HUB_OFFLINE="1", USE_TORCH="0")
os.environ.update(TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false")


def parts_of(form, turns, render):
    """Cut a row into texts, and whether they are learned."""
    if form == "text":
        return [("".join(text for _, text in turns), True)]
    if render is None:
        return [(text, role == "assistant") for role, text in turns]
    talk = [{"role": role, "content": text} for role, text in turns]
    for last in (False, True):
        try:
            return pieces(talk, render, last=last)
        except RewrittenError:  # the last answer alone is learned, if at all
            pass
    return [(render(talk), False)]


def counted(reader, form, turns, render):
    """Return the tokens of a row, those that are learned, and the place of the first of these."""
    parts = [one for one in parts_of(form, turns, render) if one[0]]
    texts, special = [text for text, _ in parts], form == "text" or render is None
    found = reader(texts, add_special_tokens=special)["input_ids"] if texts else []
    sizes = [(len(ids), part[1]) for ids, part in zip(found, parts)]
    before = takewhile(lambda one: not one[1], sizes)
    learned = sum(size for size, is_learned in sizes if is_learned)
    return [sum(size for size, _ in sizes), learned, sum(size for size, _ in before)]


def main(model, path):
    """Print the counts; exit status 3: no transformers, 4: no tokenizer."""
    try:
        import transformers
    except ImportError as error:
        print(error, file=sys.stderr)
        return 3
    try:
        load = transformers.AutoTokenizer.from_pretrained
        reader = load(model, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        print(f"{type(error).__name__}: {str(error).splitlines()[0]}", file=sys.stderr)
        return 4
    has = bool(getattr(reader, "chat_template", None))

    def render(talk, **more):
        return reader.apply_chat_template(talk, tokenize=False, **more)

    rows, refused = [], {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file):
            _, form, turns = json.loads(line)
            try:
                rows.append(counted(reader, form, turns, render if has else None))
            except Exception as error:
                refused[number] = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
                rows.append([0, 0, 0])
    answer = {"rows": rows, "refused": refused, "template": has}
    print(json.dumps({**answer, "transformers": transformers.__version__}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
