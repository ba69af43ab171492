"""The examples of the documentation run as they are written, in a process and a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


def test_stock_trainer(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:'pin_memory'", HERE / "docs" / "examples" / "stock_trainer.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HERE), "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith("atlas_")]
    numbers = {key: float(value) for key, value in lines}
    assert numbers["atlas_score"] > 0.3  # 0.13 before
    assert numbers["atlas_multilingual_rank_distance"] < 100  # 1,000 before
    assert numbers["atlas_monolingual_average_precision_weakest"] <= numbers["atlas_monolingual_average_precision_en"]
