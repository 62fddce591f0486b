import numpy as np
import pytest
from rich.console import Console

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation import unlabelled
from anchorwise.evaluation.evaluate import evaluate
from anchorwise.evaluation.table import evaluation_table
from anchorwise.evaluation.unlabelled import UnlabelledEvaluation, evaluate_unlabelled


def sphere(n=600, d=3, seed=0):
    rows = np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_an_even_sphere_is_recognised():
    result = evaluate(sphere(seed=1))
    # In 3 dimensions 1 - cosine is uniform: exponent 1, with Hill's factor m / (m - 1) of 50 points.
    assert result.tail_exponent == pytest.approx(50 / 49, abs=0.05)
    assert result.effective_dimension == pytest.approx(3.0, abs=0.05)
    assert result.mean_resultant < 0.1
    # E exp(-2 |a - b|^2) = E exp(-4 (1 - c)) with c uniform on [-1, 1]: (1 - e^-8) / 8.
    assert result.uniformity == pytest.approx(np.log((1 - np.exp(-8)) / 8), abs=0.05)
    assert (result.duplicates, result.alignment) == (0.0, None)


def test_a_collapsed_encoder_is_recognised():
    rows = np.ones((600, 8), np.float32)
    result = evaluate(rows)
    assert result.effective_rank == pytest.approx(1.0, abs=1e-3)
    assert (result.duplicates, result.hardest_cosine, result.tail_exponent) == (1.0, None, None)
    assert result.uniformity == pytest.approx(0.0, abs=1e-5)


def test_two_views_have_an_alignment():
    rows = sphere()
    result = evaluate_unlabelled(Embeddings((rows, -rows)))
    assert result.alignment == pytest.approx(4.0, abs=1e-5)


def test_a_file_sorted_by_class_is_sampled_evenly(monkeypatch):
    monkeypatch.setattr(unlabelled, "MOST_ROWS", 100)
    rows = np.repeat(np.eye(4, dtype=np.float32), 250, axis=0)
    result = evaluate(rows)
    assert result.num_rows == 1000
    assert result.effective_rank == pytest.approx(4.0, abs=0.01)


def test_few_rows_have_no_tail_and_every_number_is_shown(tmp_path):
    result = evaluate(sphere(30))
    assert result.tail_exponent is None
    assert result.notes == ("Fewer than 202 rows have no tail: no hardest cosine and no exponent.",)
    console = Console(width=80)
    with console.capture() as captured:
        console.print(evaluation_table("flat", result))
    assert all(name in captured.get() and value in captured.get() for name, value, _ in result.rows())
    assert "effective rank" in result._repr_html_()
    result.save(str(tmp_path / "e.json"))
    assert UnlabelledEvaluation.load(str(tmp_path / "e.json")) == result


def test_rows_without_a_direction_are_told():
    rows = sphere(30)
    rows[3] = 0.0
    assert evaluate(rows).notes[0].startswith("1 row of 30 is all zero")


def test_a_row_finds_its_twin_in_a_file_that_is_longer_than_the_sample(monkeypatch):
    monkeypatch.setattr(unlabelled, "MOST_SEARCHED", 300)
    rows = np.repeat(sphere(300), 2, axis=0)
    result, once = evaluate(rows), evaluate(rows[::2])
    assert (result.duplicates, once.duplicates) == (1.0, 0.0)
    assert result.tail_exponent == pytest.approx(1.0, abs=0.15)  # A twin is no tail, and takes no point of it.
    assert result.hardest_cosine == pytest.approx(once.hardest_cosine, abs=1e-4)
