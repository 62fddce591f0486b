"""What judging features comes to, how it was judged, and how that is read."""

from pathlib import Path

from pydantic import Field

from anchorwise import _files
from anchorwise._config import Section
from anchorwise.evaluation.classification import Classification, ClassificationSettings
from anchorwise.evaluation.geometry_judge import GeometryJudge
from anchorwise.evaluation.statistics import Interval, RowInterval
from anchorwise.reporting.notebook import notebook_table


class EvaluationConfig(ClassificationSettings):
    """How features are judged, and how sure the numbers are to be.

    Attributes:
        interval_level: Confidence level of the intervals.
    """

    interval_level: float = Field(default=0.95, gt=0, lt=1)

    @property
    def judges(self) -> tuple[Classification.Config, GeometryJudge.Config]:
        """Who is asked."""
        settings = self.model_dump(include=set(ClassificationSettings.model_fields))
        return Classification.Config(**settings), GeometryJudge.Config()


class ClassifierScores(Section):
    """Test accuracy of one classifier, by split seed.

    Attributes:
        accuracy: In [0, 1], mean and interval over the seeds.
        accuracies: One per seed.
        chosen: The setting chosen on that seed's split: penalty or k.
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
    class_alignment: float | None


class Evaluation(Section):
    """What frozen features are worth.

    Attributes:
        num_train: Rows the classifiers were fitted on.
        num_test: Rows scored; none is left out.
        num_features: Width of a row.
        linear: Linear probe.
        knn: Weighted kNN, k chosen on the split.
        knn_accuracy: k to test accuracy, for the fixed values of k.
        recall: k to recall, each test row searched for among the other test rows.
        class_accuracy: Class to the linear probe's accuracy on it, mean over seeds.
        over_test_rows: Name of a number ("linear", "knn", "knn@20", "recall@1", "effective_rank", "uniformity",
            "class_alignment") to its interval over test rows: Wilson's for shares, otherwise by the influence of rows
            (`anchorwise.evaluation.influence`).
        geometry: Of the test features.
        config: How they were judged.
        notes: What a reader left out of files, in sentences.
    """

    num_train: int
    num_test: int
    num_features: int
    linear: ClassifierScores
    knn: ClassifierScores
    knn_accuracy: dict[int, float]
    recall: dict[int, float]
    class_accuracy: dict[str, float]
    geometry: Geometry
    config: EvaluationConfig
    over_test_rows: dict[str, RowInterval] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Write `path` as JSON, whole or not at all."""
        _files.write_text(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Evaluation":
        """Read what `save` wrote."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))

    @property
    def headline(self) -> str:
        """The two accuracies in a sentence."""
        linear, knn = (f"{100 * one.accuracy.mean:.1f} %" for one in (self.linear, self.knn))
        return f"A linear probe classifies {linear} of {self.num_test:,} test rows correctly, nearest neighbours {knn}."

    def rows(self) -> list[tuple[str, str, str]]:
        """Return name, value and intervals of the main numbers as text; accuracies in percent."""
        geometry = self.geometry
        return [
            ("linear probe %", _percent(self.linear.accuracy.mean), self._spread("linear", self.linear)),
            ("kNN %, k chosen", _percent(self.knn.accuracy.mean), self._spread("knn", self.knn)),
            *(
                (f"recall@{k} %", _percent(value), self._over_test(f"recall@{k}"))
                for k, value in list(self.recall.items())[:1]
            ),
            (
                f"effective rank of {self.num_features}",
                f"{geometry.effective_rank:.1f}",
                self._around("effective_rank", 1),
            ),
            ("uniformity", f"{geometry.uniformity:.3f}", f"{self._around('uniformity', 3)}  lower: more even"),
            (
                "class alignment",
                "-" if geometry.class_alignment is None else f"{geometry.class_alignment:.3f}",
                f"{self._around('class_alignment', 3)}  lower: tighter classes",
            ),
        ]

    def what_intervals_cover(self) -> str:
        """Return what the intervals of `rows` cover, in words."""
        level, num_splits = f"{100 * self.config.interval_level:g} %", len(self.config.split_seeds)
        lines = [f"[ ]: {level} interval over test rows: what {self.num_test:,} other ones might give."]
        if num_splits > 1:
            lines.append(f"+-: {level} interval over {num_splits} validation splits: the choice of the setting only.")
        return "\n".join([*lines, "No interval covers another training of the encoder."])

    def _spread(self, name: str, scores: ClassifierScores) -> str:
        half_width = scores.accuracy.half_width
        return self._over_test(name) + ("" if half_width is None else f"  +- {100 * half_width:.2f} over splits")

    def _over_test(self, name: str) -> str:
        interval = self.over_test_rows.get(name)
        return "" if interval is None else f"[{100 * interval.low:.2f}, {100 * interval.high:.2f}]"

    def _around(self, name: str, digits: int) -> str:
        interval = self.over_test_rows.get(name)
        return "" if interval is None else f"[{interval.low:.{digits}f}, {interval.high:.{digits}f}]"

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


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"
