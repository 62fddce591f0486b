"""What a judge is: a question to frozen features, answered in numbers of which everybody knows how to write them.

Whoever shows numbers - tables, reports, progress lines - takes names, labels, units and directions from `Metric` and
knows none by name, so a judge is one file and one line of `anchorwise.evaluation.registry`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch

from anchorwise._config import Named
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.work import AT_WORK, Work

Unit = Literal["%", "ms", "s", "MiB", "samples/s", ""]
# Numbers are kept in [0, 1], in seconds, in MiB; they are shown in their unit.
_FACTORS: dict[str, float] = {"%": 100.0, "ms": 1000.0}


@dataclass(frozen=True)
class Metric:
    """A number, and how it is written.

    Attributes:
        name: In results and logs.
        label: In tables, sentences and along axes.
        unit: In which it is shown: "%" of what is kept in [0, 1], "ms" of what is kept in seconds.
        higher_is_better: None where neither end is a merit.
        by_split: One value per validation split, on which a setting is chosen: such numbers are there for validation
            rows too, so points of grids can be chosen by them, and verdicts can be about them.
        digits: Behind the point, as shown.
        about: What it is, in a few words for an axis.
        series: Of one question asked at several places, such as kNN at several k: what they have in common. They stand
            in one row of a table.
        place: Where it was asked, above a column, such as "20".
        places: What the places are, such as "neighbours".
        over: What its interval is over, where that is not other test rows.
        bounds: The least and the greatest that a kept number can be, (0, 1) of a "%" and none of others if left out.
    """

    name: str
    label: str
    unit: Unit = ""
    higher_is_better: bool | None = True
    by_split: bool = False
    digits: int = 2
    about: str = ""
    series: str = ""
    place: str = ""
    places: str = ""
    over: str = ""
    bounds: tuple[float, float] | None = None

    @property
    def heading(self) -> str:
        """Label and unit, as above a column."""
        return f"{self.label} {self.unit}".rstrip()

    @property
    def factor(self) -> float:
        """What a kept number is multiplied with to be shown."""
        return _FACTORS.get(self.unit, 1.0)

    @property
    def sign(self) -> float:
        """Multiplies a difference so that above 0 is better."""
        return -1.0 if self.higher_is_better is False else 1.0

    @property
    def difference_unit(self) -> str:
        """In which a difference is said: of percentages it is in points."""
        return "points" if self.unit == "%" else self.unit

    def within(self, value: float, low: float, high: float, *, is_difference: bool = False) -> tuple[float, float]:
        """Return the ends of a value's interval as they are shown: where the number ends, the interval does.

        What is cut off holds no value that the number can have, so that the interval covers as often as before.
        """
        least, most = self.bounds or ((0.0, 1.0) if self.unit == "%" else (-math.inf, math.inf))
        if is_difference:
            least, most = least - most, most - least
        return max(low, min(least, value)), min(high, max(most, value))

    def brackets(self, value: float, low: float, high: float, *, is_difference: bool = False) -> str:
        """Return a value's interval in its unit, `within` what it can be."""
        low, high = self.within(value, low, high, is_difference=is_difference)
        return f"[{self.number(low)}, {self.number(high)}]"

    def of(self, judge: str) -> "Metric":
        """Return this one as it is called beside another judge's of the same name, as in `robustness.clean`."""
        return replace(self, name=name_of(judge, self.name), label=f"{self.label} ({judge})")

    def number(self, value: float) -> str:
        """Return a value in its unit, without the unit."""
        return f"{self.factor * value:.{self.digits}f}"

    def text(self, value: float) -> str:
        """Return label, value and unit, as a line of progress has them."""
        gap = "" if self.unit == "%" else " "
        return f"{self.label} {self.number(value)}{gap}{self.unit}".strip()


def name_of(judge: str, metric: str) -> str:
    """Return what a judge's number is called where another judge has one of the same name."""
    return f"{judge}.{metric}"


class JudgeConfig(Named):
    """How a judge judges; each has its own settings in its class, and there a `name` too."""


@dataclass(frozen=True)
class Choices:
    """What was chosen on training rows alone.

    Attributes:
        validation: Metric to its values on validation parts of the training rows, one per split.
        chosen: Metric to the settings that were chosen, such as values of k, one per split.
    """

    validation: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    chosen: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """What test rows came to.

    Attributes:
        numbers: Metric to its values: one per validation split where it is `by_split`, else one.
        errors: Metric to the standard error of its mean over test rows; None for a share of independent rows, whose
            number says it.
        counts: Metric to the number of things that its interval is over, where these are no test rows.
        by_class: Class to its share of right answers.
        notes: What has to be known beside the numbers, in sentences.
    """

    numbers: Mapping[str, tuple[float, ...]]
    errors: Mapping[str, float | None] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    by_class: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Judge(ABC):
    """A question to frozen features.

    Settings are chosen by `choose`, which is given no test row and so can look at none; `judge` then scores every test
    row once. A judge that also needs the encoder, or the samples themselves, asks the rows for their
    `anchorwise.evaluation.embed.origin_of`: rows of a file have none.

    Args:
        config: Settings, of the class's own `Config`.
        device: Where to compute.
        work: How long work is shown and kept.

    Attributes:
        primary: Name of the metric that stands for the whole judgement.
        watched: What `watch` measures; the first stands on the line of progress.
        needs_origin: Whether it asks for the samples and their encoder, and cannot judge rows alone.
        splits: What values that are `by_split` are over, and what their interval covers.
    """

    Config: ClassVar[type[JudgeConfig]]
    primary: ClassVar[str]
    watched: ClassVar[tuple[Metric, ...]] = ()
    needs_origin: ClassVar[bool] = False
    splits: ClassVar[str] = "validation splits: the choice of the setting only"

    def __init__(self, config: JudgeConfig, *, device: torch.device | str = "cpu", work: Work = AT_WORK) -> None:
        self.config, self.device, self.work = config, torch.device(device), work

    @property
    @abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """What is measured, the most telling first."""

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """What stands in a table that has room for a few; `metrics` if left out."""
        return self.metrics

    @property
    def split_seeds(self) -> tuple[int, ...]:
        """Seeds of the validation splits: a metric that is `by_split` has one value for each."""
        return (0,)

    def choose(self, train: Embeddings) -> Choices:
        """Choose settings on training rows; a judge without any overrides nothing.

        Raises:
            ValueError: If the rows lack what the judge needs, such as labels.
        """
        return Choices()

    @abstractmethod
    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Score test rows.

        Raises:
            ValueError: If the two sets do not belong together, or lack what the judge needs.
        """

    def watch(self, train: Embeddings) -> Mapping[str, float]:
        """Return `watched` numbers of training rows while the encoder trains: cheap, and empty where they say nothing.

        Args:
            train: At most some thousand training rows, labelled or not.
        """
        return {}

    @classmethod
    def warning(cls, numbers: Mapping[str, float]) -> str:
        """Return in words what is wrong by such numbers, whether watched or of a test; empty if nothing is."""
        return ""
