"""WEINCE's logit for any objective that compares softmax logits: one gate and one exponent, read off its negatives.

Source: Erol et al. 2026, "When Softmax Fails at the Top: Extreme-Value Corrections for InfoNCE",
https://arxiv.org/abs/2606.00262.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from torch import Tensor

from anchorwise import _checks
from anchorwise._described import Described
from anchorwise.links import BlendLink, Link, SoftmaxLink
from anchorwise.pairs import Contrast
from anchorwise.tails.exponents import Exponent
from anchorwise.tails.gates import Gate
from anchorwise.tails.names import ExponentName, GateName, as_exponent, as_gate
from anchorwise.tails.negatives import Negatives, negatives_of


@dataclass(frozen=True)
class LinkReading:
    """A link, and what its parameters were made of.

    Attributes:
        link: Turns the scores of these anchors into logits.
        stats: Detached, one value per anchor.
    """

    link: Link
    stats: Mapping[str, Tensor]


@final
class Blend(Described):
    """`(1 - lambda) s / temperature - lambda exponent log(endpoint - s)`, with lambda and exponent of every anchor.

    Args:
        gate: What turns an anchor's tail into lambda: "likelihood", "published", "hard", "cap", or any `tails.Gate`;
            `tails.ConstantGate(1.0)` gives the pure shortfall link.
        exponent: "unit", "batch", "anchor", "pooled", a number above 0, or any `tails.Exponent`, as for WEINCE. One
            that does not say how tails are read reads them as the gate does.
        endpoint: Where scores end. In cosines, above -1 and at most 1.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        *,
        gate: GateName | Gate = "likelihood",
        exponent: float | ExponentName | Exponent = "batch",
        endpoint: float = 1.0,
    ) -> None:
        super().__init__()
        self.gate = as_gate(gate)
        self.exponent = as_exponent(exponent, self.gate.tail)
        self.endpoint = _checks.endpoint(endpoint)

    def forward(self, negatives: Negatives, softmax: SoftmaxLink) -> LinkReading:
        """Return the link for the anchors of these negatives, blended with the softmax one."""
        reading, exponent = self.gate.read(negatives), self.exponent(negatives)
        link = BlendLink(reading.blend, softmax.temperature, exponent, self.endpoint, softmax.scale)
        return LinkReading(link, {"lambda": reading.blend, "exponent": exponent, **reading.stats})


def as_blend(value: Blend | None) -> Blend | None:
    """Return a blend, or None.

    Raises:
        TypeError: If it is anything else.
    """
    if value is None or isinstance(value, Blend):
        return value
    raise TypeError(f"blend must be an anchorwise.Blend or None, got {value!r}; call Blend(gate='likelihood')")


def read_link(blend: Blend | None, contrast: Contrast, softmax: SoftmaxLink) -> LinkReading:
    """Return the softmax link, or its blend for the anchors of this contrast, off whose negatives it is read."""
    if blend is None:
        return LinkReading(softmax, {})
    return blend(negatives_of(contrast, endpoint=blend.endpoint), softmax)
