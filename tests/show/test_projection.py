"""Two dimensions: PCA against scikit-learn, and the way to UMAP."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from kit.show.projection import project


def test_pca_is_that_of_scikit_learn_up_to_signs():
    from sklearn.decomposition import PCA

    points = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    ours, theirs = project(points), PCA(2, svd_solver="full").fit_transform(points.astype(float))
    assert np.abs(ours) == pytest.approx(np.abs(theirs), abs=1e-9)


def test_turning_all_points_does_not_flip_the_picture_of_the_same_points():
    points = np.random.default_rng(1).normal(size=(10, 3))
    assert project(points) == pytest.approx(project(points + 5.0))


@pytest.mark.parametrize("shape", [(1, 4), (2, 4), (5, 1)])
def test_few_points_or_dimensions_still_lie_in_a_plane(shape):
    plane = project(np.arange(np.prod(shape), dtype=float).reshape(shape))
    assert plane.shape == (shape[0], 2) and np.isfinite(plane).all()


def test_umap_is_asked_with_the_seed(monkeypatch):
    asked = {}

    class UMAP:
        def __init__(self, **options):
            asked.update(options)

        def fit_transform(self, points):
            return points[:, :2]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=UMAP))
    assert project(np.eye(5), "UMAP", seed=7).shape == (5, 2)
    assert asked["random_state"] == 7 and asked["n_neighbors"] == 4


def test_refuses(monkeypatch):
    with pytest.raises(ValueError, match="projection is 'tSNE': choose from PCA, UMAP"):
        project(np.eye(3), "tSNE")
    monkeypatch.setitem(sys.modules, "umap", None)  # as if it were not installed
    with pytest.raises(ValueError, match="install umap-learn"):
        project(np.eye(3), "UMAP")
