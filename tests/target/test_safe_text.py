"""What a model answers, and what its files say, does not act on the terminal that shows it."""

import io
import json
import sys
import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from typed import ran

import tunedoctor
from tunedoctor.target.safe_text import CleanStream, clean

SCRIPTS = Path(tunedoctor.__file__).parent / "target"
ANSWER = (
    "be\x1b[2Jfore \x1b]0;title\x07 \x9b31m \u202eevil\u2066 \u00a0nbsp \r overwritten\x08\x08 \u200bzero\n"
    "::error::stolen\n##vso[task.complete]\ncafé 中文 می\u200cخواهم\tend"
)
CHAT = """
import importlib.util, json, sys, types

ANSWER = {answer!r}

class Tokenizer:
    chat_template, eos_token_id = "", 0
    def __call__(self, text, **how): return {{"input_ids": [1]}}
    def decode(self, ids, **how): return "".join(map(chr, ids))

class Ids(list):
    device = None
    def to(self, device): return self

class Token:
    def __init__(self, code): self.code = code
    def reshape(self, _): return self
    def tolist(self): return [self.code]

class Model:
    device, generation_config = None, None
    def eval(self): return self
    def generate(self, streamer, **how):
        streamer.put(Token(0))
        for c in ANSWER: streamer.put(Token(ord(c)))
        streamer.end()
        sys.stderr.write("warning \\x1b[31mof a library\\u202e\\n")
        raise ValueError("it says \\x1b]0;title\\x07")

torch = types.ModuleType("torch")
torch.float32 = torch.float16 = torch.bfloat16 = None
torch.cuda = types.SimpleNamespace(is_available=lambda: False)
torch.backends = types.SimpleNamespace(mps=types.SimpleNamespace(is_available=lambda: False))
torch.tensor, torch.ones_like = Ids, lambda ids: ids
torch.no_grad = __import__("contextlib").nullcontext
made = {{"torch": torch, "loading": dict(load_tokenizer=lambda told: Tokenizer()),
    "train_data": dict(ends=lambda *_: {{}}),
    "train_state": dict(load_weights=lambda *_: Model(), source=lambda _: {{}})}}
for name, value in made.items():
    module = value if isinstance(value, types.ModuleType) else types.ModuleType(name)
    if isinstance(value, dict): vars(module).update(value)
    sys.modules[name] = module
sys.path.insert(0, {scripts!r})
sys.argv = ["chat.py", {told!r}]
import runpy
runpy.run_path({scripts!r} + "/chat.py", run_name="__main__")
"""


def acts(text: str, may: str = "\n\t") -> list[str]:
    """Return the characters that act on a terminal, hide text or turn it."""
    kinds = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    return [c for c in text if unicodedata.category(c) in kinds and c not in f"{may}\u200c\u200d"]


def test_an_answer_and_a_warning_are_shown_as_plain_text():
    told = {"system": "", "model": "m", "adapter": "", "compare": False, "max_tokens": 9}
    told |= {"temperature": 0, "prompt": "hello"}
    code = CHAT.format(answer=ANSWER, scripts=str(SCRIPTS), told=json.dumps(told))
    ended = ran(sys.executable, "-c", code, env={"PYTHONIOENCODING": "utf-8"})
    assert "before" in ended.stdout.replace("[2J", "")
    assert "café 中文 می\u200cخواهم\tend" in ended.stdout
    assert "of a library" in ended.stderr
    assert "ValueError: it says" in ended.stderr
    assert acts(ended.stdout) == []
    assert acts(ended.stderr) == []
    assert "\n::" not in ended.stdout
    assert "##vso[" not in ended.stdout


@given(st.lists(st.text(), max_size=9))
def test_nothing_that_acts_passes_a_clean_stream(parts):
    shown = io.StringIO()
    stream = CleanStream(shown)
    for part in parts:
        assert stream.write(part) == len(part)
    assert acts(shown.getvalue()) == []


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text):
    assert clean(clean(text)) == clean(text)
    assert clean(text) == text or not text.isprintable()
