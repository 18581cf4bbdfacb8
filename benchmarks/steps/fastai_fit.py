"""One epoch of a fastai learner over four rows."""

import torch
from fastai.data.core import DataLoaders
from fastai.learner import Learner

rows = torch.utils.data.TensorDataset(torch.randn(4, 4), torch.tensor([0, 1, 0, 1]))
loader = torch.utils.data.DataLoader(rows, batch_size=2)
learner = Learner(
    DataLoaders(loader, loader), torch.nn.Linear(4, 2), loss_func=torch.nn.CrossEntropyLoss()
)
learner.fit(1)
