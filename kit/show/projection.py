"""Embeddings in two dimensions."""

from __future__ import annotations

import numpy as np

PROJECTIONS = ("PCA", "UMAP")


def project(points: np.ndarray, projection: str = "PCA", seed: int = 0) -> np.ndarray:
    """Embeddings in two dimensions, shape (n, 2), float64.

    ``PCA`` shows the two directions in which these points differ most, each with the sign that makes its largest loading
    positive, so that the same points give the same picture. ``UMAP`` (if umap-learn is installed) keeps neighbours together;
    its distances and its empty places mean nothing.

    Args:
        points: shape (n, dim), n at least 3 for UMAP.
        seed: of UMAP.

    Raises:
        ValueError: an unknown projection; UMAP is not installed.
    """
    if projection not in PROJECTIONS:
        raise ValueError(f"projection is {projection!r}: choose from {', '.join(PROJECTIONS)}")
    points = np.asarray(points, np.float64)
    if projection == "UMAP":
        return _umap(points, seed)
    centred = points - points.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[:2]  # (≤ 2, dim)
    largest = np.abs(directions).argmax(axis=1)
    directions = directions * np.sign(directions[np.arange(len(directions)), largest])[:, None]
    plane = centred @ directions.T
    return np.pad(plane, ((0, 0), (0, 2 - plane.shape[1])))  # a single point, or dimension, has less than two directions


def _umap(points: np.ndarray, seed: int) -> np.ndarray:
    try:
        from umap import UMAP  # pyright: ignore[reportMissingImports]  # an optional extra
    except ImportError:
        raise ValueError("projection is 'UMAP': install umap-learn (pip install umap-learn), or choose PCA") from None
    n_neighbors = min(15, len(points) - 1)
    return UMAP(n_neighbors=n_neighbors, metric="cosine", random_state=seed, n_jobs=1).fit_transform(points)
