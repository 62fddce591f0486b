"""BYOL's and SimSiam's loss: rows predict rows."""

from functools import partial

from anchorwise import Prediction
from tests.contracts.cases.case import Case, with_keys
from tests.twins.core import EYE, Rows, cosine


def _twin(view0: Rows, view1: Rows, keys: tuple[Rows, Rows], byol: bool = True) -> list[float]:
    pairs = [*zip(view0, keys[1], strict=True), *zip(view1, keys[0], strict=True)]
    return [2 * (2 - 2 * cosine(*pair)) if byol else -cosine(*pair) for pair in pairs]


# Equal rows, and orthogonal ones.
BY_HAND = [
    (_twin(EYE, EYE, (EYE, EYE)), [0.0] * 4),
    (_twin(EYE, EYE, (EYE, EYE[::-1])), [4.0, 4.0, 0.0, 0.0]),
    (_twin(EYE, EYE, (EYE, EYE), byol=False), [-1.0] * 4),
]

_predicts = partial(Case, make=Prediction, call=with_keys, symmetric=False, single_sample="finite", cold={})
CASES = [
    _predicts("prediction", twin=_twin, others={"form": "simsiam"}),
    _predicts("prediction-simsiam", twin=partial(_twin, byol=False), given={"form": "simsiam"}),
]
