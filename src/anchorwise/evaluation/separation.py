"""The judge of two encoders that are to share the work: what is salient in the one, what is common in the other.

Of target samples two things are asked, each of both encoders by a linear probe: their class, which only targets have,
and what they have in common with the background, such as the picture that a digit was pasted on. The salient encoder is
to know the first and not the second, the common one the second and not the first.

Source: Louiset et al. 2024, "Separating common from salient patterns with Contrastive Representation Learning", Section
4, https://arxiv.org/abs/2402.11928, and its released code: four logistic regressions on target images.
"""

import re
from typing import ClassVar, Literal, final

import numpy as np
import torch
from pydantic import field_validator

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, Judgement, Metric
from anchorwise.evaluation.clean_probe import CLEAN, CleanProbeConfig, choose_clean_probe
from anchorwise.evaluation.embed import embed_samples, origin_of
from anchorwise.evaluation.linear import fit_probe
from anchorwise.evaluation.rows import check_pair, labelled_rows
from anchorwise.modalities.groups import checked_pattern
from anchorwise.modalities.samples import Samples

_OTHER = {"salient": "common", "common": "salient"}


@final
class Separation(Judge):
    """Four linear probes: both encoders of a SepCLR run, on the targets' classes and on their backgrounds."""

    class Config(CleanProbeConfig):
        """What is asked.

        Attributes:
            background: Numbers of the classes that have nothing salient, as `method.background`.
            common_pattern: Regular expression whose parentheses capture, in the names of samples, what targets have in
                common with the background: "on_(.+)_" for `3_on_ship_0007.png`.
        """

        name: Literal["separation"] = "separation"
        background: tuple[int, ...] = (0,)
        common_pattern: str | None = None

        @field_validator("common_pattern")
        @classmethod
        def _refuse_no_pattern(cls, value: str | None) -> str | None:
            return None if value is None else checked_pattern("judges.separation.common_pattern", value)

    primary: ClassVar[str] = "salient_target"
    needs_origin: ClassVar[bool] = True
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Accuracies; those on what an encoder is not to know are better low, at best that of a guess."""
        return (
            Metric("salient_target", "salient encoder, target class", "%"),
            Metric("salient_background", "salient encoder, background", "%", higher_is_better=False),
            Metric("common_target", "common encoder, target class", "%", higher_is_better=False),
            Metric("common_background", "common encoder, background", "%"),
        )

    def choose(self, train: Embeddings) -> Choices:
        """Choose the penalty of every probe.

        Raises:
            ValueError: If there are not two encoders, names do not say what is common, or labels are missing.
        """
        asked = self._questions(train)
        found = {name: choose_clean_probe(rows, self.config, self.device) for name, rows in asked.items()}
        return Choices(
            {name: choices.validation[CLEAN.name] for name, choices in found.items()},
            {name: choices.chosen[CLEAN.name] for name, choices in found.items()},
        )

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Score the test targets.

        Raises:
            ValueError: As `choose`, or if the two sets do not belong together.
        """
        check_pair(train, test)
        asked, numbers, counts = self._questions(test), dict[str, tuple[float, ...]](), dict[str, int]()
        for name, rows in self._questions(train).items():
            fitted, scored, _ = labelled_rows(rows, asked[name], self.device)
            (penalty,) = choices.chosen[name]
            probe = fit_probe(fitted.rows, fitted.labels, penalty=penalty)
            numbers[name] = (probe.accuracy(scored.rows, scored.labels),)
            counts[name] = len(scored)
        return Judgement(numbers, dict.fromkeys(numbers), counts)

    def _questions(self, rows: Embeddings) -> dict[str, Embeddings]:
        """Return the rows of the targets by either encoder, labelled with either of the two things."""
        samples, frozen = origin_of(rows, self.config.name)
        other = next((name for name in _OTHER if name in frozen.beside), None)
        if other is None:
            raise ValueError(
                "judge 'separation' needs the two encoders of a run with method.name=sepclr, got one; judge the folder "
                "of such a run, which keeps both"
            )
        beside = embed_samples(frozen.beside[other], samples, device=self.device).views[0]
        of_encoder = {_OTHER[other]: rows.views[0], other: beside}
        is_target, targets, commons = self._labels(samples)
        return {
            f"{encoder}_{what}": Embeddings((of_encoder[encoder][is_target],), labels=labels[is_target])
            for encoder in ("salient", "common")
            for what, labels in (("target", targets), ("background", commons))
        }

    def _labels(self, samples: Samples) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return which samples are targets, the class of each sample, and what it has in common with others."""
        pattern = self.config.common_pattern
        if samples.labels is None:
            raise ValueError("judge 'separation' needs labels, which say what is background; these samples have none")
        if pattern is None:
            raise ValueError(
                "judge 'separation' needs judges.separation.common_pattern, whose parentheses capture in the names of "
                f"samples, such as {samples.names[0]!r}, what targets have in common with the background"
            )
        is_target = ~torch.isin(samples.labels, torch.tensor(self.config.background, dtype=torch.int64))
        found = [re.search(pattern, name) for name in samples.names]
        strange = [name for name, match in zip(samples.names, found, strict=True) if match is None]
        if strange:
            raise ValueError(
                f"judges.separation.common_pattern must be found in the names of all samples, got {pattern!r}, which "
                f"is not in {len(strange)} of {len(found)}, such as {strange[0]!r}"
            )
        commons = np.array(["/".join(map(str, match.groups())) for match in found if match is not None])
        return is_target.numpy(), np.array([str(label) for label in samples.labels.tolist()]), commons
