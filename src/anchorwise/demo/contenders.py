"""What the demo compares: every column of its report, with all that was measured on it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anchorwise.diagnostics.exceedances import Exceedances, pooled_exceedances
from anchorwise.diagnostics.laws import TailFit, fit_laws
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.embed import embed_splits, pixels, test_of
from anchorwise.evaluation.evaluate import Evaluation, evaluate
from anchorwise.evaluation.statistics import Interval, t_interval
from anchorwise.modalities.base import Samples, Splits
from anchorwise.reporting.figures import BLUE, GREY, ORANGE
from anchorwise.training.run_embeddings import two_view_embeddings
from anchorwise.training.state import RunState

PIXELS, UNTRAINED = "pixels", "untrained"
COLOURS = {"InfoNCE": BLUE, "WEINCE": ORANGE, UNTRAINED: GREY}


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
    test: Embeddings
    exceedances: Exceedances | None = None
    fit: TailFit | None = None

    def over_seeds(self, number: Callable[[Evaluation], float]) -> Interval:
        """Return mean and t-interval over seeds of one number of the evaluations."""
        return t_interval([number(evaluation) for evaluation in self.evaluations])


def judge_pixels(name: str, splits: Splits[Samples]) -> Contender:
    """Judge the pixels themselves."""
    train, test = pixels(splits.train, split="train"), pixels(test_of(splits), split="test")
    return Contender(name, [evaluate(train, test)], test)


def judge_runs(name: str, states: Sequence[RunState], splits: Splits[Samples]) -> Contender:
    """Judge the frozen encoders of one run per seed, and look at the tail of the first."""
    pairs = [embed_splits(state.frozen(), splits) for state in states]
    exceedances = pooled_exceedances(*two_view_embeddings(states[0], splits.train))
    return Contender(
        name, [evaluate(train, test) for train, test in pairs], pairs[0][1], exceedances, fit_laws(exceedances)
    )
