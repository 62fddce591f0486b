"""The judge of prompts: is an image nearest to the text that says its class?

A class is the mean of the unit rows of its prompts, brought to length 1 again: an ensemble of them. Nothing is trained
on the images that are judged.

Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", section 3.1.4,
https://arxiv.org/abs/2103.00020.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, cast, final

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import origin_of
from anchorwise.evaluation.rows import judged_rows
from anchorwise.pairs import unit_rows

# c = classes, d = width

_HERE = "{}"


def class_rows(
    encode: Callable[[Sequence[str]], Float[Tensor, "_ d"]], names: Sequence[str], prompts: Sequence[str]
) -> Float[Tensor, "c d"]:
    """Return a unit row for every class: the mean of those of its prompts.

    Args:
        encode: Returns one row per text.
        names: Of the classes.
        prompts: Texts with `{}` in the place of a name.
    """
    texts = [prompt.replace(_HERE, name) for name in names for prompt in prompts]
    rows = unit_rows(encode(texts)).unflatten(0, (len(names), len(prompts)))
    return unit_rows(rows.mean(dim=1))


@final
class ZeroShot(Judge):
    """Accuracy of the nearest class by prompts; nothing is chosen."""

    class Config(JudgeConfig):
        """Settings of the judge.

        Attributes:
            prompts: Texts with `{}` in the place of a class's name, at least one.
            class_names: What the classes are called in prompts, in their order; as the data set calls them if left out.
        """

        name: Literal["zero_shot"] = "zero_shot"
        prompts: tuple[str, ...] = Field(default=(_HERE,), min_length=1)
        class_names: tuple[str, ...] | None = None

        @field_validator("prompts")
        @classmethod
        def _refuse_prompts_without_a_place(cls, value: tuple[str, ...]) -> tuple[str, ...]:
            for prompt in value:
                if _HERE not in prompt:
                    raise ValueError(f"every prompt must have {_HERE} in the place of a class's name, got {prompt!r}")
            return value

    primary: ClassVar[str] = "zero_shot_accuracy"
    needs_origin: ClassVar[bool] = True
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The share of images that are nearest to their own class."""
        return (Metric("zero_shot_accuracy", "zero-shot", "%", about="the nearest class by prompts"),)

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Compare images with classes; ties count against the encoder.

        Raises:
            ValueError: If the images have no classes, there are other names than classes, or the encoder takes no text.
        """
        samples, frozen = origin_of(test, "zero_shot")
        encode = getattr(frozen, "encode_text", None)
        if encode is None:
            raise ValueError("judge 'zero_shot' needs an encoder of images and texts, as modality=image_text trains it")
        if samples.labels is None:
            raise ValueError(f"judge 'zero_shot' needs images with classes, got {samples.what}; name some with --data")
        names = self.config.class_names or samples.class_names
        if len(names) != len(samples.class_names):
            raise ValueError(
                f"judges.zero_shot.class_names must name each of the {len(samples.class_names)} classes once, got "
                f"{len(names)}"
            )
        classes = class_rows(cast(Any, encode), names, self.config.prompts).to(self.device)
        labels = samples.labels.to(self.device)
        is_right = nearest_is_own(unit_rows(judged_rows(test, self.device)) @ classes.T, labels)
        by_class = {
            name: float(is_right[labels == number].double().mean())
            for number, name in enumerate(samples.class_names)
            if bool((labels == number).any())
        }
        number = {"zero_shot_accuracy": (float(is_right.double().mean()),)}
        return Judgement(number, {"zero_shot_accuracy": None}, by_class=by_class)


def nearest_is_own(scores: Float[Tensor, "n c"], labels: Tensor) -> Tensor:
    """Return whether the own class has a higher score than every other; equal ones are no answer."""
    own = scores.gather(1, labels.unsqueeze(1))
    others = scores.scatter(1, labels.unsqueeze(1), -torch.inf)
    return (own > others.max(dim=1, keepdim=True).values).squeeze(1)
