"""What judging features comes to, how it was judged, and how that is read."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from pydantic import Field

from anchorwise import _files
from anchorwise._config import Section, section_of
from anchorwise.evaluation.base import Judge, JudgeConfig, Metric, name_of
from anchorwise.evaluation.registry import DEFAULT_JUDGES, AnyJudges, judges_of, settings_of
from anchorwise.evaluation.statistics import Interval, RowInterval, t_interval
from anchorwise.reporting.notebook import notebook_table

NO_TRAINING = "No interval covers another training of the encoder."


class EvaluationConfig(Section):
    """Who judges features, and how sure the numbers are to be.

    Attributes:
        judges: Who is asked, each with its settings.
        interval_level: Confidence level of the intervals.
    """

    judges: AnyJudges = DEFAULT_JUDGES
    interval_level: float = Field(default=0.95, gt=0, lt=1)


def evaluation_config(
    judges: Any = None, *, like: Sequence[JudgeConfig] = (), interval_level: float = 0.95
) -> EvaluationConfig:
    """Return how features are judged.

    Args:
        judges: Who is asked, as `settings_of` takes them.
        like: Settings of those that are given by their names alone, likewise.
        interval_level: Confidence level of the intervals.

    Raises:
        ValueError: If there is no such judge, one is named twice, or a setting is wrong.
    """
    return section_of(EvaluationConfig, {"judges": settings_of(judges, like), "interval_level": interval_level})


class JudgeResult(Section):
    """What one judge says.

    Attributes:
        numbers: Metric to its values: one per split where a setting was chosen on splits, else one.
        validation: Metric to its values on validation parts of the training rows, one per split.
        chosen: Metric to the settings chosen on them, one per split.
        over_test_rows: Metric to its interval over test rows, or over what it says itself (`Metric.over`): Wilson's for
            shares, otherwise by the influence of rows (`anchorwise.evaluation.influence`) or a standard error.
        by_class: Class to its share of right answers.
        notes: What has to be known beside the numbers, in sentences.
    """

    numbers: dict[str, tuple[float, ...]]
    validation: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    chosen: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    over_test_rows: dict[str, RowInterval] = Field(default_factory=dict)
    by_class: dict[str, float] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()


class ClassifierScores(Section):
    """Test accuracy with a setting that was chosen on validation splits, by split seed.

    Attributes:
        accuracy: In [0, 1], mean and interval over the seeds.
        accuracies: One per seed.
        chosen: The setting chosen on that seed's split, such as a penalty or k.
        validation_accuracies: Accuracy of the chosen setting on that split.
    """

    accuracy: Interval
    accuracies: tuple[float, ...]
    chosen: tuple[float, ...]
    validation_accuracies: tuple[float, ...]


class Geometry(Section):
    """How the test features fill their space (`anchorwise.evaluation.geometry`)."""

    effective_rank: float
    uniformity: float
    class_alignment: float | None = None


@dataclass(frozen=True)
class Places:
    """A table of one question asked at several places, such as kNN at several k.

    Attributes:
        places: What the columns are, such as "neighbours".
        columns: The places.
        rows: Label and number at every place, "-" where there is none.
    """

    places: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Evaluation(Section):
    """What frozen features are worth.

    Attributes:
        num_train: Rows that classifiers were fitted on.
        num_test: Rows scored; none is left out.
        num_features: Width of a row.
        judged: Judge to what it says.
        config: How they were judged.
        judged_on: What tells encoder and samples from others; None of bare rows, and in files of earlier versions.
        notes: What a reader left out of files, and what judges noted, in sentences.
    """

    num_train: int
    num_test: int
    num_features: int
    judged: dict[str, JudgeResult]
    config: EvaluationConfig
    judged_on: str | None = None
    notes: tuple[str, ...] = ()

    def beside(self, earlier: "Evaluation") -> "Evaluation":
        """Return this with what other judges said before of the same encoder and samples; alone where they differ."""
        is_same = self.judged_on is not None and self.judged_on == earlier.judged_on
        if not is_same or self.config.interval_level != earlier.config.interval_level:
            return self
        judges = {judge.name: judge for judge in (*earlier.config.judges, *self.config.judges)}
        return self.model_copy(
            update={
                "judged": {**earlier.judged, **self.judged},
                "config": self.config.model_copy(update={"judges": tuple(judges.values())}),
                "notes": tuple(dict.fromkeys((*earlier.notes, *self.notes))),
            }
        )

    def save(self, path: Path | str) -> None:
        """Write `path` as JSON, whole or not at all, with every number by the name of its metric in `metrics`."""
        tree = {"metrics": self.numbers, **self.model_dump(mode="json")}
        _files.write_text(Path(path), json.dumps(tree, indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> "Evaluation":
        """Read what `save` wrote."""
        tree = json.loads(Path(path).read_text(encoding="utf-8"))
        return cls.model_validate({name: part for name, part in tree.items() if name != "metrics"})

    @cached_property
    def judges(self) -> list[Judge]:
        """Who was asked."""
        return judges_of(self.config.judges)

    @property
    def numbers(self) -> dict[str, float]:
        """Every metric's name to its number, the mean where there are several.

        Where two judges that were set otherwise say different things by one name, that of the judge stands before it,
        as in `robustness.clean`.
        """
        return {
            self._name(judge, name): fmean(values)
            for judge, judged in self.judged.items()
            for name, values in judged.numbers.items()
        }

    @property
    def over_test_rows(self) -> dict[str, RowInterval]:
        """Every metric's name to its interval (`JudgeResult.over_test_rows`)."""
        return {
            self._name(judge, name): interval
            for judge, judged in self.judged.items()
            for name, interval in judged.over_test_rows.items()
        }

    def scores(self, metric: str) -> ClassifierScores:
        """Return test accuracies of a metric that has a setting chosen on splits, such as "linear" or "knn".

        Raises:
            ValueError: If no judge that was asked measures it.
        """
        for judged in self.judged.values():
            if metric in judged.chosen and metric in judged.numbers:
                values = judged.numbers[metric]
                return ClassifierScores(
                    accuracy=t_interval(values, level=self.config.interval_level),
                    accuracies=values,
                    chosen=judged.chosen[metric],
                    validation_accuracies=judged.validation[metric],
                )
        asked = ", ".join(self.judged)
        raise ValueError(f"{metric!r} has no setting that a judge chose; asked were {asked}")

    @property
    def linear(self) -> ClassifierScores:
        """Of the linear probe."""
        return self.scores("linear")

    @property
    def knn(self) -> ClassifierScores:
        """Of weighted kNN, k chosen on the splits."""
        return self.scores("knn")

    @property
    def recall(self) -> dict[int, float]:
        """K to recall, each test row searched for among the other test rows."""
        return self._at("recall@")

    @property
    def knn_accuracy(self) -> dict[int, float]:
        """K to test accuracy of kNN, for the fixed values of k."""
        return self._at("knn@")

    @property
    def class_accuracy(self) -> dict[str, float]:
        """Class to the linear probe's accuracy on it, mean over seeds."""
        return self._said_by("classification").by_class

    @property
    def geometry(self) -> Geometry:
        """How the test features fill their space.

        Raises:
            ValueError: If the judge of geometry was not asked.
        """
        return Geometry(**{name: one for name, (one,) in self._said_by("geometry").numbers.items()})

    @property
    def headline(self) -> str:
        """The most telling numbers of every judge in a sentence."""
        words = [metric.text(self._number(judge, metric)) for judge in self.judges for metric in self._heads(judge)]
        return f"Of {self.num_test:,} test rows: {', '.join(words)}."

    def rows(self) -> list[tuple[str, str, str]]:
        """Return name, value and intervals of the main numbers as text, in the unit of each."""
        found = []
        for judge in self.judges:
            heads = self._heads(judge)
            for metric in self._measured(judge):
                if not metric.series or metric in heads:
                    value = metric.number(self._number(judge, metric))
                    found.append((metric.heading, value, "  ".join(filter(None, self._spread(judge, metric)))))
        return found

    def tables(self) -> list[Places]:
        """Return what was asked at several places, such as kNN and recall at several numbers of neighbours."""
        found = []
        for judge in self.judges:
            metrics = [metric for metric in self._measured(judge) if metric.series]
            for places in dict.fromkeys(metric.places for metric in metrics):
                found.append(self._table(judge, places, [metric for metric in metrics if metric.places == places]))
        return found

    def what_intervals_cover(self) -> str:
        """Return what the intervals of `rows` cover, in words."""
        lines, level = brackets([self]), f"{100 * self.config.interval_level:g} %"
        for judge in self.judges:
            if len(judge.split_seeds) > 1 and any(metric.by_split for metric in self._measured(judge)):
                lines.append(f"+-: {level} interval over {len(judge.split_seeds)} {judge.splits}.")
        return "\n".join([*lines, NO_TRAINING])

    def in_brackets(self) -> list[Metric]:
        """Return the metrics that have an interval over test rows, or over what they say themselves."""
        return [
            metric
            for judge in self.judges
            for metric in self._measured(judge)
            if metric.name in self._said_by(judge.config.name).over_test_rows
        ]

    def _said_by(self, judge: str) -> JudgeResult:
        if judge not in self.judged:
            raise ValueError(f"judge {judge!r} was not asked, only {', '.join(self.judged)}; name it among the judges")
        return self.judged[judge]

    def _at(self, prefix: str) -> dict[int, float]:
        return {
            int(name.removeprefix(prefix)): value for name, value in self.numbers.items() if name.startswith(prefix)
        }

    def _measured(self, judge: Judge) -> list[Metric]:
        return [metric for metric in judge.metrics if metric.name in self._said_by(judge.config.name).numbers]

    def _heads(self, judge: Judge) -> list[Metric]:
        return [metric for metric in judge.headlines if metric.name in self._said_by(judge.config.name).numbers]

    def _number(self, judge: Judge, metric: Metric) -> float:
        return fmean(self._said_by(judge.config.name).numbers[metric.name])

    def _name(self, judge: str, metric: str) -> str:
        """Return what a number is called among those of all judges."""
        said = {one.numbers[metric] for one in self.judged.values() if metric in one.numbers}
        return metric if len(said) == 1 else name_of(judge, metric)

    def _spread(self, judge: Judge, metric: Metric) -> Iterator[str]:
        """Yield the intervals of a number, and what it is."""
        said = self._said_by(judge.config.name)
        if (interval := said.over_test_rows.get(metric.name)) is not None:
            yield metric.brackets(interval.value, interval.low, interval.high)
        values = said.numbers[metric.name]
        half_width = t_interval(values, level=self.config.interval_level).half_width
        if metric.by_split and half_width is not None:
            yield f"+- {metric.number(half_width)} over {judge.splits.partition(':')[0].split()[-1]}"
        if metric.about:
            yield metric.about

    def _table(self, judge: Judge, places: str, metrics: list[Metric]) -> Places:
        columns = tuple(dict.fromkeys(metric.place for metric in metrics))
        if all(place.isdecimal() for place in columns):
            columns = tuple(sorted(columns, key=int))
        rows: dict[str, dict[str, str]] = {}
        for metric in metrics:
            label = f"{metric.series} {metric.unit}".rstrip()
            rows.setdefault(label, {})[metric.place] = metric.number(self._number(judge, metric))
        cells = tuple((label, *(row.get(column, "-") for column in columns)) for label, row in rows.items())
        return Places(places, columns, cells)

    def __repr__(self) -> str:
        return f"<Evaluation. {' '.join((self.headline, *self.notes))}>"

    __str__ = __repr__  # Pydantic's own prints every number.

    def _repr_html_(self) -> str:
        return notebook_table([*self.notes, self.headline, *self.what_intervals_cover().splitlines()], self.rows())

    def report(self, path: Path | str, *, source: str = "an encoder") -> Path:
        """Write a report, one HTML file that loads nothing, and return its path.

        Args:
            path: Where; a file that is there is replaced.
            source: What was judged, for the title.
        """
        from anchorwise.evaluation.report import evaluation_report  # It shows what is defined here.

        evaluation_report(self, source=source).write(Path(path))
        return Path(path)


def brackets(results: Sequence[Evaluation]) -> list[str]:
    """Return, a line each, what the intervals in brackets are over, of one evaluation or of one for every data set."""
    over = dict[str, dict[str, None]]()
    for result in results:
        for metric in result.in_brackets():
            over.setdefault(metric.over, {})[metric.series or metric.label] = None
    lines = []
    for words, labels in sorted(over.items()):
        whose = f" of {', '.join(labels)}" if words and len(over) > 1 else ""
        others = f": what {results[0].num_test:,} other ones might give" if len(results) == 1 else ""
        level = f"{100 * results[0].config.interval_level:g} %"
        lines.append(f"[ ]{whose}: {level} interval over {words or f'test rows{others}'}.")
    return lines
