"""Scores and embeddings whose tails are known, to try tail statistics on; and the paper's noise-floor experiment."""

from anchorwise.synthetic.embeddings import Clusters, clustered_points, sphere_points
from anchorwise.synthetic.noise_floor import NoiseFloor, noise_floor
from anchorwise.synthetic.scores import (
    exponential_scores,
    gaussian_scores,
    shortfall_scores,
    sphere_scores,
    student_scores,
)

__all__ = [
    "Clusters",
    "NoiseFloor",
    "clustered_points",
    "exponential_scores",
    "gaussian_scores",
    "noise_floor",
    "shortfall_scores",
    "sphere_points",
    "sphere_scores",
    "student_scores",
]
