"""One step of the trainer of the library adapters with a LoRA in a tiny Llama."""

import adapters
import torch
from transformers import LlamaConfig, LlamaForCausalLM, TrainingArguments

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
rows = [{"input_ids": row, "labels": row} for row in torch.randint(0, 64, (4, 16))]
options = TrainingArguments(
    output_dir="out", max_steps=1, report_to="none", use_cpu=True, save_strategy="no"
)
trainer = adapters.AdapterTrainer(model=model, args=options, train_dataset=rows)
assert trainer.train().global_step == 1
