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

for _name, _value in (
    ("HF_HUB_OFFLINE", "1"),
    ("TRANSFORMERS_VERBOSITY", "error"),
    ("TOKENIZERS_PARALLELISM", "false"),
    ("USE_TORCH", "0"),
):
    os.environ.setdefault(_name, _value)


def pieces(turns, render):
    """Cut a conversation as the template writes it into [text, learned]."""
    talk = [{"role": role, "content": text} for role, text in turns]
    whole, done, found = render(talk), 0, []
    for i, one in enumerate(talk):
        if one["role"] != "assistant":
            continue
        before = render(talk[:i], add_generation_prompt=True) if i else ""
        after = render(talk[: i + 1])
        if not (whole.startswith(before) and whole.startswith(after) and len(before) < len(after)):
            # it rewrites turns when others follow, as Qwen 3 does with thoughts: the last answer alone is learned
            last = render(talk[:-1], add_generation_prompt=True) if len(talk) > 1 else ""
            if talk[-1]["role"] == "assistant" and whole.startswith(last):
                return [[last, False], [whole[len(last) :], True]]
            return [[whole, False]]
        found += [[whole[done : len(before)], False], [whole[len(before) : len(after)], True]]
        done = len(after)
    return [*found, [whole[done:], False]]


def main(model, path):
    """Print the counts; exit status 3: no transformers, 4: no tokenizer."""
    try:
        import transformers
    except ImportError as error:
        print(error, file=sys.stderr)
        return 3
    try:
        reader = transformers.AutoTokenizer.from_pretrained(
            model, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        print("{}: {}".format(type(error).__name__, str(error).splitlines()[0]), file=sys.stderr)
        return 4
    has = bool(getattr(reader, "chat_template", None))

    def render(talk, **more):
        return reader.apply_chat_template(talk, tokenize=False, **more)

    def count(texts, special):
        return [len(ids) for ids in reader(texts, add_special_tokens=special)["input_ids"]]

    rows, refused = [], {}
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file):
            _, form, turns = json.loads(line)
            templated = has and form != "text"
            try:
                if form == "text":
                    parts = [["".join(text for _, text in turns), True]]
                elif has:
                    parts = pieces(turns, render)
                else:
                    parts = [[text, role == "assistant"] for role, text in turns]
                parts = [one for one in parts if one[0]]
                sizes = count([text for text, _ in parts], not templated) if parts else []
            except Exception as error:
                refused[number] = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
                rows.append([0, 0, 0])
                continue
            learned, first, found = 0, 0, False
            for i, size in enumerate(sizes):
                found = found or parts[i][1]
                first += 0 if found else size
                learned += size if parts[i][1] else 0
            rows.append([sum(sizes), learned, first])
    answer = {
        "rows": rows,
        "refused": refused,
        "template": has,
        "transformers": transformers.__version__,
    }
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
