"""What judges of pairs have in common: rows of test samples, rows of what belongs to them, and one question to both.

The question is put to the encoder's rows and, where samples have words, to words that were counted (TF-IDF).
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, Judgement, Metric
from anchorwise.evaluation.embed import origin_of
from anchorwise.evaluation.partners import Pairs, pairs_of, word_pairs
from anchorwise.modalities.samples import Samples

TF_IDF = "tf_idf_"


@dataclass(frozen=True)
class Answer:
    """What rows answer.

    Attributes:
        numbers: By name of the metric.
        errors: Standard errors of those that have one.
        counts: What numbers are a mean over, where that is not the test samples.
    """

    numbers: Mapping[str, float]
    errors: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


class PairJudge(Judge):
    """A judge of pairs; nothing is chosen. Subclasses say in `asked` what they measure, and in `answer` how.

    Attributes:
        asked: What is measured on the encoder's rows.
        asks_words: Whether counted words are asked the same.
    """

    needs_origin: ClassVar[bool] = True
    asked: ClassVar[tuple[Metric, ...]]
    asks_words: ClassVar[bool] = True

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Those of the encoder, then those of counted words."""
        words = (replace(each, name=f"{TF_IDF}{each.name}", label=f"TF-IDF {each.label}") for each in self.asked)
        return (*self.asked, *(words if self.asks_words else ()))

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """Those of the encoder."""
        return self.asked

    @property
    def takes_all(self) -> bool:
        """Whether all that belongs to a sample is asked, or the first of it."""
        return False

    @abstractmethod
    def answer(self, pairs: Pairs, samples: Samples) -> Answer:
        """Return what rows answer.

        Raises:
            ValueError: If the samples lack what is asked about, such as scores.
        """

    def notes(self, pairs: Pairs, samples: Samples) -> tuple[str, ...]:
        """Return in sentences what was asked of how many; nothing where the numbers say it."""
        return ()

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Ask the encoder's rows, then counted words.

        Raises:
            ValueError: If nothing belongs to the test samples, or they lack what is asked about.
        """
        who = self.config.name
        samples, _ = origin_of(test, who)
        pairs = pairs_of(test, who, self.device, takes_all=self.takes_all)
        answers = {"": self.answer(pairs, samples)}
        if self.asks_words and (words := word_pairs(train, test, who, takes_all=self.takes_all)) is not None:
            answers[TF_IDF] = self.answer(words, samples)
        return Judgement(
            {f"{of}{name}": (value,) for of, each in answers.items() for name, value in each.numbers.items()},
            {f"{of}{name}": value for of, each in answers.items() for name, value in each.errors.items()},
            {f"{of}{name}": value for of, each in answers.items() for name, value in each.counts.items()},
            notes=self.notes(pairs, samples),
        )
