"""Throughput: both trainers see the same number of rows, and the figures are of the time that passed."""

from __future__ import annotations

import pytest
import torch

from kit.data.corpus import ParallelCorpus
from kit.train import bench


@pytest.fixture(scope="module")
def corpus() -> ParallelCorpus:
    rows = [
        {"group_id": str(group), "language": tag, "query": f"{tag} question {group}", "passage": f"{tag} answer {group}"}
        for group in range(20)
        for tag in ("de", "en")
    ]
    return ParallelCorpus.from_rows(rows, "made")


@pytest.mark.skipif(torch.cuda.is_available(), reason="expects no GPU memory to be used")
def test_both_trainers_are_timed(corpus):
    measured = bench.throughput(lambda: bench.xlmr_base_shaped(corpus, 1, 64), corpus, updates=5, batch_size=4)
    assert measured.kit_rows_per_s > 0 and measured.stock_rows_per_s > 0 and measured.kit_memory_gib == 0


def test_the_encoder_has_the_shape_of_xlmr_base(corpus):
    transformer = bench.xlmr_base_shaped(corpus)[0].auto_model
    shape = transformer.config
    assert (shape.model_type, shape.num_hidden_layers, shape.hidden_size, shape.num_attention_heads) == (
        "xlm-roberta",
        12,
        768,
        12,
    )
    # XLM-R base has 86 million parameters besides its token embeddings.
    n_parameters = sum(weight.numel() for name, weight in transformer.named_parameters() if "word_embeddings" not in name)
    assert n_parameters == pytest.approx(86e6, rel=0.02)
