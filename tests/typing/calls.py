"""What a type checker sees of a call: `make check` refuses this file where it accepts less, or more, than it says.

Every comment below is an error that must be found; one that is not needed is an error too.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=error

from collections.abc import Callable
from typing import assert_type

from torch import Tensor

from anchorwise import CLIP, KCL, MVDHEL, WEINCE, Blend, InfoNCE, Mixture, MoCoV3, Objective, SupCon, Weibit
from anchorwise.objectives import build


def calls(view0: Tensor, view1: Tensor, labels: Tensor, objective: Objective) -> None:
    assert_type(InfoNCE()(view0, view1), Tensor)
    assert_type(objective(view0, view1), Tensor)
    assert_type(build({"name": "info_nce"})(view0, view1), Tensor)
    SupCon()(view0, labels=labels)
    MVDHEL()(view0, view1, view0)
    CLIP()(view0, view1, logit_scale=14.3)
    MoCoV3()(view0, view1, keys=(view0, view1))
    Mixture()(view0, view1)
    InfoNCE()(view0)  # pyright: ignore[reportCallIssue]
    InfoNCE()(view0, view1, view0)  # pyright: ignore[reportCallIssue]
    SupCon()(view0, label=labels)  # pyright: ignore[reportCallIssue]
    CLIP()(view0, view1, logit_scale="14.3")  # pyright: ignore[reportArgumentType]
    InfoNCE()(view0.tolist(), [[1.0]])  # pyright: ignore[reportArgumentType]


def names() -> None:
    WEINCE(gate="published", exponent="unit")
    Weibit(exponent=4.0)
    WEINCE(gate="publishd")  # pyright: ignore[reportArgumentType]
    WEINCE(exponent="bach")  # pyright: ignore[reportArgumentType]
    Blend(gate="publishd")  # pyright: ignore[reportArgumentType]
    KCL(kernel="gausian")  # pyright: ignore[reportArgumentType]
    InfoNCE(temprature=0.2)  # pyright: ignore[reportCallIssue]


def as_a_function() -> Callable[[Tensor, Tensor], Tensor]:
    return WEINCE()
