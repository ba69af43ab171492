"""What is to be known of a model when its scores are read: how large it is, what it reads, what is put before its texts."""

from __future__ import annotations

from typing import Any

from kit.data.embeddings.encoding import precision
from kit.data.inputs import limit_of, prompts_of
from kit.run.training import tokens_text


def facts_of_model(model: Any) -> dict[str, str]:
    """Facts of a ``SentenceTransformer`` by name, as texts.

    ``size`` is that of its weights in memory, in MB of a million bytes; ``prompts`` are those that are put before queries
    and documents, whatever the model calls them; ``longest input`` is told by side where the two differ.
    """
    used = prompts_of(model)
    prompts = [f"{name}: {prompt!r}" for name, prompt in (("query", used.query), ("document", used.passage)) if prompt]
    unused = f" (not used: {', '.join(used.unused)})" if used.unused else ""
    limits = {side: tokens_text(limit_of(model, side)) for side in ("query", "passage")}
    weights = list(model.parameters())
    return {
        "dimensions": str(model.get_embedding_dimension()),
        "parameters": f"{sum(weight.numel() for weight in weights):,}",
        "size": f"{sum(weight.numel() * weight.element_size() for weight in weights) / 1e6:,.1f} MB",
        "longest input": ", ".join(f"{side}: {limit}" for side, limit in limits.items())
        if len(set(limits.values())) > 1
        else limits["query"],
        "prompts": (", ".join(prompts) or "none") + unused,
        "computed in": precision(model),
    }


def pace(n_texts: int, elapsed_s: float) -> str:
    """How fast a model was, if it had anything to do."""
    return f"{n_texts / elapsed_s:,.0f} texts a second" if n_texts else "all texts encoded before"
