"""One step of the Trainer of transformers with a tiny Llama."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments

model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
    )
)
rows = [{"input_ids": row, "labels": row} for row in torch.randint(0, 64, (4, 16))]
options = TrainingArguments(
    output_dir="out", max_steps=1, report_to="none", use_cpu=True, save_strategy="no"
)
assert Trainer(model=model, args=options, train_dataset=rows).train().global_step == 1
