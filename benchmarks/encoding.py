"""Encoding with the kit beside plain ``encode_document`` of sentence-transformers: one model, the same texts, in turns.

    python benchmarks/encoding.py [--texts 400] [--rounds 4] [--model FOLDER] [--source SOURCE]

Plain: the model's own method with its defaults, 32 texts at a time. The kit lets texts of one length go together, as many as
make up so many tokens, and computes in bfloat16 where the processor is quick in it; "in float32" leaves that out. Without
``--model`` a small transformer with random weights; ``--source`` names passages (default: Atlas, made, short sentences).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from unittest import mock

import numpy as np
from turns import in_turns, keep, load, machine, rows_of

from kit.data.embeddings import encoding
from kit.data.registry import load_corpus
from kit.train.bench import shaped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--layers", type=int, default=4, help="of the transformer that is made where there is no --model")
    parser.add_argument("--model")
    parser.add_argument("--source", default="atlas")
    parser.add_argument("--out", type=Path, default=Path("reports/bench"))
    asked = parser.parse_args()
    corpus = load_corpus(asked.source)
    every = sorted(set(corpus.table.column("passage").to_pylist()))
    texts = [every[row] for row in np.random.default_rng(0).permutation(len(every))[: asked.texts].tolist()]
    if asked.model:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(asked.model, device="cpu")
    else:
        model = shaped(corpus, n_layers=asked.layers, dimension=384)

    def plain() -> np.ndarray:
        return model.encode_document(texts, show_progress_bar=False)

    def kit() -> np.ndarray:
        return encoding.encode_texts(model, texts, "passage")

    def in_float32() -> np.ndarray:
        with mock.patch.object(encoding, "quick_in_bfloat16", lambda device: False):
            return kit()

    cosine = lambda one, other: (one * other).sum(axis=1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)
    expected = plain()
    facts = {
        "machine": machine("torch", "sentence-transformers", "transformers"),
        "load": load(),
        "texts": f"{len(texts)} passages of {corpus.name}, {np.mean([len(text) for text in texts]):.0f} letters",
        "least cosine of a text's two embeddings": f"{cosine(expected, kit()).min():.6f} "
        f"(in float32 {cosine(expected, in_float32()).min():.6f})",
        "rounds": asked.rounds,
    }
    times = in_turns({"plain encode_document": plain, "kit": kit, "kit in float32": in_float32}, asked.rounds)
    keep(asked.out, "encoding", "Encoding", {"Seconds": rows_of(times, "plain encode_document")}, facts)


if __name__ == "__main__":
    main()
