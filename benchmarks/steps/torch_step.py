"""One optimizer step of a small torch model."""

import torch

model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
before = model[0].weight.detach().clone()
loss = torch.nn.functional.cross_entropy(model(torch.randn(4, 8)), torch.tensor([0, 1, 0, 1]))
loss.backward()
optimizer.step()
assert not torch.equal(before, model[0].weight)
