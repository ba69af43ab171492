"""What must not change: the losses of the first 20 updates of each sampling, as they were before anything was moved.

``python tests/train/test_golden_losses.py`` writes the file anew, for a change that is meant to alter them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from kit.run.training import training_data
from kit.train.config import EncoderConfig, TrainingConfig
from kit.train.encoders.making import make_encoder
from kit.train.samplers import SAMPLINGS, Sampling
from kit.train.trainer import fine_tune

FILE = Path(__file__).parent / "golden" / "losses.json"
ENCODER = EncoderConfig(dimension=64, vocabulary_size=2048, max_tokens=64)
TRAINING = TrainingConfig(updates=20, batch_size=50, learning_rate=0.2, temperature=0.1, evaluations=20)


def losses(sampling: str, folder: Path) -> list[float]:
    """The loss of each update, on one thread."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        corpora, _ = training_data(("atlas",))
        texts = [text for name in ("query", "passage") for text in corpora[0].table.column(name).to_pylist()]
        model = make_encoder(ENCODER, texts, seed=0)
        history = fine_tune(model, corpora, Sampling.parse(sampling), TRAINING, folder, log=lambda line: None)
    finally:
        torch.set_num_threads(n_threads)
    return [loss for _, loss in history.loss]


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_losses(sampling, tmp_path):
    golden = json.loads(FILE.read_text(encoding="utf-8"))[sampling]
    assert losses(sampling, tmp_path) == pytest.approx(golden, abs=1e-6, rel=0)


if __name__ == "__main__":
    import tempfile

    found = {sampling: losses(sampling, Path(tempfile.mkdtemp())) for sampling in SAMPLINGS}
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
