"""One step of a tiny Llama with transformers."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
    )
)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
rows = torch.randint(0, 64, (2, 16))
before = model.lm_head.weight.detach().clone()
model(input_ids=rows, labels=rows).loss.backward()
optimizer.step()
assert not torch.equal(before, model.lm_head.weight)
