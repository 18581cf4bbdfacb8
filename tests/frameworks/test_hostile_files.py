"""Files of others cannot hang the reader, run code or fill the memory."""

import json
import time

import pytest

from tunedoctor.frameworks.detect import parse_configuration
from tunedoctor.frameworks.document import ConfigurationError, read_document

LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.yml", LAUGHS, "more than"),
        ("a.yml", "[" * 100_000, "nest"),
        ("a.yml", "base_model: {" * 60, "nested too deeply"),
        ("a.yml", "a: b: c", "line 1"),
        ("a.yml", "- a\n- b\n", "no keys"),
        ("a.yml", "x: 1\n" * 60_000, "more than"),
        ("a.json", "[" * 100_000, "nested too deeply"),
        ("a.json", '{"a": ' + "9" * 100_000 + "}", "too long"),
        ("a.py", "f(" * 5_000, "not Python"),
        ("a.py", "x = " + "-" * 200_000 + "1", "nested too deeply"),
        ("a.ipynb", "[]", "not a notebook"),
        ("a.yml", "a: " + "b" * (1 << 20), "more than"),
    ],
)
def test_hostile_file_is_refused_quickly(name, text, why):
    began = time.process_time()
    with pytest.raises(ConfigurationError, match=why):
        read_document(name, text.encode())
    assert time.process_time() - began < 10


def test_tags_of_yaml_make_no_objects(tmp_path):
    mark = tmp_path / "mark"
    text = f"base_model: !!python/object/apply:os.system ['touch {mark}']\nmicro_batch_size: 1\n"
    found = parse_configuration("a.yml", text.encode())
    assert not mark.exists()
    assert found.plan.model == ""


def test_python_is_not_executed(tmp_path):
    mark = tmp_path / "mark"
    text = f"open({str(mark)!r}, 'w')\nmodel = FastLanguageModel.from_pretrained('x/y')\nSFTConfig(max_steps=3)\n"
    assert parse_configuration("a.py", text.encode()).plan.max_steps == 3
    assert not mark.exists()


def test_control_characters_are_removed():
    found = parse_configuration("a.yml", b'base_model: "x\\e[31m/y"\nmicro_batch_size: 1\n')
    assert found.plan.model == "x/y"


def test_line_of_a_notebook_is_named_by_cell():
    cells = [
        {"cell_type": "code", "source": "!pip install unsloth"},
        {
            "cell_type": "code",
            "source": [
                "m = FastLanguageModel.from_pretrained('x/y')\n",
                "SFTConfig(\n",
                "  max_steps=3)",
            ],
        },
    ]
    found = parse_configuration("a.ipynb", json.dumps({"cells": cells}).encode())
    assert found.document.place(found.document.lines["max_steps"]) == "a.ipynb, code cell 2, line 3"
