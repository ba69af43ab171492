"""The contrastive loss of hybrid batch training: InfoNCE over in-batch passages, blind to parallel false negatives."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional


class InfoNCE(nn.Module):
    """InfoNCE of each query over its passage, the other passages of the batch, and hard negatives (arXiv 2408.10536).

    ``loss = mean_i -log( exp(cos(q_i, d_i) / t) / sum_j exp(cos(q_i, d_j) / t) )``, where j runs over all passages and
    hard negatives of the batch except those of the query's own cluster: the same passage in another language, or the
    same answer to another question, is a false negative, and no comparison of strings can see it.

    Args:
        model: a ``SentenceTransformer``.
        temperature: t > 0. The paper names none; E5 uses 0.01, sentence-transformers 0.05 (as "scale 20").

    Inputs:
        One column of queries, one of passages, then any number of hard negatives, in this order. Labels: the cluster of
        each text after the query, shape (batch, n_columns - 1) or, without hard negatives, (batch,); -1 marks a text of
        no known cluster, which is never masked.

    Relations:
        Equal to ``MultipleNegativesRankingLoss(scale=1 / temperature)`` when all clusters differ.

    Raises:
        ValueError: the temperature is not positive.
    """

    def __init__(self, model: nn.Module, temperature: float = 0.05):
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature {temperature} is not positive: use 0.01 to 0.1")
        self.model = model
        self.temperature = temperature

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """Mean loss of a batch, a scalar."""
        queries, *candidates = [self.model(features)["sentence_embedding"] for features in sentence_features]
        clusters = labels.reshape(len(queries), -1)  # (batch, n_columns - 1)
        return info_nce(queries, torch.cat(candidates), clusters.T.reshape(-1), self.temperature)

    def get_config_dict(self) -> dict[str, float]:
        """Settings for the model card."""
        return {"temperature": self.temperature}

    @property
    def citation(self) -> str:
        """BibTeX of the method, for the model card."""
        return (
            "@misc{hybrid-batch-training,\n  title = {Synergistic Approach for Simultaneous Optimization of Monolingual, "
            "Cross-lingual, and Multilingual Information Retrieval},\n  year = {2024},\n  eprint = {2408.10536},\n"
            "  archivePrefix = {arXiv}\n}"
        )


def info_nce(queries: Tensor, candidates: Tensor, clusters: Tensor, temperature: float) -> Tensor:
    """InfoNCE from embeddings of any norm.

    Args:
        queries: (batch, dim).
        candidates: (n_candidates, dim); candidate i < batch is the passage of query i, the others are hard negatives.
        clusters: (n_candidates,) integers; candidate j is left out of query i's sum if ``clusters[j] == clusters[i]``,
            unless j is i or the cluster is -1 (unknown).
        temperature: > 0.

    Returns:
        The mean over the queries, a scalar in float32.
    """
    with torch.autocast(queries.device.type, enabled=False):  # else the trainer's bf16 would round the scores as well
        queries = functional.normalize(queries.float(), dim=-1)
        candidates = functional.normalize(candidates.float(), dim=-1)
        scores = queries @ candidates.T / temperature  # (batch, n_candidates)
    own = clusters[: len(queries)]
    false_negative = (own[:, None] == clusters[None, :]) & (own[:, None] >= 0)  # (batch, n_candidates)
    positives = torch.arange(len(queries), device=scores.device)
    false_negative[positives, positives] = False
    return functional.cross_entropy(scores.masked_fill(false_negative, float("-inf")), positives)
