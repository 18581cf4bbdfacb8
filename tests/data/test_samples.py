"""How the rows of a file become turns, and which order of turns is wrong."""

import pytest

from tunedoctor.target.train_rows import Sample, order_faults, sample_of


@pytest.mark.parametrize(
    ("row", "form", "turns"),
    [
        (
            {"prompt": "q", "completion": "a"},
            "prompt-completion",
            [("user", "q"), ("assistant", "a")],
        ),
        (
            {"question": "q", "answer": "a", "id": 1},
            "prompt-completion",
            [("user", "q"), ("assistant", "a")],
        ),
        (
            {
                "prompt": [{"role": "user", "content": "q"}],
                "completion": [{"role": "assistant", "content": "a"}],
            },
            "prompt-completion",
            [("user", "q"), ("assistant", "a")],
        ),
        (
            {"instruction": "q", "output": "a", "input": ""},
            "instruction",
            [("user", "q"), ("assistant", "a")],
        ),
        ({"instruction": "q", "output": "a"}, "instruction", [("user", "q"), ("assistant", "a")]),
        (
            {"instruction": "q", "input": "x", "output": "a"},
            "instruction",
            [("user", "q\nx"), ("assistant", "a")],
        ),
        (
            {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
            "messages",
            [("user", "q"), ("assistant", "a")],
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "q"}]},
                    {"role": "assistant", "content": "a"},
                ]
            },
            "messages",
            [("user", "q"), ("assistant", "a")],
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "q"}]},
                    {"role": "assistant", "content": "a"},
                ]
            },
            "messages",
            [("user", "q"), ("assistant", "a")],
        ),
        (
            {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
            "conversations",
            [("user", "q"), ("assistant", "a")],
        ),
        (
            {
                "system": "s",
                "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}],
            },
            "conversations",
            [("system", "s"), ("user", "q"), ("assistant", "a")],
        ),
        ({"text": "q"}, "text", [("text", "q")]),
    ],
)
def test_a_row_becomes_turns_of_user_and_assistant(row, form, turns):
    assert sample_of(row) == Sample(form=form, turns=turns, faults=[])


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "q", "chosen": "a", "rejected": "b"},
        {
            "chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
            "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}],
        },
        {
            "prompt": "q",
            "chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
            "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}],
        },
    ],
)
def test_a_pair_of_answers_becomes_chosen_and_rejected_turns(row):
    assert sample_of(row) == Sample(
        form="preference",
        turns=[("user", "q"), ("assistant", "a")],
        faults=[],
        rejected=[("user", "q"), ("assistant", "b")],
        shared=1,
    )


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (
            [{"role": "user", "content": "x"}, {"role": "user", "content": "x"}],
            "turns 1 and 2 are both user",
        ),
        (
            [
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": "x"},
                {"role": "assistant", "content": "x"},
            ],
            "turns 2 and 3 are both assistant",
        ),
        (
            [{"role": "user", "content": "x"}, {"role": "system", "content": "x"}],
            "turn 2 is system",
        ),
        ([{"role": "assistant", "content": "x"}], "begins with assistant"),
        (
            [{"role": "system", "content": "x"}, {"role": "assistant", "content": "x"}],
            "begins with assistant",
        ),
        ([{"role": "user", "content": "x"}, {"role": "tool", "content": "x"}], "turn 2 is tool"),
        (
            [
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": "x"},
                {"role": "user", "content": "x"},
            ],
            "ends with user",
        ),
        (
            [{"role": "system", "content": "x"}, {"role": "user", "content": "x"}],
            "no turn is assistant",
        ),
    ],
)
def test_a_wrong_order_of_turns_is_said(messages, text):
    assert text in order_faults(sample_of({"messages": messages}))[0][1]
