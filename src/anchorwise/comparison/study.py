"""What a comparison compares: one typed tree, as complete as the configuration of a run.

A grid holds settings of the method, its objective and its optimiser, nothing else: data, seeds, budget and judges
are the same for all, and no choice can reach the test samples.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, create_model, model_validator

from anchorwise import _checks, _files
from anchorwise._config import Section, Seed, follows, section_of_json
from anchorwise.comparison.statistics import MAX_SEEDS
from anchorwise.evaluation.registry import DEFAULT_JUDGES, AnyJudges, metrics_of
from anchorwise.methods import AnyMethodConfig, SimCLR
from anchorwise.modalities.registry import SECTIONS, AnyDataConfig, AnyEncoderConfig, AnyViewsConfig
from anchorwise.training import AdamW, ObjectiveConfig, RunConfig, TrainConfig, apply_overrides
from anchorwise.training.config import run_config_of
from anchorwise.training.optimizers import AnyOptimizer
from anchorwise.training.order import Shuffled
from anchorwise.training.orders import AnyOrderConfig

Setting = float | int | bool | str
# Settings as `anchorwise pretrain --set` names them, to their values.
Point = Mapping[str, Setting]

_CHOOSABLE = ("method", "objective", "optimizer")
_IN_WORDS = "grids are over method.*, objective.* and optimizer.*"


class Contender(Section):
    """One objective of a study, or one method with its objective.

    Attributes:
        label: What tables and figures call it; its name in the study if left out.
        method: Trains instead of the study's method, before the settings of a point of the grid.
        objective: The objective, before the settings of a point of the grid; the method's own if left out.
        grid: Points to choose from on validation samples, each a mapping of settings (`objective.temperature`,
            `optimizer.peak_lr`) to values, at most 1,000. A single point is taken as it is and costs nothing.
    """

    label: str = ""
    method: AnyMethodConfig | None = None
    objective: ObjectiveConfig | None = Field(default=None, json_schema_extra=follows("method"))
    grid: tuple[Point, ...] = Field(default=({},), min_length=1, max_length=1000)


class Halving(Section):
    """Successive halving: all points of a grid train for a few epochs, and the best go on to the next, longer rung.

    Rung r of R has `num_epochs / factor ** (R - r)` epochs, rounded, with a whole schedule of its own; the best
    `1 / factor` of its points, rounded up, go on; the last rung has the study's own epochs and chooses, unless one
    point is left before it. Ties go to the point that stands first. What needs many epochs to show is lost: the rungs
    are in the report.

    Source: Jamieson and Talwalkar 2016, Fig. 1, https://arxiv.org/abs/1502.07943, with one bracket.

    Attributes:
        factor: In (1, 1000].
        num_rungs: Rungs, the last included, from 2 to 20; the first has at least one epoch.
    """

    factor: float = Field(default=3.0, gt=1, le=1000)
    num_rungs: int = Field(default=2, ge=2, le=20)

    def epochs(self, num_epochs: int) -> tuple[int, ...]:
        """Return the epochs of every rung."""
        lasts = range(self.num_rungs - 1, -1, -1)
        return tuple(dict.fromkeys(max(1, round(num_epochs / self.factor**last)) for last in lasts))


class Study(Section):
    """A whole comparison, of trainings on images; `study_of` returns the class of studies of something else.

    Attributes:
        name: Of the study; its folder is called so.
        modality: What samples are.
        data_sets: Name to samples. The names, not the paths, identify runs, so a study moves between machines.
        views: How views are made, for all; the data sources' own policies if left out.
        encoder: For all.
        method: For all that bring none of their own.
        order: Which samples make a batch, for all.
        optimizer: For all, before the settings of a point of a grid.
        train: Epochs and steps, the same for all. Its seed stays 0: `seeds` says which.
        budget: Fraction of these epochs that is trained, in (0, 1], at least one epoch; the warm-up shrinks with it.
        objectives: Name to contender.
        baseline: The objective that the others are compared with.
        selection_seeds: Encoder seeds on which points of grids are chosen, by validation accuracy; at most 1,000.
        seeds: Fresh encoder seeds, on which the chosen points are judged on test samples: the replications; at most
            1,000.
        halving: Choose by successive halving; the whole grid has the whole budget if left out.
        judges: Who judges frozen features (`anchorwise.evaluation.registry`).
        primary: The metric that points are chosen by and verdicts are about. One that judges measure on validation
            splits of the labelled training samples, such as "knn" or "linear", is read off there; for any other, such
            as "mrr" of pairs, a run that chooses leaves a tenth of the training samples out and is judged on them.
        smallest_difference: Smaller differences do not matter; as the metric is kept, accuracy in [0, 1].
        interval_level: Of the intervals.
        family: Which differences from the baseline have intervals that hold together: those of all objectives on one
            "data_set", or on all data sets of the "study", which are wider.
        ladder: Objectives in an order in which each changes one thing of the one before, for the waterfall.
        version: Of the code that trains. Results of an earlier one that are kept can be read by naming it; left out, it
            is that of the code here.
        about: What it is for, above the report.
        is_illustrated: Whether the report shows the encoders of the first seed beside their numbers: views, tails,
            nearest neighbours, and what needs no training. Their run directories then keep their checkpoints.
    """

    name: str
    modality: str = "images"
    data_sets: dict[str, AnyDataConfig] = Field(min_length=1)
    views: AnyViewsConfig | None = None
    encoder: AnyEncoderConfig = SECTIONS["images"].encoder()
    method: AnyMethodConfig = SimCLR.Config()
    order: AnyOrderConfig = Shuffled.Config()
    optimizer: AnyOptimizer = AdamW()
    train: TrainConfig = TrainConfig()
    budget: float = Field(default=1.0, gt=0, le=1)
    objectives: dict[str, Contender] = Field(min_length=2)
    baseline: str
    selection_seeds: tuple[Seed, ...] = Field(default=(0,), min_length=1, max_length=MAX_SEEDS)
    seeds: tuple[Seed, ...] = Field(default=(1, 2, 3, 4, 5), min_length=1, max_length=MAX_SEEDS)
    halving: Halving | None = None
    judges: AnyJudges = DEFAULT_JUDGES
    primary: str = "knn"
    smallest_difference: float = Field(default=0.01, ge=0, lt=1)
    interval_level: float = Field(default=0.95, gt=0, lt=1)
    family: Literal["data_set", "study"] = "data_set"
    ladder: tuple[str, ...] = ()
    version: int | None = Field(default=None, ge=1)
    about: str = ""
    is_illustrated: bool = False

    @classmethod
    def kind_of(cls, tree: Any) -> type[Any]:
        """Return the class of studies of the modality that a tree names."""
        name = tree.get("modality", cls.model_fields["modality"].default) if isinstance(tree, Mapping) else None
        return _KINDS.get(name, cls) if isinstance(name, str) else cls

    @model_validator(mode="after")
    def _check(self) -> "Study":
        own = type(self).model_fields["modality"].default
        if _checks.one_of("modality", self.modality, SECTIONS) != own:
            raise ValueError(f"modality must be {own!r} in this class, got {self.modality!r}; take study_of")
        for kind, names in (("study", (self.name,)), ("data set", self.data_sets), ("objective", self.objectives)):
            for name in names:
                _check_name(kind, name)
        for name in (self.baseline, *self.ladder):
            _checks.one_of("objective of a study", name, self.objectives)
        _check_seeds(self.selection_seeds, self.seeds)
        metrics = metrics_of(self.judges)
        ranked = [name for name, metric in metrics.items() if metric.higher_is_better is not None]
        _checks.one_of("primary", self.primary, ranked)
        if self.is_illustrated and self.modality != "images":
            raise ValueError(f"is_illustrated is for images, got modality {self.modality!r}; leave it false")
        if self.train.seed:
            raise ValueError(f"train.seed must be left at 0, got {self.train.seed}; seeds says which seeds there are")
        _ = self.num_epochs  # Budgets and rungs are shares of epochs, so that steps alone are refused.
        self._check_grids()
        return self

    def _check_grids(self) -> None:
        data = next(iter(self.data_sets))
        owners: dict[frozenset[str], str] = {}
        for name, contender in self.objectives.items():
            asked: dict[str, Point] = {}
            for point in contender.grid:
                _check_point(name, point)
                run = self.run_config(data, name, point, seed=0).model_dump_json(include={*_CHOOSABLE})
                if run in asked:
                    raise ValueError(f"objectives.{name}.grid repeats {point_label(point)}; a point stands once")
                asked[run] = point
            if (owner := owners.setdefault(frozenset(asked), name)) != name:
                raise ValueError(f"objectives.{name} repeats objectives.{owner}: both ask for the same runs")

    @property
    def num_epochs(self) -> int:
        """Epochs of a training that the budget leaves."""
        return _epochs(self.train.epochs, self.budget)

    @property
    def chooses_on_held_out(self) -> bool:
        """Whether points are chosen on samples that a training leaves out, not on labelled ones that it saw."""
        return not metrics_of(self.judges)[self.primary].by_split

    @property
    def num_comparisons(self) -> int:
        """Differences from the baseline whose intervals hold together."""
        return (len(self.objectives) - 1) * (len(self.data_sets) if self.family == "study" else 1)

    def label(self, objective: str) -> str:
        """Return what tables call an objective."""
        return self.objectives[objective].label or objective

    def whole_objective(self, objective: str) -> ObjectiveConfig:
        """Return what a contender minimises, before the settings of a point, also where it is its method's own."""
        contender = self.objectives[objective]
        return (contender.objective or ObjectiveConfig()).of((contender.method or self.method).name)

    def run_config(
        self, data_set: str, objective: str, point: Point, *, seed: int, num_epochs: int | None = None
    ) -> RunConfig:
        """Return the configuration of one training; what a contender cannot bring is the same for all.

        Args:
            data_set: Name in `data_sets`.
            objective: Name in `objectives`.
            point: Settings of its grid.
            seed: Encoder seed.
            num_epochs: Of a rung of successive halving; the study's own if left out. The warm-up shrinks with it.

        Raises:
            ValueError: If a setting is unknown or its value refused.
        """
        contender = self.objectives[objective]
        config = run_config_of(self.modality)(
            data=self.data_sets[data_set],
            views=self.views,
            encoder=self.encoder,
            method=contender.method or self.method,
            objective=contender.objective,
            order=self.order,
            optimizer=self.optimizer,
            train=self.train.model_copy(update={"seed": seed}),
            version=self.version,
        )
        if self.budget < 1.0:
            config = shortened(config, self.budget)
        if num_epochs is not None:
            config = shortened(config, num_epochs / self.num_epochs)
        try:
            config = apply_overrides(config, [f"{name}={json.dumps(value)}" for name, value in point.items()])
        except ValueError as error:
            raise ValueError(f"objectives.{objective}.grid, {point_label(point)}: {error}") from error
        # What is judged, and how, is no choice of a grid.
        return config.model_copy(update={"objective": config.whole_objective(), "judges": self.judges})

    def only(self, objectives: Sequence[str]) -> "Study":
        """Return the study of these objectives and the baseline; the ladder stays where all of it does.

        Intervals are corrected for fewer objectives then, which is right if they were named before their test results
        were seen.

        Raises:
            ValueError: If one is not in the study, or none is left beside the baseline.
        """
        wanted = {self.baseline, *(_checks.one_of("--only", name, self.objectives) for name in objectives)}
        if len(wanted) == 1:
            raise ValueError(f"--only must name an objective beside the baseline {self.baseline!r}")
        kept = {name: contender for name, contender in self.objectives.items() if name in wanted}
        return self.model_copy(
            update={"objectives": kept, "ladder": self.ladder if wanted.issuperset(self.ladder) else ()}
        )

    def on(self, data_sets: Sequence[str]) -> "Study":
        """Return the study on these of its data sets; the same holds of its intervals as of `only`.

        Raises:
            ValueError: If one is not in the study.
        """
        wanted = {_checks.one_of("--on", name, self.data_sets) for name in data_sets}
        return self.model_copy(
            update={"data_sets": {name: data for name, data in self.data_sets.items() if name in wanted}}
        )

    def with_budget(self, fraction: float) -> "Study":
        """Return the study with that fraction of its epochs, at least one, for all objectives alike.

        Raises:
            ValueError: If the fraction is not in (0, 1].
        """
        return self.model_copy(update={"budget": _checks.share("--budget", fraction)})


def _of(modality: str) -> type[Study]:
    sections = SECTIONS[modality]
    fields: dict[str, Any] = {
        "modality": (str, modality),
        "data_sets": (dict[str, sections.data], Field(min_length=1)),
        "views": (sections.views | None, None),
        "encoder": (sections.encoder, sections.encoder()),
    }
    return create_model(f"Study_{modality}", __base__=Study, __module__=__name__, __doc__=Study.__doc__, **fields)


_KINDS: Mapping[str, type[Study]] = {
    name: Study if name == Study.model_fields["modality"].default else _of(name) for name in SECTIONS
}


def study_of(modality: str) -> type[Study]:
    """Return the class of studies of trainings on samples of a modality.

    Raises:
        ValueError: If there is none of that name.
    """
    return _KINDS[_checks.one_of("modality", modality, _KINDS)]


def shortened(config: RunConfig, fraction: float) -> RunConfig:
    """Return a run with a fraction of its epochs, at least one, and of its warm-up."""
    num_epochs = _epochs(config.train.epochs, fraction)
    warmup_epochs = config.optimizer.warmup_epochs * num_epochs / config.train.epochs
    return config.model_copy(
        update={
            "train": config.train.model_copy(update={"num_epochs": num_epochs}),
            "optimizer": config.optimizer.model_copy(update={"warmup_epochs": warmup_epochs}),
        }
    )


def _epochs(num_epochs: int, fraction: float) -> int:
    return max(1, round(fraction * num_epochs))


def point_label(point: Point, grid: Sequence[Point] = ()) -> str:
    """Return a point in words; settings that are tied to one value stand once.

    Args:
        point: Its settings.
        grid: What it was chosen from: a number at one of its ends says so, since a better one may lie beyond.
    """
    short = {f"{name.rpartition('.')[2]} {value}{_end(name, value, grid)}": None for name, value in point.items()}
    return ", ".join(short) or "as it is"


def _end(name: str, value: Setting, grid: Sequence[Point]) -> str:
    values = [point[name] for point in grid if name in point]
    tried = {number for number in values if not isinstance(number, bool | str)}
    if len(tried) < 2 or value not in (min(tried), max(tried)):
        return ""
    return f" ({'lowest' if value == min(tried) else 'highest'} tried)"


def load_study(path: Path) -> Study:
    """Read a study from JSON, as `anchorwise compare RECIPE --show-config` prints one.

    Raises:
        FileNotFoundError: If there is no such file.
        UnusableFileError: If it is no study, or a key stands twice in it.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no study at {path}")
    with _files.reading(path):
        tree = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repeats)
        return section_of_json(Study, json.dumps(tree), strict=True)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
    if repeated:
        raise ValueError(f"the study repeats the key {repeated[0]!r}; JSON would silently keep the last")
    return dict(pairs)


def _check_name(kind: str, name: str) -> None:
    if not name or not all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in name):
        raise ValueError(f"the name of a {kind} must be of letters, digits, _ and -, got {name!r}; a label may be free")


def _check_seeds(selection_seeds: Sequence[int], seeds: Sequence[int]) -> None:
    repeated = [seed for seed, count in Counter((*selection_seeds, *seeds)).items() if count > 1]
    if repeated:
        raise ValueError(
            f"seed {repeated[0]} stands twice in selection_seeds and seeds; settings are chosen on other seeds than "
            "those that judge them, and a seed counts once"
        )


def _check_point(objective: str, point: Point) -> None:
    for name, value in point.items():
        section, _, setting = name.partition(".")
        if section in _CHOOSABLE and setting == "name":
            raise ValueError(
                f"objectives.{objective}.grid has {name!r}, which would train another {section} under its label; give "
                "that one an entry of its own in objectives"
            )
        if isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
            raise ValueError(f"objectives.{objective}.grid has {name}={value!s:.20}, which must be a finite number")
        if section in ("data", "judges"):
            raise ValueError(
                f"objectives.{objective}.grid has {name!r}, which decides what is tested on: the choice would touch "
                f"test data; {_IN_WORDS}"
            )
        if section not in _CHOOSABLE:
            raise ValueError(
                f"objectives.{objective}.grid has {name!r}, which must be the same for all objectives; {_IN_WORDS}"
            )
