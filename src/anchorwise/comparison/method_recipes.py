"""Studies of methods: each with its own objective, heads and grid, on the data, encoder and steps of a recipe."""

from collections.abc import Mapping
from typing import Any

from anchorwise.comparison.study import Contender, Halving, Point, Study
from anchorwise.methods import AnyMethodConfig, SimCLR
from anchorwise.training import ObjectiveConfig, RunConfig, recipe
from anchorwise.training.recipes_cifar10 import CIFAR10_SMALL, Sizes, small_methods

# Three points each, so that no method is chosen from more than another.
_RATES = tuple({"optimizer.peak_lr": rate} for rate in (1e-3, 2e-3, 4e-3))
_TEMPERED = tuple({"objective.temperature": temperature} for temperature in (0.05, 0.1, 0.2))
# The link without a temperature for whatever compares softmax logits: WEINCE's blend with nothing of the softmax left.
_WEIBIT = {"name": "weince", "gate": {"name": "constant", "value": 1.0}, "exponent": "batch"}
# Of a copy that is a target, in a training of some hundred steps; a source's 0.996 would leave it at its start.
_MOMENTA = tuple({"method.momentum": momentum} for momentum in (0.9, 0.97, 0.99))
_ATTACKED = tuple({"objective.temperature": t, "method.temperature": t} for t in (0.1, 0.2, 0.5))

Methods = Mapping[str, AnyMethodConfig]


def compare_methods_digits() -> Study:
    """Methods on scikit-learn's 8 px digits, 40 epochs, each at the best of three points: an hour on two CPU cores."""
    return _study("compare-methods-digits", "digits", recipe("digits"), 1347, Sizes(512, (30, 60, 120)))


def compare_methods() -> Study:
    """Methods on 20,480 CIFAR-10 images, small encoder, 6 epochs, each at the best of three points. Name the images.

    Heads have the sources' layers and normalisation, and widths that suit the encoder. Points are chosen after 2
    epochs. An hour of a CPU core for a method of two encoded views; --only says which.
    """
    return _study("compare-methods", "cifar10", recipe("cifar10-small"), 20_480, CIFAR10_SMALL)


def _study(name: str, data_set: str, run: RunConfig, num_samples: int, sizes: Sizes) -> Study:
    methods = small_methods(sizes)
    return Study(
        name=name,
        data_sets={data_set: run.data},
        encoder=run.encoder,
        optimizer=run.optimizer,
        train=run.train.model_copy(update={"knn_every_epochs": 2}),
        objectives={
            **_contrasting(methods),
            "sog_clr": _contender("SogCLR", SimCLR.Config(), _TEMPERED, name="sog_clr", num_samples=num_samples),
            **_without_negatives(methods),
            "a_info_nce": _contender("A-InfoNCE", methods["a_info_nce"], _ATTACKED),
            **_without_temperature(methods),
            **_of_many_views(),
            "sup_con": _contender("SupCon (labels)", SimCLR.Config(), _TEMPERED, name="sup_con"),
            "simlap": _contender("SimLAP (labels)", methods["simlap"], _RATES),
        },
        baseline="simclr",
        seeds=(1, 2, 3),
        halving=Halving(factor=3.0, num_rungs=2),
    )


def _contrasting(methods: Methods) -> dict[str, Contender]:
    both = tuple({**point, "method.temperature": point["objective.temperature"]} for point in _TEMPERED)
    labels = {"simclr": "SimCLR", "moco": "MoCo", "moco_v3": "MoCo v3", "pcl": "PCL", "nnclr": "NNCLR", "swav": "SwAV"}
    return {
        name: _contender(label, methods[name], both if name == "pcl" else _TEMPERED) for name, label in labels.items()
    }


def _without_negatives(methods: Methods) -> dict[str, Contender]:
    copies = {"byol": "BYOL", "beclr": "BECLR", "dino": "DINO", "pixpro": "PixPro"}
    others = {"simsiam": "SimSiam", "barlow_twins": "Barlow Twins", "vicreg": "VICReg"}
    return {
        **{name: _contender(label, methods[name], _MOMENTA) for name, label in copies.items()},
        **{name: _contender(label, methods[name], _RATES) for name, label in others.items()},
    }


def _without_temperature(methods: Methods) -> dict[str, Contender]:
    """Return the link without a temperature in methods with negatives, each beside the method's own of a grid."""
    moco, one_way = methods["moco"], {"name": "cross_view", "both_directions": False}
    return {
        "simclr_weibit": _contender("SimCLR, Weibit", methods["simclr"], ({},), name="weibit"),
        "moco_weibit": _contender("MoCo, Weibit", moco, ({},), name="moco", blend=_WEIBIT),
        "nnclr_weibit": _contender("NNCLR, Weibit", methods["nnclr"], ({},), **one_way, blend=_WEIBIT),
        "simclr_weince": _contender("SimCLR, WEINCE", methods["simclr"], _TEMPERED, name="weince"),
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


def _contender(label: str, method: AnyMethodConfig, grid: tuple[Point, ...], **objective: Any) -> Contender:
    """Return a method with that objective, or with its own."""
    named = ObjectiveConfig(**objective) if objective else None
    return Contender(label=label, method=method, objective=named, grid=grid)
