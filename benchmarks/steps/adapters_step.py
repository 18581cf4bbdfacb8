"""One LoRA step of a tiny Llama with the library adapters."""

import adapters
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
adapters.init(model)
model.add_adapter("tiny", config="lora")
model.train_adapter("tiny")
weights = [one for one in model.parameters() if one.requires_grad]
optimizer = torch.optim.AdamW(weights, lr=1e-2)
rows = torch.randint(0, 64, (2, 16))
model(input_ids=rows, labels=rows).loss.backward()
optimizer.step()
assert weights
