"""The smoke training: a tiny Llama with LoRA learns four sentences by heart, and everything around it is checked."""
