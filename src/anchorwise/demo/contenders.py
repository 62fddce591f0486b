"""What the demo compares: every column of its report, with all that was measured on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from anchorwise.data.augment import TwoViewAugmentation
from anchorwise.data.images import ImageSet, Splits
from anchorwise.diagnostics.exceedances import Exceedances, pooled_exceedances
from anchorwise.diagnostics.laws import TailFit, fit_laws
from anchorwise.evaluation.embed import embed_splits, pixels, test_of
from anchorwise.evaluation.features import Features
from anchorwise.evaluation.judge import Evaluation, evaluate
from anchorwise.evaluation.statistics import Interval, t_interval
from anchorwise.methods.simclr import SimCLR
from anchorwise.reporting.figures import BLUE, GREY, ORANGE

PIXELS, UNTRAINED = "pixels", "untrained"
OBJECTIVES = {"InfoNCE": "info_nce", "WEINCE": "weince"}
COLOURS = {"InfoNCE": BLUE, "WEINCE": ORANGE, UNTRAINED: GREY}
VIEW_SEED = 20_260  # Of the views in the pictures and in the tails; training never draws this seed.


@dataclass(frozen=True)
class Contender:
    """A way to get features, judged once per seed.

    Attributes:
        name: As the report calls it.
        evaluations: One per seed.
        test: Test features of the first seed.
        exceedances: Hardest negatives of the first seed; None for features without an encoder.
        fit: Laws fitted to them.
    """

    name: str
    evaluations: Sequence[Evaluation]
    test: Features
    exceedances: Exceedances | None = None
    fit: TailFit | None = None

    def over_seeds(self, number: Callable[[Evaluation], float]) -> Interval:
        """Return mean and t-interval over seeds of one number of the evaluations."""
        return t_interval([number(evaluation) for evaluation in self.evaluations])


def judge_pixels(name: str, splits: Splits) -> Contender:
    """Judge the pixels themselves."""
    train, test = pixels(splits.train, split="train"), pixels(test_of(splits), split="test")
    return Contender(name, [evaluate(train, test)], test)


def judge_models(name: str, models: Sequence[SimCLR], splits: Splits, augmentation: TwoViewAugmentation) -> Contender:
    """Judge the frozen encoders of one model per seed, and look at the tail of the first."""
    pairs = [embed_splits(model.encoder, splits, transform=augmentation.plain) for model in models]
    exceedances = pooled_exceedances(*two_view_embeddings(models[0], splits.train, augmentation))
    return Contender(
        name, [evaluate(train, test) for train, test in pairs], pairs[0][1], exceedances, fit_laws(exceedances)
    )


@torch.no_grad()
def two_view_embeddings(model: SimCLR, image_set: ImageSet, augmentation: TwoViewAugmentation) -> tuple[Tensor, Tensor]:
    """Return the projected embeddings of two views of every image, as the objective sees them but with fixed norms."""
    was_training = model.training
    model.eval()
    view0, view1 = (model(view) for view in augmentation(image_set.images, seed=VIEW_SEED))
    model.train(was_training)
    return view0, view1
