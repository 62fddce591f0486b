"""A judge of nothing, as small as one can be: what showing a new one takes."""

from collections.abc import Mapping
from typing import Literal, final

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric

WIDEST = Metric("widest", "widest column", "%", higher_is_better=False, by_split=True)


@final
class WidestColumn(Judge):
    class Config(JudgeConfig):
        name: Literal["widest"] = "widest"

    primary = "widest"
    metrics = watched = (WIDEST,)

    def choose(self, train: Embeddings) -> Choices:
        return Choices({"widest": (_share(train),)})

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        return Judgement({"widest": (_share(test),)})

    def watch(self, train: Embeddings) -> Mapping[str, float]:
        return {"widest": _share(train)}


def _share(embeddings: Embeddings) -> float:
    spans = embeddings.views[0].var(axis=0)
    return float(spans.max() / spans.sum())
