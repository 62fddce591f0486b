"""Studies of methods: each with its own objective, heads and grid, on the data, encoder and steps of a recipe."""

from dataclasses import dataclass
from typing import Any

from anchorwise.comparison.study import Contender, Halving, Point, Study
from anchorwise.methods import (
    BECLR,
    BYOL,
    DINO,
    NNCLR,
    PCL,
    AInfoNCE,
    AnyMethodConfig,
    BarlowTwins,
    MoCo,
    MoCoV3,
    PixPro,
    SimCLR,
    SimLAP,
    SimSiam,
    SwAV,
    VICReg,
)
from anchorwise.modalities.attack import AttackConfig
from anchorwise.models import HeadConfig, PredictorConfig
from anchorwise.training import ObjectiveConfig, RunConfig, recipe

# Three points each, so that no method is chosen from more than another.
_RATES = tuple({"optimizer.peak_lr": rate} for rate in (1e-3, 2e-3, 4e-3))
_TEMPERED = tuple({"objective.temperature": temperature} for temperature in (0.05, 0.1, 0.2))
# The link without a temperature for whatever compares softmax logits: WEINCE's blend with nothing of the softmax left.
_WEIBIT = {"name": "weince", "gate": {"name": "constant", "value": 1.0}, "exponent": "batch"}
# Of a copy that is a target, in a training of some hundred steps; a source's 0.996 would leave it at its start.
_MOMENTA = tuple({"method.momentum": momentum} for momentum in (0.9, 0.97, 0.99))


@dataclass(frozen=True)
class _Sizes:
    """What follows the number of samples: all of them, the rows of queues, the clusters of clusterings."""

    num_samples: int
    num_queued: int
    num_clusters: tuple[int, ...]


def compare_methods_digits() -> Study:
    """Methods on scikit-learn's 8 px digits, 40 epochs, each at the best of three points: an hour on two CPU cores."""
    return _study("compare-methods-digits", "digits", recipe("digits"), _Sizes(1347, 512, (30, 60, 120)))


def compare_methods() -> Study:
    """Methods on 20,480 CIFAR-10 images, small encoder, 6 epochs, each at the best of three points. Name the images.

    Heads have the sources' layers and normalisation, and widths that suit the encoder. Points are chosen after 2
    epochs. An hour of a CPU core for a method of two encoded views; --only says which.
    """
    run = recipe("cifar10-small")
    return _study("compare-methods", "cifar10", run, _Sizes(20_480, 2048, (250, 500, 1000)))


def _study(name: str, data_set: str, run: RunConfig, sizes: _Sizes) -> Study:
    return Study(
        name=name,
        data_sets={data_set: run.data},
        encoder=run.encoder,
        optimizer=run.optimizer,
        train=run.train.model_copy(update={"knn_every_epochs": 2}),
        objectives={
            **_contrasting(sizes),
            "sog_clr": _contender("SogCLR", SimCLR.Config(), _TEMPERED, name="sog_clr", num_samples=sizes.num_samples),
            **_without_negatives(sizes),
            "a_info_nce": _attacked(),
            **_without_temperature(sizes),
            **_of_many_views(),
            **_with_labels(),
        },
        baseline="simclr",
        seeds=(1, 2, 3),
        halving=Halving(factor=3.0, num_rungs=2),
    )


def _contrasting(sizes: _Sizes) -> dict[str, Contender]:
    affine, predictor = HeadConfig(hidden_width=512, num_layers=3, output_norm="affine"), _predictor()
    plain = HeadConfig(hidden_width=512, bias=False, output_norm="plain")
    pcl = PCL.Config(num_clusters=sizes.num_clusters, warmup_epochs=1, num_queued=sizes.num_queued)
    v3 = MoCoV3.Config(head=plain, predictor=PredictorConfig(hidden_width=512, bias=False))
    nnclr = NNCLR.Config(head=affine, predictor=predictor, num_queued=sizes.num_queued)
    # A prototype for every image of a batch, which is then large enough to balance them without a queue.
    swav = SwAV.Config(head=_narrow(), num_prototypes=256, freeze_epochs=0.1)
    both = tuple({**point, "method.temperature": point["objective.temperature"]} for point in _TEMPERED)
    return {
        "simclr": _contender("SimCLR", SimCLR.Config(), _TEMPERED),
        "moco": _contender("MoCo", MoCo.Config(num_queued=sizes.num_queued), _TEMPERED),
        "moco_v3": _contender("MoCo v3", v3, _TEMPERED),
        "pcl": _contender("PCL", pcl, both),
        "nnclr": _contender("NNCLR", nnclr, _TEMPERED),
        "swav": _contender("SwAV", swav, _TEMPERED),
    }


def _without_negatives(sizes: _Sizes) -> dict[str, Contender]:
    wide = HeadConfig(hidden_width=512, output_width=512, num_layers=3, output_norm="plain")
    wider = {"hidden_width": 512, "output_width": 512}
    dino = _with_head(DINO.Config(num_prototypes=512), {"hidden_width": 512})
    num_clusters = sizes.num_clusters[0] // 5
    beclr = BECLR.Config(warmup_epochs=1, num_queued=sizes.num_queued, num_clusters=num_clusters)
    copies: dict[str, tuple[str, AnyMethodConfig]] = {
        "byol": ("BYOL", BYOL.Config(head=_narrow(), predictor=_predictor())),
        "beclr": ("BECLR", beclr),
        "dino": ("DINO", dino),
        "pixpro": ("PixPro", _with_head(PixPro.Config(), {"hidden_width": 512})),
    }
    others: dict[str, tuple[str, AnyMethodConfig]] = {
        "simsiam": ("SimSiam", SimSiam.Config(head=wide, predictor=PredictorConfig(hidden_width=128))),
        "barlow_twins": ("Barlow Twins", _with_head(BarlowTwins.Config(), wider)),
        "vicreg": ("VICReg", _with_head(VICReg.Config(), wider)),
    }
    return {
        **{name: _contender(label, config, _MOMENTA) for name, (label, config) in copies.items()},
        **{name: _contender(label, config, _RATES) for name, (label, config) in others.items()},
    }


def _without_temperature(sizes: _Sizes) -> dict[str, Contender]:
    """Return the link without a temperature in methods with negatives, each beside the method's own of a grid."""
    affine = HeadConfig(hidden_width=512, num_layers=3, output_norm="affine")
    moco = MoCo.Config(num_queued=sizes.num_queued)
    nnclr = NNCLR.Config(head=affine, predictor=_predictor(), num_queued=sizes.num_queued)
    return {
        "simclr_weibit": _contender("SimCLR, Weibit", SimCLR.Config(), ({},), name="weibit"),
        "moco_weibit": _contender("MoCo, Weibit", moco, ({},), name="moco", blend=_WEIBIT),
        "nnclr_weibit": _contender(
            "NNCLR, Weibit", nnclr, ({},), name="cross_view", both_directions=False, blend=_WEIBIT
        ),
        "simclr_weince": _contender("SimCLR, WEINCE", SimCLR.Config(), _TEMPERED, name="weince"),
        "moco_weince": _contender("MoCo, WEINCE", moco, _TEMPERED, name="moco", blend={"name": "weince"}),
    }


def _of_many_views() -> dict[str, Contender]:
    four = SimCLR.Config(num_views=4)
    weibit = {"name": "weibit"}
    return {
        "mv_info_nce": _contender("MV-InfoNCE, 4 views", four, _TEMPERED, name="mv_info_nce"),
        "mv_dhel": _contender("MV-DHEL, 4 views", four, _TEMPERED, name="mv_dhel"),
        "poly_view": _contender("PolyView, 4 views", four, _TEMPERED, name="poly_view"),
        "pairwise_weibit": _contender("Weibit, pairs of 4 views", four, ({},), name="pairwise_views", objective=weibit),
    }


def _with_labels() -> dict[str, Contender]:
    simlap = _with_head(SimLAP.Config(gate=_predictor()), {"hidden_width": 512})
    return {
        "sup_con": _contender("SupCon (labels)", SimCLR.Config(), _TEMPERED, name="sup_con"),
        "simlap": _contender("SimLAP (labels)", simlap, _RATES),
    }


def _attacked() -> Contender:
    grid = tuple({"objective.temperature": t, "method.temperature": t} for t in (0.1, 0.2, 0.5))
    attack = AttackConfig(num_steps=3, step_size=0.012)
    return _contender("A-InfoNCE", AInfoNCE.Config(head=_narrow(), attack=attack), grid)


def _contender(label: str, method: AnyMethodConfig, grid: tuple[Point, ...], **objective: Any) -> Contender:
    """Return a method with that objective, or with its own."""
    named = ObjectiveConfig(**objective) if objective else None
    return Contender(label=label, method=method, objective=named, grid=grid)


def _with_head(config: Any, changes: dict[str, int]) -> AnyMethodConfig:
    return config.model_copy(update={"head": config.head.model_copy(update=changes)})


def _narrow() -> HeadConfig:
    return HeadConfig(hidden_width=512)


def _predictor() -> PredictorConfig:
    return PredictorConfig(hidden_width=512)
