"""An outcome can be kept and sent: its numbers survive, and nobody changes them by accident."""

import copy
import io
import pickle
from collections.abc import Callable

import pytest
import torch
from torch.utils import _pytree as pytree

from anchorwise import WEINCE, Mixture, Outcome
from tests.contracts import batches


def _outcome() -> Outcome:
    return WEINCE().detail(*(view.requires_grad_() for view in batches.ordinary()))


def _saved_and_loaded(outcome: Outcome) -> Outcome:
    file = io.BytesIO()
    torch.save({"outcome": outcome}, file)
    file.seek(0)
    return torch.load(file)["outcome"]


@pytest.mark.parametrize(
    "kept",
    [lambda outcome: pickle.loads(pickle.dumps(outcome)), copy.deepcopy, _saved_and_loaded],
    ids=["pickle", "deepcopy", "torch.save"],
)
def test_an_outcome_is_kept_with_its_numbers_and_without_its_graph(kept: Callable[[Outcome], Outcome]):
    outcome = _outcome()
    again = kept(outcome)
    assert torch.equal(again.loss, outcome.loss)
    assert torch.equal(again.per_anchor, outcome.per_anchor)
    assert {name: value.tolist() for name, value in again.stats.items()} == {
        name: value.tolist() for name, value in outcome.stats.items()
    }
    assert not again.loss.requires_grad
    with pytest.raises(TypeError):
        again.stats["lambda"] = outcome.loss  # type: ignore[index]


def test_an_outcome_is_a_tree_of_tensors_that_keeps_its_graph():
    outcome = _outcome()
    leaves, structure = pytree.tree_flatten(outcome)
    assert len(leaves) == 2 + len(outcome.stats)
    again = pytree.tree_unflatten(leaves, structure)
    assert again.loss is outcome.loss
    assert list(again.stats) == list(outcome.stats)


def test_the_statistics_of_a_mixture_are_read_only_too():
    stats = Mixture().detail(*batches.ordinary()).stats
    with pytest.raises(TypeError):
        stats["loss0"] = stats["loss1"]  # type: ignore[index]
