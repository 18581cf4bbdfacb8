"""Run by the target: write a small model with its tokenizer into the folder that is named."""

import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

folder, end = sys.argv[1], "</s>"
symbols = sorted(pre_tokenizers.ByteLevel.alphabet())
made = Tokenizer(models.BPE(vocab={end: 0, **{s: i + 1 for i, s in enumerate(symbols)}}, merges=[]))
made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
made.decoder = decoders.ByteLevel()
PreTrainedTokenizerFast(tokenizer_object=made, eos_token=end).save_pretrained(folder)
shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "vocab_size": 257}
heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 256}
LlamaForCausalLM(LlamaConfig(**shape, **heads)).save_pretrained(folder)
