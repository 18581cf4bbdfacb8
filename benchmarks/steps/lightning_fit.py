"""One step of `Trainer.fit` on the CPU."""

import torch

try:
    import lightning
except ImportError:  # the same library under its older name
    import pytorch_lightning as lightning


class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)

    def training_step(self, batch):
        return self.layer(batch[0]).square().mean()

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-2)


rows = torch.utils.data.TensorDataset(torch.randn(8, 4))
trainer = lightning.Trainer(
    max_steps=1, accelerator="cpu", logger=False, enable_checkpointing=False
)
trainer.fit(Model(), torch.utils.data.DataLoader(rows, batch_size=4))
assert trainer.global_step == 1
