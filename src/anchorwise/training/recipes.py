"""Complete configurations to start from. Times are for the whole run on the machine named."""

from collections.abc import Callable
from pathlib import Path

from anchorwise import _checks
from anchorwise._config import read_section
from anchorwise.evaluation.geometry_judge import GeometryJudge
from anchorwise.evaluation.nodes import Nodes
from anchorwise.evaluation.ranking import Ranking
from anchorwise.evaluation.registry import DEFAULT_JUDGES
from anchorwise.methods import COCONUT, MEOW, SIRL, CoMix, SimCLR, Wearables, XSimGCL
from anchorwise.modalities.graphs.config import GraphData, GraphEncoderConfig
from anchorwise.modalities.images import EncoderConfig
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.images.views.policies import WeakViews
from anchorwise.modalities.interactions.config import InteractionData, LightGCNConfig
from anchorwise.modalities.queries.config import QueryData
from anchorwise.modalities.series.config import SeriesData, SeriesEncoderConfig
from anchorwise.modalities.series.policies import PPGViews
from anchorwise.modalities.speech.config import LogMelConfig, SpeechData, SpeechEncoderConfig
from anchorwise.modalities.video.config import CLUTTERED, VideoData, VideoEncoderConfig
from anchorwise.models import HeadConfig
from anchorwise.training.config import ObjectiveConfig, RunConfig, TrainConfig, run_config_of
from anchorwise.training.optimizers import SGD, AdamW
from anchorwise.training.order import OnePerGroup
from anchorwise.training.recipes_cifar10 import CIFAR10_RECIPES
from anchorwise.training.recipes_imagenet import IMAGENET_RECIPES
from anchorwise.training.recipes_language import LANGUAGE_RECIPES
from anchorwise.training.tasks import TasksInSequence


def digits() -> RunConfig:
    """Scikit-learn's 8 px digits, small encoder, 40 epochs: a minute or two on two CPU cores."""
    return RunConfig(
        data=DataConfig(source="digits"),
        encoder=EncoderConfig(name="small"),
        method=SimCLR.Config(head=HeadConfig(output_width=64)),
        objective=ObjectiveConfig(name="weince", temperature=0.2),
        optimizer=AdamW(peak_lr=2e-3, warmup_epochs=2),
        # Whole batches only: the last of an epoch would have 67 images, whose tails are too short for a gate.
        train=TrainConfig(num_epochs=40, batch_size=256, drop_last=True, knn_every_epochs=5, checkpoint_every_epochs=5),
    )


def placed_digits() -> RunConfig:
    """Scikit-learn's digits turned, scaled and moved, small encoder, 16 epochs: half a minute on a CPU core."""
    return RunConfig(
        data=DataConfig(source="placed-digits"),
        encoder=EncoderConfig(name="small", width=16),
        method=SimCLR.Config(head=HeadConfig(output_width=64)),
        objective=ObjectiveConfig(name="info_nce", temperature=0.2),
        optimizer=AdamW(peak_lr=2e-3, warmup_epochs=2),
        # Small batches, since there are few images and each batch is a step.
        train=TrainConfig(num_epochs=16, batch_size=64, drop_last=True, knn_every_epochs=4, checkpoint_every_epochs=4),
    )


def glyphs() -> RunConfig:
    """Letters in 16 typefaces at 24 px, judged on 4 others, small encoder, 40 epochs: a minute on a CPU core."""
    return RunConfig(
        data=DataConfig(source="glyphs"),
        encoder=EncoderConfig(name="small", width=16),
        method=SimCLR.Config(head=HeadConfig(output_width=64)),
        # The better of two that were tried: kNN 41 % on the test faces, Weibit 37, pixels 31 (nearest neighbour).
        objective=ObjectiveConfig(name="info_nce", temperature=0.2),
        optimizer=AdamW(peak_lr=2e-3, warmup_epochs=2),
        train=TrainConfig(num_epochs=40, batch_size=120, knn_every_epochs=10, checkpoint_every_epochs=10),
    )


def cifar10_small() -> RunConfig:
    """20,480 CIFAR-10 images, small encoder, 6 epochs: a few minutes on two CPU cores. Name the data with --data."""
    return RunConfig(
        data=DataConfig(source="cifar10", num_train_images=20_480),
        encoder=EncoderConfig(name="small"),
        objective=ObjectiveConfig(name="weince", temperature=0.2),
        optimizer=AdamW(peak_lr=2e-3, warmup_epochs=0.5),
        train=TrainConfig(num_epochs=6, batch_size=256),
    )


def cifar10_resnet18() -> RunConfig:
    """CIFAR-10, ResNet-18 for 32 px, 100 epochs, batch 256, as Erol et al. 2026 pretrain. Wants a GPU."""
    return RunConfig(
        data=DataConfig(source="cifar10"),
        encoder=EncoderConfig(name="resnet18"),
        method=SimCLR.Config(head=HeadConfig(output_width=64)),
        objective=ObjectiveConfig(name="weince", temperature=0.2),
        optimizer=AdamW(peak_lr=1e-3, warmup_epochs=5),
        train=TrainConfig(num_epochs=100, batch_size=256, knn_every_epochs=10, log_every_steps=50),
    )


def cifar10_fast() -> RunConfig:
    """CIFAR-10, ResNet-18 for 32 px, 250 epochs with captured steps: by its parts nine minutes of an H100, not yet run.

    Its step of 256 images took 10.2 ms there in an experiment, so 2.0 s an epoch; InfoNCE at 0.2 was best there.
    """
    return RunConfig(
        data=DataConfig(source="cifar10"),
        encoder=EncoderConfig(name="resnet18"),
        method=SimCLR.Config(head=HeadConfig(output_width=128)),
        objective=ObjectiveConfig(name="info_nce", temperature=0.2),
        optimizer=AdamW(peak_lr=1e-3, warmup_epochs=5),
        train=TrainConfig(
            num_epochs=250,
            batch_size=256,
            drop_last=True,
            captured=True,
            knn_every_epochs=25,
            checkpoint_every_epochs=25,
            log_every_steps=195,
        ),
    )


def cifar10_adainf() -> RunConfig:
    """CIFAR-10 ten times an epoch, generated images once: name these with data.extra. 100,000 steps. Wants a GPU.

    Source: Wang et al. 2024, released code, https://arxiv.org/abs/2403.12448, with SimCLR: weak views, batches of 512
    over two GPUs, SGD at 0.2 a GPU's batch of 256, and a warm-up counted for 1,000 epochs of CIFAR-10 alone.
    """
    return RunConfig(
        data=DataConfig(source="cifar10", extra=Path("generated"), repeat=10),
        views=WeakViews(),
        encoder=EncoderConfig(name="resnet18"),
        objective=ObjectiveConfig(name="info_nce", temperature=0.2),
        optimizer=SGD(peak_lr=0.4, warmup_epochs=1),
        train=TrainConfig(num_steps=100_000, batch_size=512, drop_last=True, log_every_steps=100),
    )


def folder() -> RunConfig:
    """Your own images, resized to 64 px, ResNet-18, 100 epochs. Name the folder or archive with --data. Wants a GPU."""
    return RunConfig(
        data=DataConfig(source="images", image_size_px=64),
        encoder=EncoderConfig(name="resnet18"),
        objective=ObjectiveConfig(name="weince", temperature=0.2),
        optimizer=AdamW(peak_lr=1e-3, warmup_epochs=5),
        train=TrainConfig(num_epochs=100, batch_size=256, knn_every_epochs=10, log_every_steps=50),
    )


def queries_sirl() -> RunConfig:
    """500 generated queries, a tenth answered wrongly, perceptron of states, 20 epochs: ten seconds on one CPU core."""
    return run_config_of("queries")(
        data=QueryData(wrong_share=0.1),
        method=SIRL.Config(),
        # At the source's margin of 1, which is soon met by sums over states, little was learnt.
        objective=ObjectiveConfig(name="triplet", normalise=False, margin=10.0),
        optimizer=AdamW(peak_lr=3e-3, warmup_epochs=2),
        train=TrainConfig(num_epochs=20, batch_size=100, knn_every_epochs=10, checkpoint_every_epochs=10),
    )


def lastfm_xsimgcl() -> RunConfig:
    """XSimGCL on the artists that 1,880 users of LastFM listen to, 20 epochs: a minute or two on one CPU core.

    Name the folder of `data1.txt` and `test1.txt` with --data; other folders of interactions train as well. Weight,
    rate and epochs are those that validation items chose.
    """
    return run_config_of("interactions")(
        data=InteractionData(source="lastfm"),
        encoder=LightGCNConfig(num_layers=3, with_first=False),
        method=XSimGCL.Config(contrast_weight=0.1),
        optimizer=AdamW(peak_lr=1e-2, weight_decay=0.0, warmup_epochs=0.0),
        train=TrainConfig(num_epochs=20, batch_size=2048, knn_every_epochs=1, checkpoint_every_epochs=5),
        judges=(Ranking.Config(),),
    )


def pulses_participants() -> RunConfig:
    """Generated pulses of 400 people, two segments of each as a pair, small encoder, 14 epochs: a minute on a CPU core.

    A folder of recordings of your own is named with --data, and cut with data.segment_steps.
    """
    return run_config_of("series")(
        data=SeriesData(source="pulses"),
        views=PPGViews(pairs="participant"),
        encoder=SeriesEncoderConfig(width=16),
        method=Wearables.Config(head=HeadConfig(hidden_width=128, output_width=64, norm="none")),
        optimizer=AdamW(peak_lr=2e-3, warmup_epochs=1),
        order=OnePerGroup.Config(),
        train=TrainConfig(num_epochs=14, batch_size=128, drop_last=True),
    )


def acm_meow() -> RunConfig:
    """MEOW on the papers of ACM, linked by authors and subjects, all in every step: 80 of 1.2 CPU s.

    Name the folder, as HeCo and MEOW lay it out, with --data. The epoch is chosen on validation labels. Settings are
    the source's but for the neighbours, all of which are kept here, for a rate that falls to 0, and for prototypes,
    which are left out: with the source's weight of 1, validation macro-F1 stayed at its start for 60 steps.
    """
    return run_config_of("graphs")(
        data=GraphData(source="acm"),
        encoder=GraphEncoderConfig(feature_mask=0.3, edge_mask=(0.3, 0.2)),
        method=MEOW.Config(prototype_weight=0.0),
        optimizer=AdamW(peak_lr=7e-4, weight_decay=0.0, warmup_epochs=0.0),
        train=_WHOLE_GRAPH,
        judges=(Nodes.Config(), GeometryJudge.Config()),
    )


def imdb_meow() -> RunConfig:
    """MEOW on the movies of IMDB, linked by actors, directors and keywords, as `acm-meow`.

    Weight decay is the source's, decoupled here.
    """
    return run_config_of("graphs")(
        data=GraphData(source="imdb"),
        encoder=GraphEncoderConfig(num_neighbors=(70, 10, 70), feature_mask=0.3, edge_mask=0.1),
        method=MEOW.Config(num_clusters=(500, 700), prototype_weight=0.0, prototype_temperature=0.9),
        objective=ObjectiveConfig(name="meow", temperature=0.9, both_directions=False),
        optimizer=AdamW(peak_lr=1e-4, weight_decay=1e-3, warmup_epochs=0.0),
        train=_WHOLE_GRAPH,
        judges=(Nodes.Config(), GeometryJudge.Config()),
    )


# A batch of more nodes than there are is all of them.
_WHOLE_GRAPH = TrainConfig(
    num_epochs=80,
    batch_size=10**9,
    amp=False,
    keep_best="validation_macro_f1",
    knn_every_epochs=10,
    checkpoint_every_epochs=10,
)


def spoken_digits() -> RunConfig:
    """Recordings of digits by six speakers, SimCLR on log-mel features, 20 epochs. Name the data with --data."""
    return run_config_of("speech")(
        data=SpeechData(),
        encoder=SpeechEncoderConfig(width=16),
        method=SimCLR.Config(head=HeadConfig(output_width=64)),
        objective=ObjectiveConfig(name="info_nce", temperature=0.2),
        optimizer=AdamW(peak_lr=2e-3, warmup_epochs=1),
        train=TrainConfig(num_epochs=20, batch_size=128, drop_last=True, knn_every_epochs=5, checkpoint_every_epochs=5),
        judges=DEFAULT_JUDGES,
    )


def spoken_digits_coconut() -> RunConfig:
    """Digits learnt two at a time in five tasks, 1 % of the former rehearsed. Name the data with --data."""
    return run_config_of("speech")(
        data=SpeechData(features=LogMelConfig(num_mels=24, hop_ms=15.0), max_seconds=0.6),
        encoder=SpeechEncoderConfig(width=16),
        method=COCONUT.Config(head=HeadConfig(output_width=64)),
        order=TasksInSequence.Config(),
        optimizer=AdamW(peak_lr=2e-3, warmup_epochs=0.1),
        train=TrainConfig(num_epochs=5, batch_size=64, drop_last=True, knn_every_epochs=5),
        judges=DEFAULT_JUDGES,
    )


def moving_digits() -> RunConfig:
    """800 generated videos of digits in motion, two random clips of each as a pair, 20 epochs: minutes on a CPU core.

    A folder of frame folders of your own is named with --data.
    """
    return run_config_of("video")(
        data=VideoData(),
        encoder=VideoEncoderConfig(),
        method=SimCLR.Config(head=HeadConfig(output_width=64)),
        objective=ObjectiveConfig(name="info_nce", temperature=0.1),
        optimizer=AdamW(peak_lr=2e-3, warmup_epochs=1),
        train=TrainConfig(num_epochs=20, batch_size=64, drop_last=True, knn_every_epochs=5, checkpoint_every_epochs=5),
        judges=DEFAULT_JUDGES,
    )


def moving_digits_comix() -> RunConfig:
    """CoMix from digits before faint clouds to digits before stripes, 15 epochs: minutes on a CPU core.

    Two folders of videos with the same classes are named with --data and data.target.
    """
    return run_config_of("video")(
        data=VideoData(target=CLUTTERED, held_out=0.2),
        encoder=VideoEncoderConfig(),
        method=CoMix.Config(num_clips=4, num_slow=(1, 2, 3)),
        optimizer=AdamW(peak_lr=2e-3, warmup_epochs=1),
        train=TrainConfig(num_epochs=15, batch_size=32, drop_last=True, knn_every_epochs=5, checkpoint_every_epochs=5),
        judges=DEFAULT_JUDGES,
    )


RECIPES: dict[str, Callable[[], RunConfig]] = {
    "digits": digits,
    "placed-digits": placed_digits,
    "glyphs": glyphs,
    "cifar10-small": cifar10_small,
    "cifar10-resnet18": cifar10_resnet18,
    "cifar10-fast": cifar10_fast,
    "cifar10-adainf": cifar10_adainf,
    "folder": folder,
    **LANGUAGE_RECIPES,
    "queries-sirl": queries_sirl,
    "lastfm-xsimgcl": lastfm_xsimgcl,
    "pulses-participants": pulses_participants,
    "acm-meow": acm_meow,
    "imdb-meow": imdb_meow,
    "spoken-digits": spoken_digits,
    "spoken-digits-coconut": spoken_digits_coconut,
    "moving-digits": moving_digits,
    "moving-digits-comix": moving_digits_comix,
    **CIFAR10_RECIPES,
    **IMAGENET_RECIPES,
}


def load_config(path: Path | str) -> RunConfig:
    """Read a configuration from JSON: what `anchorwise pretrain --show-config` prints, or a run's `config.json`.

    Raises:
        FileNotFoundError: If there is no such file.
        UnusableFileError: If it is none; the message names every wrong setting.
    """
    return read_section(RunConfig, Path(path))


def recipe(name: str) -> RunConfig:
    """Return the recipe of that name.

    Raises:
        ValueError: If there is none.
    """
    return RECIPES[_checks.one_of("recipe", name, RECIPES)]()
