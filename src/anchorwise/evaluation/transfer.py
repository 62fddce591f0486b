"""One frozen encoder judged on several data sets: one table, and a set that fails does not lose the others."""

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean

import torch
from pydantic import Field

from anchorwise import _files
from anchorwise._config import Section, identity
from anchorwise.evaluation.base import Metric
from anchorwise.evaluation.evaluate import judged_samples, what_is_judged
from anchorwise.evaluation.registry import DEFAULT_JUDGES, headlines_of
from anchorwise.evaluation.results import Evaluation, EvaluationConfig, brackets
from anchorwise.evaluation.work import AT_WORK, Work
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.samples import Samples, Splits
from anchorwise.reporting.notebook import notebook_table


class Transfer(Section):
    """What one encoder is worth on several data sets.

    Attributes:
        results: Data set to its evaluation.
        failures: Data set to what went wrong with it, in words.
        config: How they were judged.
    """

    results: dict[str, Evaluation]
    failures: dict[str, str] = Field(default_factory=dict)
    config: EvaluationConfig

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The columns: the most telling numbers of every judge that some data set has."""
        return tuple(metric for _, _, metric in self._heads())

    def columns(self) -> list[str]:
        """Return what the columns of `rows` are called."""
        return ["data set", "train", "test", *(metric.heading for metric in self.metrics)]

    def rows(self) -> list[list[str]]:
        """Return one row for each data set, with intervals over test rows behind the numbers."""
        return [
            [name, f"{one.num_train:,}", f"{one.num_test:,}", *(_cell(one, *head) for head in self._heads())]
            for name, one in self.results.items()
        ]

    def _heads(self) -> list[tuple[str, str, Metric]]:
        said = {
            (judge, name) for one in self.results.values() for judge in one.judged for name in one.judged[judge].numbers
        }
        return [head for head in headlines_of(self.config.judges) if head[:2] in said]

    def _repr_html_(self) -> str:
        failures = [f"{name} could not be judged: {words}" for name, words in self.failures.items()]
        return notebook_table([*failures, *brackets(list(self.results.values()))], self.rows(), self.columns())

    def save(self, path: Path | str) -> None:
        """Write `path` as JSON, whole or not at all."""
        _files.write_text(Path(path), self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> "Transfer":
        """Read what `save` wrote."""
        return cls.model_validate_json(Path(path).read_text(encoding="utf-8"))


def transfer(
    frozen: FrozenEncoder,
    data_sets: Mapping[str, Callable[[], Splits[Samples]]],
    config: EvaluationConfig | Callable[[Splits[Samples]], EvaluationConfig] | None = None,
    *,
    device: torch.device | str = "cpu",
    work: Work = AT_WORK,
    say: Callable[[str], None] = lambda _: None,
) -> Transfer:
    """Judge an encoder on several data sets, one after the other.

    What each came to is kept as a piece of work, so the same call goes on where another was stopped.

    Args:
        frozen: The encoder; it brings the samples into the form that it takes (`FrozenEncoder.adapted`).
        data_sets: Name to what reads the samples.
        config: Who judges; or what says it of the samples of each.
        device: Where to compute.
        work: How long work is shown and kept.
        say: Is told in a line what begins, and what goes wrong.
    """
    config = config or EvaluationConfig()
    results, failures = dict[str, Evaluation](), dict[str, str]()
    for name, load in data_sets.items():
        say(f"{name}: {len(results) + len(failures) + 1} of {len(data_sets)} data sets")
        try:
            results[name] = _judged(frozen, load, config, device, work)
        except (ValueError, OSError, MemoryError) as error:
            failures[name] = str(error) or type(error).__name__
            say(f"{name} failed: {failures[name]}")
    if not isinstance(config, EvaluationConfig):
        asked = {judge.name: judge for one in results.values() for judge in one.config.judges}
        config = EvaluationConfig(judges=tuple(asked.values()) or DEFAULT_JUDGES)
    return Transfer(results=results, failures=failures, config=config)


def _judged(
    frozen: FrozenEncoder,
    load: Callable[[], Splits[Samples]],
    config: EvaluationConfig | Callable[[Splits[Samples]], EvaluationConfig],
    device: torch.device | str,
    work: Work,
) -> Evaluation:
    splits = load().changed(frozen.adapted)
    config = config if isinstance(config, EvaluationConfig) else config(splits)
    settings = [identity(judge) for judge in config.judges]
    asked = {**what_is_judged(frozen, splits), "judges": settings, "level": config.interval_level}
    found = work.piece(
        {"transfer": asked},
        lambda: judged_samples(frozen, splits, config, device=device, work=work).model_dump(mode="json"),
    )
    return Evaluation.model_validate(found)


def _cell(result: Evaluation, judge: str, name: str, metric: Metric) -> str:
    said = result.judged.get(judge)
    if said is None or name not in said.numbers:
        return "-"
    number, interval = metric.number(fmean(said.numbers[name])), said.over_test_rows.get(name)
    if interval is None:
        return number
    return f"{number} {metric.brackets(interval.value, interval.low, interval.high)}"
