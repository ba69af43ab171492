"""The contrastive loss of hybrid batch training: InfoNCE over in-batch passages, blind to parallel false negatives."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from sentence_transformers.base.losses.gradcache import CachedLossMixin, has_static_embedding_input
from torch import Tensor, nn
from torch.nn import functional

from kit.train.config import TrainingConfig
from kit.train.devices.ranks import rows_of_all


class InfoNCE(CachedLossMixin, nn.Module):
    """InfoNCE of each query over its passage, the other passages of the batch, and hard negatives (arXiv 2408.10536).

    ``loss = mean_i -log( exp(cos(q_i, d_i) / t) / sum_j exp(cos(q_i, d_j) / t) )``, where j runs over all passages and
    hard negatives of the batch except those of the query's own cluster, and of other clusters that answer its question:
    the same passage in another language, or the same answer to another question, is a false negative, and no comparison of
    strings can see it.

    Args:
        model: a ``SentenceTransformer``.
        temperature: t > 0. The paper names none; E5 uses 0.01, sentence-transformers 0.05 (as "scale 20").
        margin: subtracted from the cosine of a query and its passage, in [0, 1]: additive margin softmax (Yang et al. 2019,
            arXiv 1902.08564), as LaBSE is trained (0.3).
        symmetric: whether the loss is the mean of this and of the same with the passages asking for their queries (without
            hard negatives), as LaBSE and CLIP are trained.
        mini_batch: texts in one pass through the model; 0: all of a column. The value and its gradients are those of the
            whole batch, in the memory of a mini-batch and one more pass (Gao et al. 2021, arXiv 2101.06983): all texts are
            embedded without gradients, then those of the embeddings are carried on into the model, mini-batch after
            mini-batch, with the dropout that the first pass had.
        gather_across_devices: whether the batch is that of all processes of a distributed training, each of which has a part
            of it, equally many rows, with labels that name what answers a query in any part. Every process computes the loss
            of the whole batch, so that it is the same in all, and the same as that of one process.

    Inputs:
        One column of queries, one of passages, then any number of hard negatives, in this order. Labels: the cluster of
        each text after the query, shape (batch, n_columns - 1) or, without hard negatives, (batch,); -1 marks a text of
        no known cluster, which is never masked. More columns name other clusters that answer the query, -1 for none.

    Relations:
        Equal to ``MultipleNegativesRankingLoss(scale=1 / temperature)`` when all clusters differ and margin is 0; with
        ``symmetric``, to its ``directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"``.

    Raises:
        ValueError: the temperature is not positive, or the margin is not in [0, 1]; mini-batches of a static encoder.
    """

    def __init__(
        self,
        model: nn.Module,
        temperature: float = 0.05,
        margin: float = 0.0,
        symmetric: bool = False,
        mini_batch: int = 0,
        gather_across_devices: bool = False,
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature {temperature} is not positive: use 0.01 to 0.1")
        if not 0 <= margin <= 1:
            raise ValueError(f"margin {margin} is not between 0 and 1: use 0 for none, or 0.3 as LaBSE")
        if mini_batch and has_static_embedding_input(model):
            raise ValueError(f"mini_batch is {mini_batch}, and a static encoder reads a batch as one: choose 0")
        self.model = model
        self.temperature, self.margin, self.symmetric = temperature, margin, symmetric
        self.mini_batch_size, self.uses_gradient_cache = mini_batch, mini_batch > 0
        self.gather_across_devices = gather_across_devices

    def forward(self, sentence_features: Iterable[dict[str, Tensor]], labels: Tensor) -> Tensor:
        """Mean loss of a batch, a scalar."""
        if self.uses_gradient_cache:
            return self.forward_cached(sentence_features, labels)
        return self.calculate_loss([[self.model(features)["sentence_embedding"]] for features in sentence_features], labels)

    def calculate_loss(
        self, reps: list[list[Tensor]], labels: Tensor | None = None, *, with_backward: bool = False
    ) -> Tensor:
        """The loss from the embeddings of each column's mini-batches; with ``with_backward`` they have their gradients."""
        columns = [torch.cat(column) for column in reps]
        assert labels is not None
        labels = labels.reshape(len(columns[0]), -1)  # (batch, n_columns - 1 + n_answers)
        if self.gather_across_devices:  # column by column: the passages of all processes come before any hard negative
            columns, labels = [rows_of_all(column) for column in columns], rows_of_all(labels)
        queries, *candidates = columns
        clusters, answers = labels[:, : len(candidates)].T.reshape(-1), labels[:, len(candidates) :]
        settings = self.temperature, self.margin, self.symmetric
        loss = info_nce(queries, torch.cat(candidates), clusters, *settings, answers)
        if with_backward:
            loss.backward()
        return loss

    def get_config_dict(self) -> dict[str, float | bool]:
        """Settings for the model card."""
        settings = {"temperature": self.temperature, "margin": self.margin, "symmetric": self.symmetric}
        return {**settings, **({"mini_batch": self.mini_batch_size} if self.uses_gradient_cache else {})}

    @property
    def citation(self) -> str:
        """BibTeX of the method, for the model card."""
        return (
            "@misc{hybrid-batch-training,\n  title = {Synergistic Approach for Simultaneous Optimization of Monolingual, "
            "Cross-lingual, and Multilingual Information Retrieval},\n  year = {2024},\n  eprint = {2408.10536},\n"
            "  archivePrefix = {arXiv}\n}"
        )


LOSSES: dict[str, Callable[[nn.Module, TrainingConfig], nn.Module]] = {
    "info-nce": lambda model, recipe: InfoNCE(
        model, recipe.temperature, recipe.margin, recipe.symmetric, recipe.mini_batch, gather_across_devices=True
    ),
}
"""Losses by the name that a recipe gives (``kit.train.config.LOSS_NAMES``); each is made from the model and the recipe."""


def make_loss(model: nn.Module, recipe: TrainingConfig) -> nn.Module:
    """The loss that a recipe names."""
    return LOSSES[recipe.loss](model, recipe)


def info_nce(
    queries: Tensor,
    candidates: Tensor,
    clusters: Tensor,
    temperature: float,
    margin: float = 0.0,
    symmetric: bool = False,
    answers: Tensor | None = None,
) -> Tensor:
    """InfoNCE from embeddings of any norm.

    Args:
        queries: (batch, dim).
        candidates: (n_candidates, dim); candidate i < batch is the passage of query i, the others are hard negatives.
        clusters: (n_candidates,) integers; candidate j is left out of query i's sum if ``clusters[j] == clusters[i]``,
            unless j is i or the cluster is -1 (unknown).
        temperature: > 0.
        margin, symmetric: as in ``InfoNCE``.
        answers: (batch, n_answers) integers; clusters that answer query i besides its own are left out of its sum, too; -1
            for none.

    Returns:
        The mean over the queries (and, if symmetric, over their passages), a scalar in float32.
    """
    n_queries = len(queries)
    with torch.autocast(queries.device.type, enabled=False):  # else the trainer's bf16 would round the scores as well
        queries = functional.normalize(queries.float(), dim=-1)
        candidates = functional.normalize(candidates.float(), dim=-1)
        scores = queries @ candidates.T  # (batch, n_candidates)
    positives = torch.arange(n_queries, device=scores.device)
    scores = (scores - margin * functional.one_hot(positives, len(candidates))) / temperature
    own = clusters[:n_queries, None]  # (batch, 1)
    own = own if answers is None else torch.cat([own, answers], dim=1)  # (batch, 1 + n_answers)
    same = (own[:, :, None] == clusters) & (own[:, :, None] >= 0)  # (batch, 1 + n_answers, n_candidates)
    false_negative = same.any(dim=1)  # (batch, n_candidates)
    false_negative[positives, positives] = False
    scores = scores.masked_fill(false_negative, float("-inf"))
    loss = functional.cross_entropy(scores, positives)
    if not symmetric:
        return loss
    return (loss + functional.cross_entropy(scores[:, :n_queries].T, positives)) / 2
