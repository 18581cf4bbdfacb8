"""One LoRA step of a tiny U-Net of diffusers."""

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig

model = UNet2DConditionModel(
    sample_size=8,
    block_out_channels=(8, 16),
    layers_per_block=1,
    norm_num_groups=4,
    cross_attention_dim=8,
    attention_head_dim=4,
    down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
    up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
)
model.requires_grad_(False)
model.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"]))
weights = [one for one in model.parameters() if one.requires_grad]
optimizer = torch.optim.AdamW(weights, lr=1e-2)
noise = torch.randn(1, 4, 8, 8)
model(noise, torch.tensor([1]), torch.randn(1, 3, 8)).sample.square().mean().backward()
optimizer.step()
assert weights
