"""KCL: kernels of the distance instead of a log of sums, so that a mini-batch estimates the same loss at any size.

Source: Koromilas et al. 2024, "Bridging Mini-Batch and Asymptotic Analysis in Contrastive Learning: From InfoNCE to
Kernel-Based Losses", https://arxiv.org/abs/2405.18045, and its released code.
"""

from typing import Literal, final, get_args

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _checks, _tensor_checks, engine
from anchorwise.links import GaussianKernel, InverseMultiquadric, Link, LogKernel, RieszKernel
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import views_of

# n = samples, d = embedding width

KernelName = Literal["gaussian", "log", "imq", "riesz", "gaussian_riesz"]
_MIXED_ALIGNMENT = 2.0  # The source's Gaussian width of the alignment beside a Riesz energy.


@final
class KCL(Objective):
    """`-2 mean K(positive pairs) + energy_weight (mean K within view 0 + mean K within view 1)`.

    An anchor's loss is `-2 K(positive) + 2 energy_weight mean over the other rows of its view of K`, over 2n anchors.
    With d the distance of unit rows, the kernels are

        gaussian exp(-t d^2)    log -log(1 + t d^2)    imq t / sqrt(t^2 + d^2)    riesz sign(t) d^-t
        gaussian_riesz: alignment exp(-2 d^2), energy riesz

    As released, the log kernel's energy is halved: -log(1 + t d^2) / 2. Doubling energy_weight undoes that. The riesz
    kernel with t > 0 is singular where two rows coincide. At least 2 samples.

    Args:
        kernel: "gaussian", "log", "imq", "riesz" or "gaussian_riesz".
        t: The source's t, c (imq) or s (riesz). Above 0; for riesz not 0.
        energy_weight: Weight of the energy beside the alignment (the source's gamma), above 0.

    Raises:
        ValueError: If an argument is out of range.
    """

    inputs: Inputs = Inputs(takes=("ids",))

    def __init__(self, *, kernel: KernelName = "gaussian", t: float = 2.0, energy_weight: float = 16.0) -> None:
        super().__init__()
        self.kernel = _checks.one_of("kernel", kernel, get_args(KernelName))
        self.t = _not_zero(t) if "riesz" in kernel else _checks.positive("t", t)
        self.energy_weight = _checks.positive("energy_weight", energy_weight)

    def detail(
        self, view0: Float[Tensor, "n d"], view1: Float[Tensor, "n d"], *, ids: Integer[Tensor, " n"] | None = None
    ) -> Outcome:
        """Return the loss with the anchors' losses, the cosines of their positives and their energies.

        Args:
            view0: Rows of the samples.
            view1: Another view of them.
            ids: Whole numbers. Samples of one id, such as duplicates, are no negatives of each other.
        """
        views = views_of(view0, view1, ids=ids)
        positive_scores = views.positive_scores
        _tensor_checks.num_samples(self, views.num_distinct)
        alignment, energy, share = _kernels(self.kernel, self.t)
        energies = torch.cat(
            [share * engine.sum_rows(views.within(view), energy) / views.num_others for view in (0, 1)]
        )
        per_anchor = 2.0 * self.energy_weight * energies - 2.0 * alignment(positive_scores)
        return mean_outcome(per_anchor, {"positive_score": positive_scores, "energy": energies})


def _kernels(name: str, t: float) -> tuple[Link, Link, float]:
    """Return the kernels of alignment and energy, and the released factor of the energy."""
    if name == "gaussian_riesz":
        return GaussianKernel(_MIXED_ALIGNMENT), RieszKernel(t), 1.0
    kernel = {"gaussian": GaussianKernel, "log": LogKernel, "imq": InverseMultiquadric, "riesz": RieszKernel}[name](t)
    return kernel, kernel, 0.5 if name == "log" else 1.0


def _not_zero(t: float) -> float:
    if _checks.number("t", t) == 0.0:
        raise ValueError(f"t must not be 0 for a riesz kernel, which is constant there, got {t!r}")
    return float(t)
