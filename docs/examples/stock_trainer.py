"""Hybrid batches and the bias panel in the trainer of sentence-transformers, as it is."""

from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from kit.data import load_corpus, load_task
from kit.evaluate import RetrievalBiasEvaluator
from kit.train import EncoderConfig, make_encoder, pair_batches, pair_dataset

corpus, task = load_corpus("atlas?languages=de,en"), load_task("atlas?languages=de,en", split="validation")
model = make_encoder(EncoderConfig(), corpus.table.column("passage").to_pylist(), seed=0)  # or any SentenceTransformer
prompts = {"query": model.prompts["query"], "passage": model.prompts["document"]}
args = SentenceTransformerTrainingArguments(
    "out",
    batch_sampler=pair_batches("Hybrid"),
    per_device_train_batch_size=64,
    max_steps=44,
    learning_rate=0.1,
    prompts=prompts,
)
loss, bias = MultipleNegativesRankingLoss(model), RetrievalBiasEvaluator(task, name="atlas")
SentenceTransformerTrainer(model, args, pair_dataset([corpus]), loss=loss).train()
for measure, value in bias(model).items():
    print(f"{measure:60} {value:9.3f}")
