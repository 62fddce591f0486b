import sys

import matplotlib
import numpy as np
import pytest
import torch

from anchorwise.diagnostics.exceedances import HISTOGRAM_EDGES, PooledExceedances, pooled_exceedances
from anchorwise.diagnostics.figures import cosine_figure, exceedance_figure, quantile_figure
from anchorwise.diagnostics.laws import fit_laws
from anchorwise.diagnostics.pooled import PooledEstimate, ThresholdChoice, ThresholdFit
from anchorwise.diagnostics.threshold_figures import mean_excess_figure
from anchorwise.reporting.pictures import figure_uri


@pytest.fixture(scope="module")
def tail():
    rows = torch.randn(120, 6, generator=torch.Generator().manual_seed(0))
    found = pooled_exceedances(rows, quantile=0.95)
    return found, fit_laws(found)


def test_the_density_figure_shows_the_data_and_both_laws(tail):
    for log_density in (False, True):
        axes = exceedance_figure(*tail, title="tail", log_density=log_density).axes[0]
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == ["negatives", "exponential", "shortfall power law"]
        assert axes.get_yscale() == ("log" if log_density else "linear")


def test_the_quantile_figure_puts_a_sample_of_the_law_on_the_diagonal(tail):
    found, fit = tail
    axes = quantile_figure(found, fit, title="QQ").axes[0]
    shortfall = next(line for line in axes.lines if line.get_label() == "shortfall power law")
    expected, measured = np.asarray(shortfall.get_xdata()), np.asarray(shortfall.get_ydata())
    assert len(expected) == len(found.values)
    assert measured.max() == pytest.approx(found.threshold + found.values.max())
    assert expected.max() < 1.0


def test_a_tail_without_a_fit_is_still_drawn():
    found = pooled_exceedances(torch.ones(10, 4))
    fit = fit_laws(found)
    for figure in (exceedance_figure(found, fit, title="t", log_density=True), quantile_figure(found, fit, title="t")):
        assert figure_uri(figure)


def test_all_negatives_are_in_the_cosine_figure(tail):
    figure = cosine_figure({"a": tail[0], "b": tail[0]}, {"a": "red", "b": "blue"}, title="all")
    axes = figure.axes[0]
    # Not on the axes, where it hid lines.
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    assert axes.get_legend() is None
    assert axes.patches[0].get_data().values.sum() == pytest.approx(1.0)


def test_no_global_state_of_matplotlib_is_touched(tail):
    before = dict(matplotlib.rcParams)
    figure_uri(exceedance_figure(*tail, title="t"))
    assert dict(matplotlib.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


@pytest.mark.parametrize(
    ("num_values", "num_bins"), [(1, 8), (250, 13), pytest.param(1_000_000, 40, marks=pytest.mark.whole)]
)
def test_few_exceedances_are_drawn_in_few_bins(num_values, num_bins):
    values = np.linspace(0.001, 0.1, num_values)
    few = PooledExceedances(values, 0.5, 10 * num_values, 0, np.zeros(len(HISTOGRAM_EDGES) - 1, np.int64))
    patch = exceedance_figure(few, fit_laws(few), title="t").axes[0].patches[0]
    assert len(patch.get_data().values) == num_bins


@pytest.mark.parametrize(("chosen", "lines"), [(0, 4), (2, 2)])
def test_laws_beyond_the_last_threshold_are_neither_drawn_nor_named(tail, chosen, lines):
    at = PooledEstimate(0.1, 0.05, 0.15)
    fits = tuple(ThresholdFit(threshold, 500, at, at, at) for threshold in (0.5, 0.6, 0.7))
    axes = mean_excess_figure(ThresholdChoice(fits, chosen, is_stable=chosen < 2), tail[1]).axes[0]
    assert len(axes.get_legend().get_texts()) == lines
