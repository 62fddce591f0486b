"""The two regularisers of the WEINCE release beside any objective.

Source: released code of Erol et al. 2026, https://arxiv.org/abs/2606.00262.
"""

from anchorwise.objectives.info_nce import InfoNCE
from anchorwise.objectives.mixture import Mixture
from anchorwise.objectives.objective import Objective
from anchorwise.objectives.weibit import Weibit


def hardest_regularised(
    objective: Objective,
    *,
    weibit: Weibit | None = None,
    weibit_weight: float = 0.5,
    softmax: InfoNCE | None = None,
    softmax_weight: float = 0.5,
) -> Mixture:
    """Add the two regularisers of the WEINCE release to any objective: cross-entropies over the hardest negatives.

    Args:
        objective: What they are added to.
        weibit: The weibit regulariser; by default exponent 4 over the 50 hardest negatives.
        weibit_weight: At least 0 (weib_lambda).
        softmax: The softmax regulariser; by default temperature 0.5 over the 50 hardest negatives.
        softmax_weight: At least 0 (pl_lambda).
    """
    terms = [
        objective,
        weibit or Weibit(exponent=4.0, num_hardest=50),
        softmax or InfoNCE(num_hardest=50),
    ]
    return Mixture(objectives=terms, weights=(1.0, weibit_weight, softmax_weight))
