"""One LoRA step of a tiny GPT of litgpt."""

import torch
from litgpt.lora import GPT, Config, mark_only_lora_as_trainable

config = Config(
    n_layer=2,
    n_head=2,
    n_embd=16,
    block_size=16,
    vocab_size=64,
    padded_vocab_size=64,
    lora_r=2,
    lora_alpha=4,
    lora_query=True,
    lora_value=True,
)
model = GPT(config)
mark_only_lora_as_trainable(model)
weights = [one for one in model.parameters() if one.requires_grad]
optimizer = torch.optim.AdamW(weights, lr=1e-2)
rows = torch.randint(0, 64, (2, 8))
logits = model(rows)
torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows.flatten()).backward()
optimizer.step()
assert weights
