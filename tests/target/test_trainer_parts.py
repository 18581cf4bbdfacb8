"""Loss, masks, packing and order of the trainer, each against a plain way to get the same."""

import pytest
from trainers import done

ROWS = """
import random, train_data
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
tokenizer = AutoTokenizer.from_pretrained(folder)
g = random.Random(0)
def sample(n):
    ids = [g.randint(3, 258) for _ in range(n)]
    return trainer.Row([1], ids, [-100] * (n // 3) + ids[n // 3 :], range(n))
rows = [sample(g.randint(6, 40)) for _ in range(24)]
def gradients(loss):
    return torch.autograd.grad(loss, list(model.parameters()))
def near(a, b, tolerance):
    assert all(torch.allclose(x, y, rtol=tolerance, atol=tolerance) for x, y in zip(a, b)), max((x - y).abs().max().item() for x, y in zip(a, b))
"""


PROOFS = {
    "the chunked loss is the loss": """
for cap in (None, 5.0):
    h, w = torch.randn(37, 24, requires_grad=True), torch.randn(101, 24, requires_grad=True)
    y, z = torch.randint(0, 101, (37,)), torch.nn.functional.linear(h, w)
    z = cap * torch.tanh(z / cap) if cap else z
    want = torch.nn.functional.cross_entropy(z, y, reduction="sum")
    for chunk in (1, 10, 37, 100):
        got = trainer.ChunkedLoss.apply(h, w, y, cap, chunk)
        near([got], [want], 1e-5)
        near(torch.autograd.grad(3 * got, (h, w)), [3 * g for g in torch.autograd.grad(want, (h, w), retain_graph=True)], 1e-4)
""",
    "it gives what the models own loss gives": """
batch = trainer.collate(rows[:8], "cpu", False)
ours = trainer.loss_of(model, batch, 7) / trainer.learned(rows[:8])
mask = torch.zeros_like(batch[0])
for i, row in enumerate(rows[:8]): mask[i, : len(row.ids)] = 1
theirs = model(input_ids=batch[0], attention_mask=mask, labels=batch[1]).loss
near([ours.double()], [theirs.double()], 1e-5)
near(gradients(ours), gradients(theirs), 1e-5)
""",
    "packed samples do not see each other": """
rows = [row._replace(lines=[i]) for i, row in enumerate(rows)]
packed = trainer.pack(rows, 64)
assert max(len(row.ids) for row in packed) <= 64
assert sorted(line for row in packed for line in row.lines) == [*range(24)]
for row in packed:
    parts = [rows[line] for line in row.lines]
    assert row[1:] == tuple([x for part in parts for x in part[i]] for i in (1, 2, 3))
assert len(packed) < len(rows) / 2
assert trainer.learned(packed) == trainer.learned(rows)
a = trainer.loss_of(model, trainer.collate(packed, "cpu", True), 50)
b = trainer.loss_of(model, trainer.collate(rows, "cpu", False), 50)
near([a], [b], 1e-4)
near(gradients(a), gradients(b), 1e-3)
""",
    "gradients of micro batches add up token by token": """
count = trainer.learned(rows)
one = gradients(trainer.loss_of(model, trainer.collate(rows, "cpu", False), 64) / count)
parts = [gradients(trainer.loss_of(model, trainer.collate(p, "cpu", False), 64) / count) for p in (rows[:5], rows[5:6], rows[6:])]
near(one, [sum(x) for x in zip(*parts)], 1e-6)
""",
    "prompts are masked": """
def learned(row, **changes):
    config = trainer.Config(**{"max_length": 99, **changes})
    def text(ids): return "".join(tokenizer.decode([t]) for t in ids)
    return [(text(row.ids), text(x for x in row.labels if x != -100)) for row in train_data.encode(row, "x", tokenizer, config)]
chat = {"messages": [dict(role="system", content="S"), dict(role="user", content="Q"), dict(role="assistant", content="A1"), dict(role="user", content="R"), dict(role="assistant", content="A2")]}
assert learned(chat) == [("s:S</s>u:Q</s>a:A1</s>u:R</s>a:A2</s>", "A1</s>A2</s>")], learned(chat)
assert learned(chat, answers="last") == [("s:S</s>u:Q</s>a:A1</s>u:R</s>a:A2</s>", "A2</s>")]
pair = {"prompt": "Q ", "completion": "A"}
assert learned(pair) == [("u:Q </s>a:A</s>", "A</s>")]
assert learned(pair, template="none") == [("Q A</s>", "A</s>")]
assert learned({"text": "abcdef"}, max_length=4) == [("abcd", "bcd"), ("ef</s>", "f</s>")]
assert [len(row.ids) for row in train_data.encode(chat, "x", tokenizer, trainer.Config(max_length=20))] == [20]
two = trainer.pack([trainer.Row([1], [5, 6, 7], [-100, 6, 7], range(3)), trainer.Row([2], [8, 9], [-100, 9], range(2))], 8)
ids, labels, places = trainer.collate([*two, trainer.Row([3], [5] * 7, [5] * 7, range(7))], "cpu", True)
assert ids.tolist() == [[5, 6, 7, 8, 9, 0, 0], [5] * 7]
assert labels.tolist() == [[-100, 6, 7, -100, 9, -100, -100], [5] * 7]
assert places.tolist() == [[0, 1, 2, 0, 1, 0, 0], [*range(7)]]
""",
}


@pytest.mark.parametrize("proof", PROOFS)
def test_that(train, tiny_model, proof):
    done(train(code=f"folder = {tiny_model!r}{ROWS}{PROOFS[proof]}"))


LEAKY = """
load = trainer.load_model
def leaky(*arguments):  # as transformers whose attention looks at no positions
    model = load(*arguments)
    forward = model.forward
    model.forward = lambda *a, position_ids=None, **k: forward(*a, **k)
    return model
trainer.load_model = leaky
"""


def test_packing_where_samples_would_see_each_other_is_refused(runs):
    told = ("packed samples see each other",)
    runs("--packing=true", "--method=full", code=LEAKY, status=2, says=told)
