"""Two steps of the trainer of sentence-transformers over a static embedding."""

from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
    losses,
)
from sentence_transformers.models import StaticEmbedding
from tokenizers import Tokenizer, models, pre_tokenizers

words = {one: number for number, one in enumerate("[UNK] a dog cat runs sleeps".split())}
tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu")
rows = Dataset.from_dict({"anchor": ["a dog runs"] * 4, "positive": ["a cat sleeps"] * 4})
options = SentenceTransformerTrainingArguments(
    output_dir="out", max_steps=2, report_to="none", use_cpu=True, save_strategy="no"
)
loss = losses.MultipleNegativesRankingLoss(model)
trainer = SentenceTransformerTrainer(model=model, args=options, train_dataset=rows, loss=loss)
assert trainer.train().global_step == 2
