"""Tiny models of each kind as .gguf files: read back by transformers, and by llama.cpp where the target has it."""

import json
from pathlib import Path

import pytest
import torch_target
from trainers import run

import tunedoctor

HOUSE = Path(tunedoctor.__file__).parent
KINDS = ("llama3", "spm", "mistral", "qwen2", "qwen3", "gemma2", "gemma3")
REFUSED = {
    "yarn": "doctor can't write positions scaled by yarn",
    "scalar": "query_pre_attn_scalar other than 32",
    "windows": "doctor can't write this model's order of layers",
    "other words": "doctor does not know how this tokenizer splits words",
}
LLAMA_CPP = """
import sys, warnings
warnings.filterwarnings("ignore")
import llama_cpp, numpy, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
TEXTS = "the ferry to Varnholm is striped", " Who didn't leave at 12:45?\\n\\n  D\u00e9j\u00e0 vu: \u00ab\u6771\u4eac\u00bb"
for kind in sys.argv[1:]:
    words = AutoTokenizer.from_pretrained(kind)
    model = AutoModelForCausalLM.from_pretrained(kind).float().eval()
    other = llama_cpp.Llama(kind + ".gguf", n_ctx=256, logits_all=True, verbose=False, n_threads=1)
    for text in TEXTS:
        ids = words(text)["input_ids"]
        assert other.tokenize(text.encode(), add_bos=True) == ids, (kind, text)
        ids = (ids * 9)[:120]
        other.reset()
        other.eval(ids)
        with torch.no_grad():
            wanted = model(torch.tensor([ids])).logits[0].numpy()
        found = numpy.array(other.scores[: len(ids)])
        most = abs(found - wanted).max() / abs(wanted).max()
        assert most < 0.02, (kind, most)
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with a model and a .gguf of each kind, and what the writer said."""
    python = torch_target.torch_python() or pytest.skip(torch_target.WHY_NOT)
    if torch_target.lacks("gguf"):
        pytest.skip("the target lacks gguf")
    folder = tmp_path_factory.mktemp("kinds")
    script = str(Path(__file__).with_name("tiny_kinds.py"))
    places = (str(HOUSE / "target"), str(HOUSE / "tables" / "gguf.json"))
    said = run(folder, python, script, *places, *KINDS, *REFUSED)
    return folder, dict(json.loads(line) for line in said.splitlines() if line.startswith("["))


def test_transformers_reads_each_kind_back_and_what_llama_cpp_would_run_otherwise_is_refused(
    written,
):
    folder, said = written
    for kind in KINDS:
        assert "; verified: its logits differ by" in said[kind], said[kind]
        assert (folder / f"{kind}.gguf").is_file()
    for kind, why in REFUSED.items():
        assert why in said[kind]
        assert not list(folder.glob(f"{kind}*.gguf"))


def test_llama_cpp_gives_the_same_tokens_and_logits(written):
    python = torch_target.torch_python()
    if torch_target.lacks("llama_cpp"):
        pytest.skip("the target lacks llama-cpp-python")
    run(written[0], python, "-c", LLAMA_CPP, *KINDS)
