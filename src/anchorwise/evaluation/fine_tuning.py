"""The judge of fine-tuning: the whole encoder trained further with a share of the labels.

Every share of the labels is a class-balanced draw of training samples, of a group all or none. The learning rate is
chosen on a validation part of the draw, then the encoder is trained once more on the whole draw, and every test sample
is scored once. Finished trainings are kept, so a judgement that was stopped goes on.

Source: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations", Appendix B.5 (1 % and
10 % of the labels, balanced by class; the whole network trained, with crops and flips), https://arxiv.org/abs/2002.05709.
Deviations: AdamW instead of SGD, shifts instead of crops, and fewer passes, for sets and processors of any size.
"""

from dataclasses import asdict
from functools import partial
from typing import Annotated, ClassVar, Literal, final

from jaxtyping import Int64
from pydantic import Field, FiniteFloat
from torch import Tensor

from anchorwise._config import Count, Epochs, Positive, Seed
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import origin_of
from anchorwise.evaluation.rows import check_several, numbered_classes, numbered_groups
from anchorwise.evaluation.splits import stratified_split
from anchorwise.evaluation.tuning import Classified, Recipe, accuracy, tuned
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.selection import balanced_draw

# n = samples, m = drawn samples

Share = Annotated[float, Field(gt=0, le=1)]

_FEWEST = 2  # Labels of a class: one to train on and one to choose by.


@final
class FineTuning(Judge):
    """Test accuracy of the encoder trained further with 1, 10 and 100 % of the labels; it needs the encoder."""

    class Config(JudgeConfig):
        """How the encoder is trained.

        Attributes:
            label_shares: Shares of the training labels, in (0, 1], at least two labels of a class.
            seeds: One draw of the labels each, with its validation part, order and shifts.
            peak_lrs: Learning rates to choose from.
            num_epochs: Passes over the draw.
            min_steps: Steps taken at least, by more passes over a small draw.
            batch_size: Samples of a batch.
            weight_decay: Of weights of more than one axis.
            flip_probability: Of mirroring an image: 0 for digits, letters and signs.
            shift_fraction: Largest shift of an image along each axis over its size.
            validation_fraction: Share of every class of the draw on which the learning rate is chosen.
        """

        name: Literal["fine_tuning"] = "fine_tuning"
        label_shares: tuple[Share, ...] = Field(default=(0.01, 0.1, 1.0), min_length=1, max_length=100)
        seeds: tuple[Seed, ...] = Field(default=(0,), min_length=1, max_length=1000)
        peak_lrs: tuple[Positive, ...] = Field(default=(3e-4, 1e-3), min_length=1, max_length=100)
        num_epochs: Epochs = 20
        min_steps: Count = 200
        batch_size: int = Field(default=128, ge=2, le=10**9)
        weight_decay: FiniteFloat = Field(default=1e-4, ge=0)
        flip_probability: float = Field(default=0.5, ge=0, le=1)
        shift_fraction: float = Field(default=0.125, ge=0, le=1)
        validation_fraction: float = Field(default=0.2, gt=0, lt=1)

    primary: ClassVar[str] = "fine_tuned@100%"
    needs_origin: ClassVar[bool] = True
    splits: ClassVar[str] = "draws of the labels: which are drawn, and the choice of the learning rate"
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy at every share of the labels, the largest first."""
        return tuple(
            Metric(_name(share), f"fine-tuned, {_percent(share)} of labels", "%", by_split=True)
            for share in sorted(self.config.label_shares, reverse=True)
        )

    @property
    def split_seeds(self) -> tuple[int, ...]:
        """One draw each."""
        return self.config.seeds

    def choose(self, train: Embeddings) -> Choices:
        """Choose the learning rate of every draw on a validation part of it.

        Raises:
            ValueError: If there are rows only, without their samples; if labels are missing or all of one class, or no
                class of a draw has two rows, of two groups where there are groups.
        """
        samples, frozen = origin_of(train, self.config.name)
        (labels,), names = numbered_classes(train)
        check_several(labels)
        everything, groups = Classified(samples, labels, len(names)), numbered_groups(train)
        validation, chosen = dict[str, tuple[float, ...]](), dict[str, tuple[float, ...]]()
        for share in self.config.label_shares:
            tried = [self._best_rate(frozen, everything, groups, share, seed) for seed in self.config.seeds]
            chosen[_name(share)] = tuple(rate for rate, _ in tried)
            validation[_name(share)] = tuple(accuracy for _, accuracy in tried)
        return Choices(validation, chosen)

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Train on whole draws and score every test sample.

        Raises:
            ValueError: If there are rows only, without their samples, or labels are missing.
        """
        (samples, frozen), (others, _) = (origin_of(part, self.config.name) for part in (train, test))
        (labels, truth), names = numbered_classes(train, test)
        everything, scored = Classified(samples, labels, len(names)), Classified(others, truth, len(names))
        numbers, sizes = dict[str, tuple[float, ...]](), list[str]()
        for share in self.config.label_shares:
            draws = [self._drawn(labels, numbered_groups(train), share, seed) for seed in self.config.seeds]
            numbers[_name(share)] = tuple(
                self._accuracy(frozen, everything.of(drawn), scored, rate, seed, f"{_percent(share)} of labels")
                for drawn, rate, seed in zip(draws, choices.chosen[_name(share)], self.config.seeds, strict=True)
            )
            sizes.append(f"{_percent(share)} of the labels are {len(draws[0]):,}")
        return Judgement(numbers, dict.fromkeys(numbers), notes=(f"Fine-tuning: {', '.join(sizes)}.",))

    def _best_rate(
        self, frozen: FrozenEncoder, everything: Classified, groups: Tensor | None, share: float, seed: int
    ) -> tuple[float, float]:
        """Return the learning rate with the highest validation accuracy, the first of equals, and that accuracy."""
        drawn = self._drawn(everything.labels, groups, share, seed)
        split = stratified_split(
            everything.labels[drawn],
            validation_fraction=self.config.validation_fraction,
            seed=seed,
            groups=None if groups is None else groups[drawn],
        )
        fitted, held = everything.of(drawn[split.train]), everything.of(drawn[split.validation])
        what = f"{_percent(share)} of labels, to choose"
        tried = {rate: self._accuracy(frozen, fitted, held, rate, seed, what) for rate in self.config.peak_lrs}
        best = max(tried, key=lambda rate: tried[rate])
        return best, tried[best]

    def _accuracy(
        self, frozen: FrozenEncoder, fitted: Classified, scored: Classified, rate: float, seed: int, what: str
    ) -> float:
        config, words = self.config, f"Fine-tuning, {what}, rate {rate:g}"
        recipe = Recipe(
            peak_lr=rate,
            num_epochs=config.num_epochs,
            min_steps=config.min_steps,
            batch_size=config.batch_size,
            weight_decay=config.weight_decay,
            flip_probability=config.flip_probability,
            shift_fraction=config.shift_fraction,
        )

        def made() -> dict[str, float]:
            epochs = partial(self.work.through, what=words)
            network = tuned(frozen, fitted, recipe, seed=seed, device=self.device, epochs=epochs)
            return {"accuracy": accuracy(network, frozen, scored, self.device)}

        facts = {"encoder": frozen.weights_digest, "fitted": fitted.facts(), "scored": scored.facts(), "seed": seed}
        return self.work.piece({"fine_tuning": asdict(recipe), **facts}, made)["accuracy"]

    def _drawn(
        self, labels: Int64[Tensor, " n"], groups: Int64[Tensor, " n"] | None, share: float, seed: int
    ) -> Int64[Tensor, " m"]:
        fewest = min(_FEWEST * len(labels.unique()), len(labels))
        return balanced_draw(labels, max(fewest, round(share * len(labels))), seed=seed, groups=groups)


def _name(share: float) -> str:
    return f"fine_tuned@{100 * share:g}%"


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
