"""Candidates beside a positive: what a first search by words would give for a query, and what chance would."""

from collections import defaultdict
from dataclasses import replace

import numpy as np

from anchorwise.modalities.counted_words import counted_words
from anchorwise.modalities.text.tables import Texts

_BLOCK = 1024  # Queries at a time.


def with_candidates(texts: Texts, num_candidates: int, *, num_random: int = 0, seed: int = 0) -> Texts:
    """Return the pair of every sample with the positives of others behind it, those with most words in common first.

    Args:
        texts: With two texts of every sample at least.
        num_candidates: Of every query: its positive, and so many less one hard negatives. No text is a hard negative of
            a query that it is the positive of.
        num_random: So many of these are drawn at random among the rest, and stand last.
        seed: Decides which.

    Raises:
        ValueError: If there are fewer texts, samples have one alone, or have hard negatives already.
    """
    if any(len(row) < 2 for row in texts.rows):
        raise ValueError("data.num_candidates is for samples with a positive, got samples of one text; leave it out")
    if not texts.are_alike and len(texts.rows[0]) > 2:
        raise ValueError(
            "data.num_candidates is for pairs, whose hard negatives it finds, got samples of "
            f"{len(texts.rows[0])} columns; leave it out to read those there are, or name two with data.columns"
        )
    queries, positives = ([row[place] for row in texts.rows] for place in (0, 1))
    distinct = len(set(positives))
    if distinct < num_candidates:
        raise ValueError(
            f"data.num_candidates must be at most the {distinct} positives there are, got {num_candidates}"
        )
    counted = counted_words([*queries, *positives])
    keys, first = list(dict.fromkeys(positives)), counted.transform(queries)
    place, second = {key: number for number, key in enumerate(keys)}, counted.transform(keys).T
    rows, generator, num_hard = [], np.random.default_rng(seed), num_candidates - 1 - num_random
    answers = defaultdict[str, list[int]](list)
    for query, positive in zip(queries, positives, strict=True):
        answers[query].append(place[positive])
    if distinct - max(len(set(each)) for each in answers.values()) < num_candidates - 1:
        raise ValueError(
            f"data.num_candidates must leave {num_candidates - 1} positives that are not a query's own, and one query "
            f"has too many of the {distinct}; lower it"
        )
    for start in range(0, len(queries), _BLOCK):
        scores = (first[start : start + _BLOCK] @ second).toarray()
        nearest = np.argsort(-scores, axis=1, kind="stable")
        for query, order in zip(queries[start : start + _BLOCK], nearest, strict=True):
            row = order[~np.isin(order, answers[query])]
            drawn = generator.choice(row[num_hard:], num_random, replace=False)
            rows.append(tuple(keys[number] for number in (*row[:num_hard].tolist(), *drawn.tolist())))
    joined = tuple((*pair, *hard) for *pair, hard in zip(queries, positives, rows, strict=True))
    return replace(texts, rows=joined, are_alike=False, scores=None)
