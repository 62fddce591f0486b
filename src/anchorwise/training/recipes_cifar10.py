"""Image methods at a size for CPUs, and a recipe of each on CIFAR-10."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anchorwise.methods import (
    BECLR,
    BYOL,
    DINO,
    NNCLR,
    PCL,
    AInfoNCE,
    AnyMethodConfig,
    BarlowTwins,
    MMCSketch,
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
from anchorwise.modalities.images import EncoderConfig
from anchorwise.modalities.images.config import DataConfig
from anchorwise.models import HeadConfig, PredictorConfig
from anchorwise.training.config import RunConfig, TrainConfig
from anchorwise.training.optimizers import AdamW
from anchorwise.training.overrides import apply_overrides


@dataclass(frozen=True)
class Sizes:
    """What follows the number of samples: the rows of queues, the clusters of clusterings."""

    num_queued: int
    num_clusters: tuple[int, ...]


CIFAR10_SMALL = Sizes(2048, (250, 500, 1000))


def small_methods(sizes: Sizes) -> dict[str, AnyMethodConfig]:
    """Return every image method for an encoder of a few hundred features and a training of some hundred steps.

    Heads have the sources' layers and normalisation, and widths that suit the encoder.
    """
    affine = HeadConfig(hidden_width=512, num_layers=3, output_norm="affine")
    plain = HeadConfig(hidden_width=512, bias=False, output_norm="plain")
    unbiased = PredictorConfig(hidden_width=512, bias=False)
    wide = HeadConfig(hidden_width=512, output_width=512, num_layers=3, output_norm="plain")
    wider = {"hidden_width": 512, "output_width": 512}
    methods: tuple[AnyMethodConfig, ...] = (
        SimCLR.Config(),
        MoCo.Config(num_queued=sizes.num_queued),
        MoCoV3.Config(head=plain, predictor=unbiased),
        PCL.Config(num_clusters=sizes.num_clusters, warmup_epochs=1, num_queued=sizes.num_queued),
        NNCLR.Config(head=affine, predictor=_predictor(), num_queued=sizes.num_queued),
        # A prototype for every image of a batch, which is then large enough to balance them without a queue.
        SwAV.Config(head=_narrow(), num_prototypes=256, freeze_epochs=0.1),
        BYOL.Config(head=_narrow(), predictor=_predictor()),
        BECLR.Config(warmup_epochs=1, num_queued=sizes.num_queued, num_clusters=sizes.num_clusters[0] // 5),
        _with_head(DINO.Config(num_prototypes=512), {"hidden_width": 512}),
        _with_head(PixPro.Config(), {"hidden_width": 512}),
        SimSiam.Config(head=wide, predictor=PredictorConfig(hidden_width=128)),
        _with_head(BarlowTwins.Config(), wider),
        _with_head(VICReg.Config(), wider),
        AInfoNCE.Config(head=_narrow(), attack=AttackConfig(num_steps=3, step_size=0.012)),
        MMCSketch.Config(head=plain, predictor=unbiased, momentum=0.97),
        _with_head(SimLAP.Config(gate=_predictor()), {"hidden_width": 512}),
    )
    return {method.name: method for method in methods}


def _with_head(config: Any, changes: dict[str, int]) -> AnyMethodConfig:
    return config.model_copy(update={"head": config.head.model_copy(update=changes)})


def _narrow() -> HeadConfig:
    return HeadConfig(hidden_width=512)


def _predictor() -> PredictorConfig:
    return PredictorConfig(hidden_width=512)


# What is set beside that: the best of what has been tried, or where nothing has, the middle of a grid.
_CHOSEN: Mapping[str, tuple[str, ...]] = {
    "simclr": ("objective.name=info_nce", "objective.temperature=0.1"),
    "moco": ("objective.temperature=0.05",),
    "moco_v3": ("objective.temperature=0.1",),
    "pcl": ("objective.temperature=0.05", "method.temperature=0.05"),
    "nnclr": ("objective.temperature=0.2",),
    "a_info_nce": ("objective.temperature=0.1", "method.temperature=0.1"),
    "swav": ("objective.temperature=0.2",),
    "beclr": ("method.momentum=0.9",),
    "dino": ("method.momentum=0.97",),
    "pixpro": ("method.momentum=0.99", "views.name=byol"),
    "simsiam": ("optimizer.peak_lr=1e-3",),
    "barlow_twins": ("optimizer.peak_lr=1e-3",),
    "simlap": ("optimizer.peak_lr=1e-3",),
    "mmc_sketch": ("encoder.name=vit", "encoder.width=128"),
}


def _on_cifar10(name: str) -> Callable[[], RunConfig]:
    def config() -> RunConfig:
        method = RunConfig(
            data=DataConfig(source="cifar10", num_train_images=20_480),
            encoder=EncoderConfig(name="small"),
            method=small_methods(CIFAR10_SMALL)[name],
            optimizer=AdamW(peak_lr=2e-3, warmup_epochs=0.5),
            train=TrainConfig(num_epochs=6, batch_size=256),
        )
        return apply_overrides(method, _CHOSEN.get(name, ()))

    config.__doc__ = (
        f"20,480 CIFAR-10 images, small encoder, 6 epochs of `{name}`, on a CPU. Name the data with --data."
    )
    return config


CIFAR10_RECIPES: dict[str, Callable[[], RunConfig]] = {
    f"cifar10-{name}": _on_cifar10(name) for name in small_methods(CIFAR10_SMALL)
}
