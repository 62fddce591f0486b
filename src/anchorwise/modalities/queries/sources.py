"""Where queries come from: generated paths, or a recording, in parts."""

from dataclasses import replace
from pathlib import Path

import torch

from anchorwise.modalities.queries.config import PATHS, QueryData
from anchorwise.modalities.queries.generated import paths, with_wrong_answers
from anchorwise.modalities.queries.recordings import Queries, read_recording
from anchorwise.modalities.queries.samples import QuerySamples, query_samples
from anchorwise.modalities.seeds import mixed_seed

_NUM_GENERATED = 500
_TEST_SHARE = 0.2
_TRAIN, _TEST, _PARTED, _WRONG = range(4)  # What is drawn.


def read_parts(data: QueryData) -> tuple[QuerySamples, QuerySamples]:
    """Return the queries to train on, with their wrong answers, and those that are judged.

    Raises:
        FileNotFoundError: If they are not there.
        ValueError: If they cannot be used, or fewer are there than are asked for.
    """
    if data.source == PATHS:
        train = paths(data.num_train or _NUM_GENERATED, _drawing(data, _TRAIN), are_correlated=True)
        test = paths(data.num_test or _NUM_GENERATED, _drawing(data, _TEST), are_correlated=False)
    else:
        train, test = _parted(read_recording(Path(data.source)), data)
    train = replace(train, answers=with_wrong_answers(train.answers, data.wrong_share, _drawing(data, _WRONG)))
    return query_samples(train), query_samples(test)


def _parted(queries: Queries, data: QueryData) -> tuple[Queries, Queries]:
    num_there = len(queries.answers)
    num_test = data.num_test or max(1, round(_TEST_SHARE * num_there))
    num_train = data.num_train or num_there - num_test
    if num_train + num_test > num_there or num_train < 1:
        raise ValueError(
            f"data.num_train and data.num_test must be at most the {num_there} queries that are there together, and "
            f"leave one to train on, got {num_train} and {num_test}"
        )
    order = torch.randperm(num_there, generator=_drawing(data, _PARTED))
    test, train = order[:num_test].sort().values, order[num_test : num_test + num_train].sort().values
    return replace(queries, answers=queries.answers[train]), replace(queries, answers=queries.answers[test])


def _drawing(data: QueryData, what: int) -> torch.Generator:
    return torch.Generator().manual_seed(mixed_seed(data.seed, what))
