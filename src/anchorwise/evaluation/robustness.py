"""The judge of robustness: the linear probe of clean images on test images that are damaged.

The probe's penalty is chosen, and the probe fitted, on clean training rows; then the test images are embedded anew with
each corruption at each severity. The mean corruption error is the mean over corruptions of the mean error over their
severities. It is not divided by AlexNet's, which was never measured on most sets; so compare it on one set alone.

Source: Hendrycks and Dietterich 2019, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
section 4.2, https://arxiv.org/abs/1903.12261.
"""

from statistics import fmean
from typing import Annotated, ClassVar, Literal, final

from pydantic import Field

from anchorwise._config import Positive, Section
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, Judgement, Metric
from anchorwise.evaluation.clean_probe import CLEAN, CleanProbeConfig, choose_clean_probe
from anchorwise.evaluation.corruptions import CORRUPTIONS, Damaged
from anchorwise.evaluation.embed import embed_samples, origin_of
from anchorwise.evaluation.linear import fit_probe
from anchorwise.evaluation.rows import judged_rows, labelled_rows

_MEAN_ERROR = Metric("mean_corruption_error", "mean corruption error", "%", higher_is_better=False)


Corruptions = Literal["noise", "blur", "jpeg"]
Quality = Annotated[int, Field(ge=1, le=95)]


class Severities(Section):
    """Strengths of every corruption, from the mildest; those of CIFAR-10-C, for images of 32 px.

    Attributes:
        noise: Standard deviations of Gaussian noise on the scale of [0, 1].
        blur: Standard deviations of a Gaussian blur in pixels.
        jpeg: Qualities of JPEG, 1 to 95.
    """

    noise: tuple[Positive, ...] = Field(default=CORRUPTIONS["noise"].strengths, min_length=1, max_length=100)
    blur: tuple[Positive, ...] = Field(default=CORRUPTIONS["blur"].strengths, min_length=1, max_length=100)
    jpeg: tuple[Quality, ...] = Field(default=(80, 65, 58, 50, 40), min_length=1, max_length=100)


@final
class Robustness(Judge):
    """Accuracy of the clean-trained linear probe on test images with noise, blur and JPEG; it needs the encoder."""

    class Config(CleanProbeConfig):
        """How images are damaged.

        Attributes:
            corruptions: Which.
            severities: How much.
        """

        name: Literal["robustness"] = "robustness"
        corruptions: tuple[Literal["noise", "blur", "jpeg"], ...] = Field(
            default=("noise", "blur", "jpeg"), min_length=1
        )
        severities: Severities = Severities()

    primary: ClassVar[str] = "mean_corruption_error"
    needs_origin: ClassVar[bool] = True
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The mean error, accuracy on clean images, and on damaged ones by corruption and severity."""
        return (_MEAN_ERROR, CLEAN, *(metric for name in self.config.corruptions for metric in self._levels(name)))

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """The mean error, and accuracy on clean images."""
        return (_MEAN_ERROR, CLEAN)

    def choose(self, train: Embeddings) -> Choices:
        """Choose the penalty of the probe.

        Raises:
            ValueError: If labels are missing or no class has two rows, of two groups where there are groups.
        """
        return choose_clean_probe(train, self.config, self.device)

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Embed and score the test images with every corruption.

        Raises:
            ValueError: If there are rows only, without their samples, or these are no images of bytes.
        """
        samples, frozen = origin_of(test, self.config.name)
        fitted, scored, _ = labelled_rows(train, test, self.device)
        # Before anything long: every corruption looks at the images that it is to damage.
        damaged = {
            metric.name: Damaged(samples, CORRUPTIONS[name], strength, seed=self.config.seed)
            for name in self.config.corruptions
            for metric, strength in zip(self._levels(name), self._strengths(name), strict=True)
        }
        (penalty,) = choices.chosen[CLEAN.name]
        probe = fit_probe(fitted.rows, fitted.labels, penalty=penalty)
        numbers = {CLEAN.name: (probe.accuracy(scored.rows, scored.labels),)}
        for name in self.work.through(list(damaged), "Robustness"):
            rows = judged_rows(embed_samples(frozen, damaged[name], device=self.device), self.device)
            numbers[name] = (probe.accuracy(rows, scored.labels),)
        errors = dict.fromkeys(numbers)
        by_corruption = [
            fmean(1.0 - numbers[metric.name][0] for metric in self._levels(name)) for name in self.config.corruptions
        ]
        return Judgement({"mean_corruption_error": (fmean(by_corruption),), **numbers}, errors)

    def _levels(self, name: str) -> list[Metric]:
        words, strengths = CORRUPTIONS[name].words, self._strengths(name)
        return [
            Metric(f"{name}@{level}", f"{words} {strength:g}", "%", series=words, place=str(level), places="severity")
            for level, strength in enumerate(strengths, 1)
        ]

    def _strengths(self, name: str) -> tuple[float, ...]:
        return tuple(getattr(self.config.severities, name))
