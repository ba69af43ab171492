"""Throughput: both trainers see the same number of rows, and the figures are of the time that passed."""

from __future__ import annotations

import pytest
import torch
from test_trainer import one_thread as one_thread

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
def test_both_trainers_are_timed_in_turns(corpus):
    make = lambda: bench.shaped(corpus, "labse", 1, 64)
    measured = bench.throughput(make, corpus, updates=2, batch_size=4, n_rounds=2, pass_tokens=8)
    assert [len(measured.kit_rows_per_s), len(measured.stock_rows_per_s), measured.kit_memory_gib] == [2, 2, 0]
    assert min(measured.kit_rows_per_s + measured.stock_rows_per_s) > 0
    assert 0 <= measured.kit_padding <= measured.stock_padding < 1


def test_the_ratio_is_that_of_each_round():
    lines = str(bench.Throughput([30.0, 20.0, 26.0], [20.0, 10.0, 20.0], 0.1, 0.5, 2.0, 3.0)).splitlines()
    assert lines == [
        "kit    26 rows/s (20 to 30), padding 10%, GPU memory 2.0 GiB",
        "stock  20 rows/s (10 to 20), padding 50%, GPU memory 3.0 GiB",
        "kit / stock: 1.50 (by round: 1.50, 2.00, 1.30)",
    ]


def test_the_encoder_has_the_shape_of_xlmr_base(corpus):
    transformer = bench.shaped(corpus)[0].auto_model
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
