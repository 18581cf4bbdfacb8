"""One step of the trainer of SetFit over a static embedding."""

from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import StaticEmbedding
from setfit import SetFitModel, Trainer, TrainingArguments
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer, models, pre_tokenizers

words = {one: number for number, one in enumerate("[UNK] a dog cat runs sleeps".split())}
tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
body = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)], device="cpu")
model = SetFitModel(model_body=body, model_head=LogisticRegression())
rows = Dataset.from_dict({"text": ["a dog runs", "a cat sleeps"] * 2, "label": [0, 1, 0, 1]})
options = TrainingArguments(output_dir="out", max_steps=1, batch_size=2, report_to="none")
Trainer(model=model, args=options, train_dataset=rows).train()
