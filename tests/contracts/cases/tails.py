"""WEINCE and what it is made of."""

from collections.abc import Callable, Sequence
from functools import partial

from anchorwise import (
    WEINCE,
    Blend,
    CapGate,
    ConstantGate,
    HardGate,
    InfoNCE,
    LikelihoodGate,
    Mixture,
    PublishedGate,
    Selection,
    Weibit,
    hardest_regularised,
)
from anchorwise.tails import AnchorExponent, HillTail
from tests import twins
from tests.contracts.cases.case import Case, with_hard_negatives, with_ids
from tests.twins import Batch, Ids, Rows

Twin = Callable[..., list[float]]


def _weince(blend: Callable[[Batch], list[float]], exponents: Callable[[Batch], list[float]], tau: float = 0.5) -> Twin:
    def twin(view0: Rows, view1: Rows, ids: Ids = None, hard_negatives: Sequence[Rows] = ()) -> list[float]:
        batch = Batch.of(view0, view1, ids, hard_negatives)
        weibit = twins.weibit_link(exponents(batch))
        return twins.cross_entropy(batch, twins.blend_link(blend(batch), twins.softmax_link(tau), weibit))

    return twin


def _weibit(exponents: Callable[[Batch], list[float]], endpoint: float = 1.0, num_hardest: int | None = None) -> Twin:
    def twin(view0: Rows, view1: Rows, ids: Ids = None, hard_negatives: Sequence[Rows] = ()) -> list[float]:
        batch = Batch.of(view0, view1, ids, hard_negatives)
        return twins.cross_entropy(batch, twins.weibit_link(exponents(batch), endpoint), num_hardest)

    return twin


def _selection(view0: Rows, view1: Rows) -> list[float]:
    batch = Batch.of(view0, view1)
    softmax = twins.cross_entropy(batch, twins.softmax_link(0.5))
    link = twins.weibit_link(twins.regression_exponents(batch))
    weibit = twins.cross_entropy(batch, link, num_hardest=16)
    chosen = twins.hard_blend(batch)
    return [(1 - c) * s + c * w for c, s, w in zip(chosen, softmax, weibit, strict=True)]


def _sum(*parts: tuple[float, Twin]) -> Twin:
    def twin(view0: Rows, view1: Rows) -> list[float]:
        losses = [[weight * loss for loss in part(view0, view1)] for weight, part in parts]
        return [sum(terms) for terms in zip(*losses, strict=True)]

    return twin


def _info_nce(tau: float, num_hardest: int | None = None) -> Twin:
    return partial(twins.info_nce, temperature=tau, num_hardest=num_hardest)


def _fixed(value: float) -> Callable[[Batch], list[float]]:
    return lambda batch: [value] * len(batch.positives)


WEIBIT = Blend(gate=ConstantGate(1.0), exponent=3.0)
_LOW_GATE = {"tail_fraction": 0.3, "min_tail_points": 4}

CASES = [
    Case("info_nce", InfoNCE, _info_nce(0.5), others={"temperature": 0.1, "num_hardest": 3, "blend": WEIBIT}),
    Case("info_nce-cold", InfoNCE, _info_nce(0.005), given={"temperature": 0.005}),
    Case("info_nce-hardest", InfoNCE, _info_nce(0.2, 5), given={"temperature": 0.2, "num_hardest": 5}),
    Case(
        "weince-default",
        WEINCE,
        _weince(twins.likelihood_blend, lambda batch: twins.hill_exponents(batch, "batch")),
    ),
    Case(
        "weince",
        WEINCE,
        _weince(
            lambda batch: twins.likelihood_blend(batch, **_LOW_GATE),
            lambda batch: twins.hill_exponents(batch, "anchor", tail_fraction=0.3),
            tau=0.2,
        ),
        given={"temperature": 0.2, "gate": LikelihoodGate(**_LOW_GATE), "exponent": "anchor"},
        others={"temperature": 0.3, "gate": "published", "exponent": 2.0, "endpoint": 0.9},
    ),
    Case(
        "info_nce-ids",
        InfoNCE,
        _info_nce(0.2, 40),
        given={"temperature": 0.2, "num_hardest": 40},
        call=with_ids,
    ),
    Case(
        "weince-ids",
        WEINCE,
        _weince(
            lambda batch: twins.likelihood_blend(batch, **_LOW_GATE),
            lambda batch: twins.hill_exponents(batch, "batch", tail_fraction=0.3),
        ),
        given={"gate": LikelihoodGate(**_LOW_GATE)},
        call=with_ids,
    ),
    Case(
        "weince-published",
        WEINCE,
        _weince(twins.published_blend, _fixed(1.0)),
        given={"gate": "published", "exponent": "unit"},
        others={"temperature": 0.3, "gate": "hard", "exponent": "batch", "endpoint": 0.9},
    ),
    Case(
        "weince-published-anchor",
        WEINCE,
        _weince(twins.published_blend, twins.regression_exponents),
        given={"gate": "published", "exponent": "anchor"},
    ),
    # Samples of the id that is there five times have 38 negatives, fewer than the tail; the others have 46.
    Case(
        "weince-published-ids",
        WEINCE,
        _weince(
            lambda batch: twins.published_blend(batch, min_tail_points=42),
            lambda batch: twins.regression_exponents(batch, min_tail_points=42),
        ),
        given={"gate": PublishedGate(min_tail_points=42), "exponent": "anchor"},
        call=with_ids,
    ),
    Case(
        "weince-cap",
        WEINCE,
        _weince(
            lambda batch: [
                twins.sigmoid(5 * (twins.math.log(0.3) - twins.math.log(twins.shortfall(max(row)))))
                for row in batch.negatives
            ],
            _fixed(3.0),
        ),
        given={"gate": CapGate(distance=0.3), "exponent": 3.0},
    ),
    Case(
        "weince-constant",
        WEINCE,
        _weince(lambda batch: [0.25] * len(batch.positives), lambda batch: twins.hill_exponents(batch, "batch")),
        given={"gate": ConstantGate(0.25), "exponent": "batch"},
    ),
    Case(
        "weibit",
        Weibit,
        _weibit(lambda batch: twins.hill_exponents(batch, "batch")),
        others={"exponent": "anchor", "endpoint": 0.9, "num_hardest": 3},
    ),
    Case(
        "weibit-anchor",
        Weibit,
        _weibit(lambda batch: twins.hill_exponents(batch, "anchor", tail_fraction=0.2, prior_points=5)),
        given={"exponent": AnchorExponent(HillTail(tail_fraction=0.2, prior_points=5))},
    ),
    # The first batch takes its own median.
    Case(
        "weibit-lagged",
        Weibit,
        _weibit(lambda batch: twins.hill_exponents(batch, "batch")),
        given={"exponent": "lagged"},
    ),
    Case(
        "weibit-endpoint",
        Weibit,
        _weibit(lambda batch: twins.hill_exponents(batch, "batch", endpoint=0.95), endpoint=0.95),
        given={"endpoint": 0.95},
    ),
    Case("weibit-hardest", Weibit, _weibit(_fixed(4.0), num_hardest=7), given={"exponent": 4.0, "num_hardest": 7}),
    Case(
        "info_nce-hard_negatives",
        InfoNCE,
        _info_nce(0.2),
        given={"temperature": 0.2},
        call=with_hard_negatives,
        single_sample="finite",
    ),
    Case(
        "info_nce-hardest-hard_negatives",
        InfoNCE,
        _info_nce(0.2, 5),
        given={"temperature": 0.2, "num_hardest": 5},
        call=with_hard_negatives,
        single_sample="finite",
    ),
    Case(
        "weince-hard_negatives",
        WEINCE,
        _weince(
            lambda batch: twins.likelihood_blend(batch, **_LOW_GATE),
            lambda batch: twins.hill_exponents(batch, "batch", tail_fraction=0.3),
        ),
        given={"gate": LikelihoodGate(**_LOW_GATE)},
        call=with_hard_negatives,
        single_sample="finite",
    ),
    Case(
        "weibit-hard_negatives",
        Weibit,
        _weibit(lambda batch: twins.hill_exponents(batch, "batch")),
        call=with_hard_negatives,
        single_sample="finite",
    ),
    Case(
        "selection",
        Selection,
        _selection,
        others={"temperature": 0.3, "gate": PublishedGate(), "exponent": 2.0, "num_hardest": 2},
    ),
    Case(
        "mixture",
        Mixture,
        _sum((0.5, _info_nce(0.5)), (0.5, _weibit(_fixed(4.0)))),
        others={"weights": (0.5, 0.25), "objectives": (InfoNCE(temperature=0.1), Weibit())},
    ),
    Case(
        "hardest_regularised",
        hardest_regularised,
        _sum((1.0, _info_nce(0.2)), (0.5, _weibit(_fixed(4.0), num_hardest=50)), (0.5, _info_nce(0.5, 50))),
        given={"objective": InfoNCE(temperature=0.2)},
        others={
            "objective": WEINCE(gate=HardGate()),
            "weibit": Weibit(exponent=2.0, num_hardest=5),
            "weibit_weight": 0.1,
            "softmax": InfoNCE(temperature=0.1, num_hardest=5),
            "softmax_weight": 0.0,
        },
    ),
]
