"""Judges by name, the settings of any of them, and several of them at work."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import AfterValidator, Field

from anchorwise import _checks
from anchorwise._config import chosen_by_name, section_of
from anchorwise.evaluation.adversarial import Adversarial
from anchorwise.evaluation.alignment import AlignmentJudge
from anchorwise.evaluation.base import Judge, JudgeConfig, Metric
from anchorwise.evaluation.classification import Classification
from anchorwise.evaluation.dense import Dense
from anchorwise.evaluation.duplicates import DuplicatesJudge
from anchorwise.evaluation.embedding_attack import EmbeddingAttack
from anchorwise.evaluation.few_shot import FewShot
from anchorwise.evaluation.fine_tuning import FineTuning
from anchorwise.evaluation.geometry_judge import GeometryJudge
from anchorwise.evaluation.group_retrieval import GroupRetrieval
from anchorwise.evaluation.label_free import LabelFree
from anchorwise.evaluation.modality_gap import ModalityGap
from anchorwise.evaluation.nodes import Nodes
from anchorwise.evaluation.pair_classification import PairClassification
from anchorwise.evaluation.queries import QueryJudge
from anchorwise.evaluation.ranking import Ranking
from anchorwise.evaluation.regression import Regression
from anchorwise.evaluation.reranking import Reranking
from anchorwise.evaluation.retrieval import Retrieval
from anchorwise.evaluation.reward_learning import RewardLearning
from anchorwise.evaluation.robustness import Robustness
from anchorwise.evaluation.separation import Separation
from anchorwise.evaluation.sts import STS
from anchorwise.evaluation.work import AT_WORK, Work
from anchorwise.evaluation.zero_shot import ZeroShot

JUDGES: dict[str, type[Judge]] = {
    "classification": Classification,
    "geometry": GeometryJudge,
    "few_shot": FewShot,
    "robustness": Robustness,
    "adversarial": Adversarial,
    "embedding_attack": EmbeddingAttack,
    "regression": Regression,
    "separation": Separation,
    "dense": Dense,
    "fine_tuning": FineTuning,
    "label_free": LabelFree,
    "duplicates": DuplicatesJudge,
    "retrieval": Retrieval,
    "group_retrieval": GroupRetrieval,
    "reranking": Reranking,
    "sts": STS,
    "alignment": AlignmentJudge,
    "modality_gap": ModalityGap,
    "zero_shot": ZeroShot,
    "pair_classification": PairClassification,
    "queries": QueryJudge,
    "reward_learning": RewardLearning,
    "ranking": Ranking,
    "nodes": Nodes,
}


def _each_once(judges: tuple[JudgeConfig, ...]) -> tuple[JudgeConfig, ...]:
    names = [judge.name for judge in judges]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"judges must name each judge once, got {name!r} {names.count(name)} times")
    return judges


if TYPE_CHECKING:
    AnyJudgeConfig = JudgeConfig
else:
    AnyJudgeConfig = chosen_by_name(judge.Config for judge in JUDGES.values())
# Who judges, as configurations have it: at least one, and each once.
AnyJudges = Annotated[tuple[AnyJudgeConfig, ...], Field(min_length=1), AfterValidator(_each_once)]

# What features of labelled images are asked.
DEFAULT_JUDGES: tuple[AnyJudgeConfig, ...] = (Classification.Config(), GeometryJudge.Config())


def judges_of(
    configs: Sequence[JudgeConfig], *, device: torch.device | str = "cpu", work: Work = AT_WORK
) -> list[Judge]:
    """Return the judges that such settings are of."""
    kinds = {judge.Config: judge for judge in JUDGES.values()}
    return [kinds[type(config)](config, device=device, work=work) for config in configs]


def settings_of(judges: Any, like: Sequence[JudgeConfig] = ()) -> tuple[JudgeConfig, ...]:
    """Return the settings of judges that somebody names.

    Args:
        judges: A name, settings, a mapping with a `name` and settings beside it, or several of these; None for
            `DEFAULT_JUDGES`.
        like: Settings that those have which are given by their names alone, such as those of a run.

    Raises:
        ValueError: If there is no judge of a name, or a setting is not one of it.
    """
    known = {judge.name: judge for judge in like}
    if judges is None:
        return tuple(known.get(judge.name, judge) for judge in DEFAULT_JUDGES)
    several = isinstance(judges, Sequence) and not isinstance(judges, str)
    return tuple(_settings(each, known) for each in (judges if several else [judges]))


def _settings(judge: Any, known: Mapping[str, JudgeConfig]) -> JudgeConfig:
    if isinstance(judge, JudgeConfig):
        return judge
    if isinstance(judge, str):
        return known.get(judge) or JUDGES[_checks.one_of("a judge", judge, JUDGES)].Config()
    if not isinstance(judge, Mapping) or "name" not in judge:
        raise ValueError(
            "judges must be names, settings such as Classification.Config(split_seeds=(0,)), or mappings such as "
            f"{{'name': 'classification', 'split_seeds': [0]}}, got {judge!r}"
        )
    kind = JUDGES[_checks.one_of("a judge", judge["name"], JUDGES)]
    return section_of(kind.Config, judge)


def metrics_of(configs: Sequence[JudgeConfig]) -> dict[str, Metric]:
    """Return what such judges measure, by the names that `told_apart` gives."""
    return {metric.name: metric for own in told_apart(judges_of(configs)) for metric in own.values()}


def told_apart(judges: Sequence[Judge]) -> list[dict[str, Metric]]:
    """Return for every judge the name of each metric to the metric under a name that no other of them has.

    Where two measure by one name, that of the judge stands before it, as in `robustness.clean`: each has its own
    settings, so that they may say different things.
    """
    times = Counter(metric.name for judge in judges for metric in judge.metrics)
    return [
        {metric.name: metric if times[metric.name] == 1 else metric.of(judge.config.name) for metric in judge.metrics}
        for judge in judges
    ]


def headlines_of(configs: Sequence[JudgeConfig]) -> list[tuple[str, str, Metric]]:
    """Return the most telling metrics of such judges: judge, its own name for it, and the metric told apart."""
    judges = judges_of(configs)
    return [
        (judge.config.name, metric.name, own[metric.name])
        for judge, own in zip(judges, told_apart(judges), strict=True)
        for metric in judge.headlines
    ]


def watched_metrics() -> dict[str, Metric]:
    """Return what any judge watches while an encoder trains, by name."""
    return {metric.name: metric for judge in JUDGES.values() for metric in judge.watched}


def warnings_of(numbers: Mapping[str, float]) -> list[str]:
    """Return in words what is wrong by numbers that judges measured or watched."""
    return [words for judge in JUDGES.values() if (words := judge.warning(numbers))]
