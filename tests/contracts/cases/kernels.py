"""Kernels and distances."""

from functools import partial

from anchorwise import FMICL, KCL, AlignUniform
from anchorwise.links import Tsallis
from tests.contracts.cases.case import Case
from tests.twins import kernels


def _kcl(kernel: str, t: float, weight: float = 16.0) -> Case:
    twin = partial(kernels.kcl, kernel=kernel, t=t, weight=weight)
    given = {"kernel": kernel, "t": t, "energy_weight": weight}
    return Case(f"kcl-{kernel}{t:g}", KCL, twin, given, single_sample="refused", singular="riesz" in kernel)


def _f_micl(name: str, divergence: object) -> Case:
    twin = partial(kernels.f_micl, divergence=name, t=0.5, height=2.0, weight=3.0)
    given = {"divergence": divergence, "t": 0.5, "height": 2.0, "negative_weight": 3.0}
    return Case(f"f_micl-{name}", FMICL, twin, given, symmetric=False, single_sample="refused")


CASES = [
    Case(
        "kcl",
        KCL,
        partial(kernels.kcl, kernel="gaussian", t=2.0, weight=16.0),
        others={"kernel": "log", "t": 1.0, "energy_weight": 4.0},
        single_sample="refused",
    ),
    _kcl("log", 0.5, weight=4.0),
    _kcl("imq", 0.7),
    _kcl("riesz", 1.0),
    _kcl("riesz", -1.5),
    _kcl("gaussian_riesz", 2.0),
    Case(
        "f_micl",
        FMICL,
        partial(kernels.f_micl, divergence="kl", t=1.0, height=1.0, weight=40.0),
        others={"divergence": "js", "t": 2.0, "height": 0.5, "negative_weight": 10.0},
        symmetric=False,
        single_sample="refused",
    ),
    *(_f_micl(name, name) for name in kernels.TABLE if name not in ("kl", "tsallis-0.5")),
    _f_micl("tsallis-0.5", Tsallis(order=0.5)),
    Case(
        "align_uniform",
        AlignUniform,
        kernels.align_uniform,
        others={"align_weight": 0.5, "uniform_weight": 0.5, "alpha": 1.0, "t": 1.0},
        single_sample="refused",
    ),
    Case(
        "align_uniform-distance",
        AlignUniform,
        partial(kernels.align_uniform, align=0.5, uniform=2.0, alpha=1.0, t=3.0),
        given={"align_weight": 0.5, "uniform_weight": 2.0, "alpha": 1.0, "t": 3.0},
        single_sample="refused",
    ),
]
