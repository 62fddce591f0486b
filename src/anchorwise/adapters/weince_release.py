"""The WEINCE authors' own policy names and arguments, turned into the equal objectives of this library.

Source: released code of Erol et al. 2026, https://arxiv.org/abs/2606.00262 (file nt_xent_hard_select.py).
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal, final

import torch

from anchorwise import _checks
from anchorwise.links import MIN_SHORTFALL
from anchorwise.objectives import WEINCE, InfoNCE, Mixture, Objective, Selection, Weibit
from anchorwise.tails import (
    AnchorExponent,
    CapGate,
    Exponent,
    FixedExponent,
    Gate,
    GateReading,
    HardGate,
    Negatives,
    PooledExponent,
    PublishedGate,
    RegressionTail,
)

# Which factors of the published gate count.
_Factors = Literal["both", "evidence", "proximity"]


@dataclass(frozen=True, kw_only=True)
class ReleaseArguments:
    """The release's arguments with its defaults and its names; the docstrings of the objects they become explain them.

    `batch_size` and `world_size` are accepted and change nothing: shapes come from the views.
    """

    temperature: float = 0.5
    batch_size: int | None = None
    world_size: int = 1
    eps: float = MIN_SHORTFALL
    weib_beta: float = 4.0
    soft_lambda: float = 0.5
    use_weib_topm: bool = False
    weib_lambda: float = 0.0
    weib_top_m: int = 16
    use_pl_topm: bool = False
    pl_lambda: float = 0.0
    pl_top_m: int = 16
    auto_weib_beta: bool = False
    beta_min: float = 0.5
    beta_max: float = 16.0
    tail_frac: float = 0.05
    min_tail_points: int = 1024
    beta_ema_momentum: float = 0.9
    r2_min: float = 0.85
    gate_rho0: float = 0.05
    gate_scale: float = 5.0
    gate_r2_min: float = 0.0
    anchor_tail_frac: float = 0.1
    anchor_min_tail_points: int = 32
    anchor_r2_min: float = 0.0
    shrink_c: float = 100.0
    select_q: float = 0.2
    select_aic_margin: float = 2.0
    select_tail_frac: float = 0.1
    select_min_tail_points: int = 32
    select_weib_top_m: int = 16
    select_kappa_rho: float = 10.0
    select_kappa_aic: float = 1.0

    def batch_exponent(self) -> Exponent:
        """Return beta of the batch: `weib_beta`, or its running estimate with `auto_weib_beta`."""
        if not self.auto_weib_beta:
            return FixedExponent(self.weib_beta)
        return PooledExponent(
            initial=self.weib_beta,
            tail_fraction=self.tail_frac,
            min_tail_points=self.min_tail_points,
            min_r_squared=self.r2_min,
            momentum=self.beta_ema_momentum,
            lowest=self.beta_min,
            highest=self.beta_max,
        )

    def shrunk_exponent(self) -> Exponent:
        """Return the anchors' beta of "weibit_shrink", from its own tail."""
        return self._shrunk(self.anchor_tail_frac, self.anchor_min_tail_points, "down")

    def selection_exponent(self) -> Exponent:
        """Return the anchors' beta of hard and soft selection, from the gate's tail."""
        return self._shrunk(self.select_tail_frac, self.select_min_tail_points, "nearest")

    def soft_gate(self, use: _Factors) -> Gate:
        """Return the published gate with both factors or one."""
        return PublishedGate(
            margin=self.select_aic_margin,
            evidence_sharpness=self.select_kappa_aic,
            proximity_quantile=self.select_q,
            proximity_sharpness=self.select_kappa_rho,
            tail_fraction=self.select_tail_frac,
            min_tail_points=self.select_min_tail_points,
            use=use,
        )

    def _shrunk(self, tail_fraction: float, min_tail_points: int, rounding: Literal["nearest", "down"]) -> Exponent:
        tail = RegressionTail(
            tail_fraction=tail_fraction,
            min_tail_points=min_tail_points,
            rounding=rounding,
            prior_points=self.shrink_c,
            min_r_squared=self.anchor_r2_min,
            lowest=self.beta_min,
            highest=self.beta_max,
        )
        return AnchorExponent(tail, towards=self.batch_exponent())


@final
@dataclass(frozen=True)
class ReliableFitGate(Gate):
    """Another gate, shut for the whole batch where the pooled regression explains too little.

    Args:
        gate: Read where the regression is good.
        fit: The pooled regression.
        min_r_squared: Share of the variance that it must explain, in [0, 1] (gate_r2_min).
    """

    gate: Gate
    fit: PooledExponent
    min_r_squared: float

    def __post_init__(self) -> None:
        _checks.fraction("min_r_squared", self.min_r_squared)

    @torch.no_grad()
    def read(self, negatives: Negatives) -> GateReading:
        """Return the gate's lambda, or 0."""
        reading = self.gate.read(negatives)
        _, r_squared = self.fit.regression(negatives)
        return GateReading(torch.where(r_squared >= self.min_r_squared, reading.blend, 0.0), reading.stats)


def objective(policy: str, **arguments: Any) -> Objective:
    """Return the objective that computes what the release's `NT_Xent(policy=policy, **arguments)` computes.

    Loss and gradients are equal to it, for the first call where `auto_weib_beta` keeps a running average in float32.

    Args:
        policy: "pl", "tlambda_select", "tlambda_rho", "tlambda_aic", "weibit", "weibit_shrink", "hard_select",
            "soft_select", "soft_select_rho", "soft_select_aic", "gate" or "soft".
        **arguments: The release's arguments, by its names; see `ReleaseArguments`.

    Raises:
        ValueError: If the policy or an argument is unknown, or a value is refused.

    Warns:
        UserWarning: If an argument given changes nothing under this policy, as in the release.
    """
    _checks.one_of("policy", policy, _POLICIES)
    known = [field.name for field in fields(ReleaseArguments)]
    for name in arguments:
        _checks.one_of("argument", name, known)
    release = ReleaseArguments(**arguments)
    if release.eps != MIN_SHORTFALL:
        raise ValueError(f"eps must be {MIN_SHORTFALL:g}, the only floor this library has, got {release.eps!r}")
    build, used = _POLICIES[policy]
    result, also_used = _regularised(build(release), release)
    if policy == "gate" and not release.auto_weib_beta:
        used = {"temperature"}
    _warn_of_unused(policy, arguments.keys() - _used(release, used | also_used))
    return result


def _gate(release: ReleaseArguments) -> Objective:
    exponent = release.batch_exponent()
    if not isinstance(exponent, PooledExponent):
        # The release's gate waits for a batch fit, which nothing makes without auto_weib_beta: lambda stays 0.
        return InfoNCE(temperature=release.temperature)
    gate: Gate = CapGate(max(release.gate_rho0, MIN_SHORTFALL), release.gate_scale)
    if release.gate_r2_min > 0:
        gate = ReliableFitGate(gate, exponent, release.gate_r2_min)
    return WEINCE(temperature=release.temperature, gate=gate, exponent=exponent)


def _blend(use: _Factors) -> Callable[[ReleaseArguments], Objective]:
    return lambda release: WEINCE(temperature=release.temperature, gate=release.soft_gate(use), exponent="unit")


def _soft_selection(use: _Factors) -> Callable[[ReleaseArguments], Objective]:
    return lambda release: _selection(release, release.soft_gate(use))


def _hard_selection(release: ReleaseArguments) -> Objective:
    tail = release.select_tail_frac, release.select_min_tail_points
    return _selection(release, HardGate(release.select_aic_margin, release.select_q, *tail))


def _selection(release: ReleaseArguments, gate: Gate) -> Objective:
    return Selection(
        temperature=release.temperature,
        gate=gate,
        exponent=release.selection_exponent(),
        num_hardest=release.select_weib_top_m,
    )


def _soft(release: ReleaseArguments) -> Objective:
    parts = [InfoNCE(temperature=release.temperature), Weibit(exponent=release.batch_exponent())]
    return Mixture(objectives=parts, weights=(1.0 - release.soft_lambda, release.soft_lambda))


def _regularised(base: Objective, release: ReleaseArguments) -> tuple[Objective, set[str]]:
    """Add the release's regularisers where they are switched on, and say which arguments they use."""
    objectives, weights, used = [base], [1.0], set[str]()
    if release.use_weib_topm and release.weib_lambda > 0:
        objectives.append(Weibit(exponent=release.batch_exponent(), num_hardest=release.weib_top_m))
        weights.append(release.weib_lambda)
        used |= {"use_weib_topm", "weib_lambda", "weib_top_m", *_BATCH}
    if release.use_pl_topm and release.pl_lambda > 0:
        objectives.append(InfoNCE(temperature=release.temperature, num_hardest=release.pl_top_m))
        weights.append(release.pl_lambda)
        used |= {"use_pl_topm", "pl_lambda", "pl_top_m", "temperature"}
    return (Mixture(objectives=objectives, weights=weights) if used else base), used


_AUTO = {"tail_frac", "min_tail_points", "r2_min", "beta_ema_momentum", "beta_min", "beta_max"}
_BATCH = {"weib_beta", "auto_weib_beta"}
_ANCHOR = {*_BATCH, "anchor_r2_min", "shrink_c", "beta_min", "beta_max"}
_EVIDENCE = {"select_tail_frac", "select_min_tail_points", "select_aic_margin"}
_NEAR, _EVIDENT = {"select_q", "select_kappa_rho"}, {*_EVIDENCE, "select_kappa_aic"}
_SELECT = {"temperature", "select_weib_top_m", "select_tail_frac", "select_min_tail_points", *_ANCHOR}

# How each policy is built, and the arguments that change it. A gate of proximity alone still sizes its tail.
_POLICIES: dict[str, tuple[Callable[[ReleaseArguments], Objective], set[str]]] = {
    "pl": (lambda release: InfoNCE(temperature=release.temperature), {"temperature"}),
    "tlambda_select": (_blend("both"), {"temperature", *_NEAR, *_EVIDENT}),
    "tlambda_rho": (_blend("proximity"), {"temperature", *_NEAR}),
    "tlambda_aic": (_blend("evidence"), {"temperature", *_EVIDENT}),
    "weibit": (lambda release: Weibit(exponent=release.batch_exponent()), _BATCH),
    "weibit_shrink": (
        lambda release: Weibit(exponent=release.shrunk_exponent()),
        {"anchor_tail_frac", "anchor_min_tail_points", *_ANCHOR},
    ),
    "hard_select": (_hard_selection, {"select_q", *_EVIDENCE, *_SELECT}),
    "soft_select": (_soft_selection("both"), {*_NEAR, *_EVIDENT, *_SELECT}),
    "soft_select_rho": (_soft_selection("proximity"), {*_NEAR, *_SELECT}),
    "soft_select_aic": (_soft_selection("evidence"), {*_EVIDENT, *_SELECT}),
    "gate": (_gate, {"temperature", "gate_rho0", "gate_scale", "gate_r2_min", *_BATCH}),
    "soft": (_soft, {"temperature", "soft_lambda", *_BATCH}),
}


def _used(release: ReleaseArguments, used: set[str]) -> set[str]:
    return {*used, "eps", *(_AUTO if release.auto_weib_beta and "weib_beta" in used else ())}


def _warn_of_unused(policy: str, unused: set[str]) -> None:
    if unused:
        names = ", ".join(sorted(unused))
        warnings.warn(f"policy {policy!r} does not use {names}, here as in the release", UserWarning, stacklevel=3)
