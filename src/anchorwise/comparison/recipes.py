"""Studies ready to run; `--set` overrides any of their fields."""

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from anchorwise import _checks
from anchorwise.comparison.method_recipes import compare_methods, compare_methods_digits
from anchorwise.comparison.study import Contender, Halving, Study, shortened, study_of
from anchorwise.evaluation.geometry_judge import GeometryJudge
from anchorwise.evaluation.retrieval import Retrieval
from anchorwise.methods import SimCLR
from anchorwise.modalities.images import EncoderConfig
from anchorwise.modalities.images.config import DataConfig
from anchorwise.modalities.text.config import TextData
from anchorwise.models import HeadConfig
from anchorwise.training import AdamW, ObjectiveConfig, TrainConfig, recipe

TEMPERATURES = (0.05, 0.1, 0.2, 0.5, 1.0)
PUBLISHED = {"name": "weince", "gate": "published", "exponent": "unit"}
LIKELIHOOD = {"name": "weince", "gate": "likelihood", "exponent": "batch"}
INFO_NCE = {"name": "info_nce"}
_DEMO = (
    "Contrastive learning trains an encoder to give two views of one image similar features and views of different "
    "images dissimilar ones. No label is used. The images are scans of digits, turned, scaled and moved at random, so "
    "that their pixels say little about the digit. The usual objective, InfoNCE, divides similarities by a "
    "temperature, which somebody has to choose; Weibit has none, and reads off each batch how steep it should be: "
    "similarities have a ceiling, since a cosine cannot exceed 1, and the negatives closest to it are weighed by their "
    "distance from it. It is a demonstration, not evidence: the images are tiny, the trainings short, the seeds few. "
    "What is best on your data a comparison on your data says."
)


def compare_digits() -> Study:
    """Six objectives on scikit-learn's 8 px digits, 10 epochs: minutes on two CPU cores."""
    run = shortened(recipe("digits"), 0.25)
    temperatures = (0.1, 0.2, 0.5)
    return Study(
        name="compare-digits",
        data_sets={"digits": run.data},
        encoder=run.encoder,
        method=run.method,
        optimizer=run.optimizer,
        train=run.train,
        objectives={
            "info_nce": _tempered("InfoNCE", INFO_NCE, temperatures),
            "weince_published": _tempered("WEINCE, published gate", PUBLISHED, temperatures),
            "weince": _tempered("WEINCE, likelihood gate", LIKELIHOOD, temperatures),
            "weibit": _fixed("Weibit, batch exponent", {"name": "weibit", "exponent": "batch"}),
            "arctanh": _fixed("arctanh link", {"name": "arctanh"}),
            "dcl": _tempered("DCL", {"name": "dcl"}, temperatures),
        },
        baseline="info_nce",
    )


def demo() -> Study:
    """InfoNCE at three temperatures and Weibit on placed digits, with pictures: 3 minutes on two CPU cores."""
    run = recipe("placed-digits")
    temperatures = {"info_nce_sharp": 0.05, "info_nce": 0.2, "info_nce_soft": 1.0}
    objectives = {
        name: _fixed(f"InfoNCE at {temperature:g}", {**INFO_NCE, "temperature": temperature})
        for name, temperature in temperatures.items()
    }
    return Study(
        name="demo",
        data_sets={"digits": run.data},
        encoder=run.encoder,
        method=run.method,
        optimizer=run.optimizer,
        train=run.train,
        objectives={**objectives, "weibit": _fixed("Weibit", {"name": "weibit", "exponent": "batch"})},
        baseline="info_nce",
        seeds=(1, 2),
        primary="linear",
        about=_DEMO,
        is_illustrated=True,
    )


def compare_cifar10_small() -> Study:
    """Twelve objectives on 20,480 CIFAR-10 images, small encoder, 6 epochs: about 3 hours on two CPU cores.

    Name the images with --data.
    """
    run = recipe("cifar10-small")
    return Study(
        name="compare-cifar10-small",
        data_sets={"cifar10": run.data},
        encoder=run.encoder,
        method=run.method,
        optimizer=run.optimizer,
        train=run.train.model_copy(update={"knn_every_epochs": 2}),
        objectives=_field(TEMPERATURES),
        baseline="info_nce",
    )


def verdict_small() -> Study:
    """Is a temperature needed? Eleven objectives on six sets of images, small encoder, 6 epochs.

    Intervals hold for all objectives and data sets together. Points are chosen after 2 epochs, the best two of them
    after 6. Name the images with --data NAME=IMAGES for each data set but digits; --only names objectives, and
    --dry-run tells what they take.
    """
    run, field = recipe("cifar10-small"), _field(TEMPERATURES)
    asked = ("info_nce", "info_nce_reg", "weince_published_reg", "weince", "weibit", "weibit_anchor", "dcl", "dhel")
    most = 20_480
    return Study(
        name="verdict-small",
        data_sets={
            "cifar10": run.data,
            "cifar100": DataConfig(source="cifar100", num_train_images=most),
            "tiny-imagenet": DataConfig(source="tiny-imagenet", image_size_px=32, num_train_images=most),
            # Photographs of one sign in passing are near-equal, and are split together.
            "gtsrb": DataConfig(source="gtsrb", image_size_px=32, group_pattern="(.+)_", num_train_images=most),
            "flowers": DataConfig(source="flowers", image_size_px=64),
            "digits": DataConfig(source="digits"),
        },
        encoder=run.encoder,
        optimizer=run.optimizer,
        train=run.train.model_copy(update={"knn_every_epochs": 2}),
        objectives={**{name: field[name] for name in asked}, **_steeper()},
        baseline="info_nce",
        family="study",
        halving=Halving(factor=3.0, num_rungs=2),
    )


def verdict_text() -> Study:
    """Is a temperature needed for sentences? Nine objectives on captions and on docstrings with their code, 7 epochs.

    Name the folder of Flickr8k's captions with --data flickr8k=FOLDER; docstrings are the standard library's. Points
    are chosen after 2 epochs, the best two of them after 7, on training samples that those runs leave out. About a
    minute a run on one CPU core.
    """
    run = recipe("captions-small")
    one_way = {"name": "cross_view", "both_directions": False}
    temperatures = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.2)
    field = _field(temperatures)
    return study_of("text")(
        name="verdict-text",
        data_sets={"flickr8k": run.data, "docstrings": TextData(source="docstrings")},
        encoder=run.encoder,
        method=run.method,
        optimizer=run.optimizer,
        train=run.train.model_copy(update={"knn_every_epochs": 0}),
        objectives={
            **{name: field[name] for name in ("info_nce", "weince", "weibit", "dcl")},
            **_steeper(),
            "cross_view": _tempered("InfoNCE between views", one_way, temperatures),
            "cross_view_weince": _tempered(
                "WEINCE between views", {**one_way, "blend": {"name": "weince"}}, temperatures
            ),
        },
        baseline="info_nce",
        judges=(Retrieval.Config(), GeometryJudge.Config()),
        primary="mrr",
        family="study",
        halving=Halving(factor=3.0, num_rungs=2),
    )


def compare_ablation() -> Study:
    """WEINCE with gate, exponent, endpoint and regularisers switched one at a time: about 3 hours on two CPU cores.

    The encoder and the images of compare-cifar10-small, so what both ask for is trained once. Name the images with
    --data.
    """
    study = compare_cifar10_small()
    shared = study.objectives
    objectives = {
        "info_nce": shared["info_nce"],
        "weince_published": shared["weince_published"],
        "weince_likelihood_unit": _tempered("+ likelihood gate", {**LIKELIHOOD, "exponent": "unit"}, TEMPERATURES),
        "weince": _relabelled(shared["weince"], "+ batch exponent"),
        "weince_reg": _relabelled(shared["weince_reg"], "+ regularisers = full"),
        "weince_reg_published": _regularised("full, published gate", {**LIKELIHOOD, "gate": "published"}),
        "weince_reg_unit": _regularised("full, exponent 1", {**LIKELIHOOD, "exponent": "unit"}),
        "weince_reg_endpoint": _regularised("full, endpoint 0.95", {**LIKELIHOOD, "endpoint": 0.95}),
        "info_nce_reg": _relabelled(shared["info_nce_reg"], "full, no blend = InfoNCE"),
    }
    ladder = ("info_nce", "weince_published", "weince_likelihood_unit", "weince", "weince_reg")
    return Study(**{**dict(study), "name": "compare-ablation", "objectives": objectives, "ladder": ladder})


def compare_paper() -> Study:
    """The protocol of Erol et al. 2026 on four data sets, ResNet-18, 100 epochs, with a tuned baseline. Wants GPUs.

    Batch 256, projection 64, Adam 3e-4, encoder seeds 7, 21, 63 and 84, linear probe. WEINCE as published has the
    paper's 27 points at temperature 0.5 and both regularisers; InfoNCE is there at the paper's temperature and at its
    own best. Settings are chosen by successive halving on a fifth seed. Set data_sets.NAME.root to where the images
    are; data_sets.NAME.download=true fetches CIFAR and STL-10. encoder.name=resnet50 is the paper's other encoder.
    Deviations: warm-up of 5 epochs and a cosine schedule; the probe is fitted to convergence.
    """
    gates = [
        {"margin": margin, "proximity_sharpness": proximity, "evidence_sharpness": evidence}
        for margin, proximity, evidence in product((0.0, 2.0, 6.0), (5.0, 10.0, 20.0), (0.5, 1.0, 2.0))
    ]
    grid = tuple({f"objective.objective.gate.{name}": value for name, value in gate.items()} for gate in gates)
    published = {"name": "weince", "temperature": 0.5, "gate": {"name": "published"}, "exponent": "unit"}
    objectives = {
        **_field(TEMPERATURES),
        "info_nce_paper": _fixed("InfoNCE as in the paper", {"name": "info_nce", "temperature": 0.5}),
        "weince_paper": Contender(
            label="WEINCE as in the paper", objective=_hardest_regularised(published, 0.5), grid=grid
        ),
    }
    return Study(
        name="compare-paper",
        data_sets={name: DataConfig(source=name) for name in ("cifar10", "cifar100", "stl10", "tiny-imagenet")},
        encoder=EncoderConfig(name="resnet18"),
        method=SimCLR.Config(head=HeadConfig(output_width=64)),
        # Adam has no weight decay; the paper names none.
        optimizer=AdamW(peak_lr=3e-4, weight_decay=0.0, warmup_epochs=5),
        train=TrainConfig(num_epochs=100, batch_size=256, knn_every_epochs=10, log_every_steps=50),
        objectives=objectives,
        baseline="info_nce",
        seeds=(7, 21, 63, 84),
        halving=Halving(factor=4.0, num_rungs=2),
        primary="linear",
    )


RECIPES: dict[str, Callable[[], Study]] = {
    "demo": demo,
    "compare-digits": compare_digits,
    "compare-cifar10-small": compare_cifar10_small,
    "compare-ablation": compare_ablation,
    "verdict-small": verdict_small,
    "verdict-text": verdict_text,
    "compare-methods-digits": compare_methods_digits,
    "compare-methods": compare_methods,
    "compare-paper": compare_paper,
}


def study_recipe(name: str) -> Study:
    """Return the study of that name.

    Raises:
        ValueError: If there is none.
    """
    return RECIPES[_checks.one_of("study", name, RECIPES)]()


def _field(temperatures: tuple[float, ...]) -> dict[str, Contender]:
    """Return the objectives between which the question is open, every temperature of theirs in the grid."""
    kernel = tuple({"objective.t": t} for t in (0.5, 1.0, 2.0, 4.0, 8.0))
    return {
        "info_nce": _tempered("InfoNCE", INFO_NCE, temperatures),
        "info_nce_reg": _regularised("InfoNCE, regularised", INFO_NCE, temperatures),
        "weince_published": _tempered("WEINCE, published gate", PUBLISHED, temperatures),
        "weince_published_reg": _regularised("WEINCE, published gate, regularised", PUBLISHED, temperatures),
        "weince": _tempered("WEINCE, likelihood gate", LIKELIHOOD, temperatures),
        "weince_reg": _regularised("WEINCE, likelihood gate, regularised", LIKELIHOOD, temperatures),
        "weibit": _fixed("Weibit, batch exponent", {"name": "weibit", "exponent": "batch"}),
        "weibit_anchor": _fixed("Weibit, anchor exponent", {"name": "weibit", "exponent": "anchor"}),
        "arctanh": _fixed("arctanh link", {"name": "arctanh"}),
        "dcl": _tempered("DCL", {"name": "dcl"}, temperatures),
        "dhel": _tempered("DHEL", {"name": "dhel"}, temperatures),
        "kcl": Contender(label="KCL, Gaussian", objective=ObjectiveConfig(name="kcl"), grid=kernel),
    }


def _steeper() -> dict[str, Contender]:
    """Return forms of Weibit that give the hardest negatives more weight than the batch's exponent over all does."""
    deep = {"name": "batch", "tail": {"name": "hill", "tail_fraction": 0.05}}
    return {
        "weibit_hardest": _fixed("Weibit, 50 hardest", {"name": "weibit", "exponent": "batch", "num_hardest": 50}),
        "weibit_deep": _fixed("Weibit, exponent of the top 5 %", {"name": "weibit", "exponent": deep}),
        "weibit_8": _fixed("Weibit, exponent 8", {"name": "weibit", "exponent": 8.0}),
    }


def _tempered(label: str, objective: Mapping[str, Any], temperatures: tuple[float, ...]) -> Contender:
    grid = tuple({"objective.temperature": temperature} for temperature in temperatures)
    return _fixed(label, objective).model_copy(update={"grid": grid})


def _regularised(label: str, objective: Mapping[str, Any], temperatures: tuple[float, ...] = TEMPERATURES) -> Contender:
    grid = tuple(
        {"objective.objective.temperature": temperature, "objective.softmax.temperature": temperature}
        for temperature in temperatures
    )
    return Contender(label=label, objective=_hardest_regularised(objective, 0.5), grid=grid)


def _hardest_regularised(objective: Mapping[str, Any], temperature: float) -> ObjectiveConfig:
    """Both regularisers as in the paper's runs: weights 0.5, 50 negatives, the weibit exponent from the batch."""
    weibit = {"name": "weibit", "exponent": {"name": "pooled"}, "num_hardest": 50}
    softmax = {"name": "info_nce", "temperature": temperature, "num_hardest": 50}
    return ObjectiveConfig(name="hardest_regularised", objective=dict(objective), weibit=weibit, softmax=softmax)


def _fixed(label: str, objective: Mapping[str, Any]) -> Contender:
    return Contender(label=label, objective=ObjectiveConfig(**objective))


def _relabelled(contender: Contender, label: str) -> Contender:
    return contender.model_copy(update={"label": label})
