"""Image methods as their sources train them on ImageNet: a recipe each, where there is a source that says how."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from anchorwise.methods import (
    BECLR,
    BYOL,
    DINO,
    PCL,
    AnyMethodConfig,
    BarlowTwins,
    MoCo,
    MoCoV3,
    PixPro,
    SimCLR,
    SimSiam,
    SwAV,
    VICReg,
)
from anchorwise.modalities.images import EncoderConfig
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.views.policies import (
    BYOLViews,
    DINOViews,
    ImageNetViews,
    MoCoV2Views,
    SwAVViews,
    ViewPolicy,
)
from anchorwise.modalities.images.views.strengths import Changes
from anchorwise.training.config import ObjectiveConfig, RunConfig, TrainConfig
from anchorwise.training.optimizers import LARS, SGD, OptimizerConfig


@dataclass(frozen=True)
class _Source:
    """How a source trains on ImageNet, ResNet-50 unless it says so; rates are those of batches of 256.

    Here weight decay spares biases and normalisation layers, and rates follow a cosine step by step, whatever the
    source; `about` says where it has something else.
    """

    about: str
    method: AnyMethodConfig
    optimizer: OptimizerConfig
    num_epochs: int
    views: ViewPolicy
    objective: ObjectiveConfig | None = None
    encoder: str = "timm/resnet50"


def _lars(rate: float, *, warmup_epochs: float = 10, **settings: Any) -> LARS:
    return LARS(peak_lr=rate, warmup_epochs=warmup_epochs, **settings)


def _sgd(rate: float, *, warmup_epochs: float = 0) -> SGD:
    return SGD(peak_lr=rate, weight_decay=1e-4, warmup_epochs=warmup_epochs)


_ON_IMAGENET: Mapping[str, _Source] = {
    "simclr": _Source(
        "Chen et al. 2020, https://arxiv.org/abs/2002.05709, there with batches of 4,096",
        SimCLR.Config(),
        _lars(0.3),
        100,
        ImageNetViews(),
        ObjectiveConfig(name="info_nce", temperature=0.1),
    ),
    "moco": _Source(
        "MoCo v2: Chen et al. 2020, released code, https://arxiv.org/abs/2003.04297; it decays all weights, and its "
        "rate falls by epochs",
        MoCo.Config(momentum=0.999, num_queued=65_536),
        _sgd(0.03),
        200,
        MoCoV2Views(),
    ),
    "moco_v3": _Source(
        "Chen et al. 2021, released code, https://arxiv.org/abs/2104.02057, there with batches of 4,096",
        MoCoV3.Config(),
        _lars(0.6),
        100,
        BYOLViews(crop_scale=(0.2, 1.0)),
        ObjectiveConfig(temperature=1.0),
    ),
    "pcl": _Source(
        "PCL v2: Li et al. 2020, released code, https://arxiv.org/abs/2005.04966",
        PCL.Config(num_clusters=(25_000, 50_000, 100_000), momentum=0.999, num_queued=16_384),
        _sgd(0.03),
        200,
        MoCoV2Views(),
    ),
    "swav": _Source(
        "Caron et al. 2020, released code, https://arxiv.org/abs/2006.09882; its last rate is 0.0006",
        SwAV.Config(num_prototypes=3000, num_small=6, num_queued=3840),
        _lars(0.6, warmup_epochs=0),
        200,
        SwAVViews(),
    ),
    "byol": _Source(
        "Grill et al. 2020, https://arxiv.org/abs/2006.07733, for 100 epochs, there with batches of 4,096",
        BYOL.Config(momentum=0.99),
        _lars(0.45),
        100,
        BYOLViews(),
    ),
    "simsiam": _Source(
        "Chen and He 2020, released code, https://arxiv.org/abs/2011.10566, there with batches of 512; it decays all "
        "weights",
        SimSiam.Config(),
        _sgd(0.05),
        100,
        MoCoV2Views(),
    ),
    "barlow_twins": _Source(
        # The release multiplies the loss by 0.024. LARS does not see that, but for the decay beside the gradient, and
        # biases, which it leaves unscaled, do: so it stands in their rate, 0.0048 there, and in the decay, 1e-6 there.
        "Zbontar et al. 2021, released code, https://arxiv.org/abs/2103.03230, there with batches of 2,048",
        BarlowTwins.Config(),
        _lars(0.2, bias_lr=0.0048 * 0.024, weight_decay=1e-6 / 0.024),
        1000,
        BYOLViews(),
    ),
    "vicreg": _Source(
        "Bardes et al. 2021, released code for 100 epochs, https://arxiv.org/abs/2105.04906, there with batches of 512",
        VICReg.Config(),
        _lars(0.3),
        100,
        BYOLViews(),
    ),
    "dino": _Source(
        "Caron et al. 2021, released code for a ResNet-50, https://arxiv.org/abs/2104.14294, there with batches of "
        "512; momentum is what it advises for 256, and it clips the gradient of every parameter by itself",
        DINO.Config(num_prototypes=65_536, num_small=8, momentum=0.9995),
        SGD(peak_lr=0.03, weight_decay=1e-4, warmup_epochs=10, max_grad_norm=3.0),
        100,
        DINOViews(
            crop_scale=(0.14, 1.0), small=Changes(crop_scale=(0.05, 0.14), size_fraction=3 / 7, blur_probability=0.5)
        ),
    ),
    "pixpro": _Source(
        "Xie et al. 2020, released code, https://arxiv.org/abs/2011.10043, there with batches of 1,024",
        PixPro.Config(),
        _lars(1.0, warmup_epochs=5, weight_decay=1e-5),
        100,
        BYOLViews(),
    ),
    "beclr": _Source(
        "Poulakakis-Daktylidis and Jamali-Rad 2024, released code for miniImageNet, https://arxiv.org/abs/2402.02444",
        BECLR.Config(mask_patch_px=16),
        _sgd(0.3),
        400,
        MoCoV2Views(saturation=0.2, vertical_flip_probability=0.5, rand_augment_operations=2),
        encoder="timm/resnet18",
    ),
}


def _on_imagenet(name: str) -> Callable[[], RunConfig]:
    source = _ON_IMAGENET[name]

    def config() -> RunConfig:
        return RunConfig(
            data=DataConfig(source="images", image_size_px=224),
            views=source.views,
            encoder=EncoderConfig(name=source.encoder),
            method=source.method,
            objective=source.objective,
            optimizer=source.optimizer,
            train=TrainConfig(
                num_epochs=source.num_epochs, batch_size=256, drop_last=True, knn_every_epochs=10, log_every_steps=100
            ),
        )

    network = source.encoder.removeprefix("timm/").replace("resnet", "ResNet-")
    config.__doc__ = (
        f"`{name}` on images of 224 px, {network}, {source.num_epochs} epochs, batches of 256. Wants a GPU.\n\n"
        f"Source: {source.about}."
    )
    return config


IMAGENET_RECIPES: dict[str, Callable[[], RunConfig]] = {f"imagenet-{name}": _on_imagenet(name) for name in _ON_IMAGENET}
