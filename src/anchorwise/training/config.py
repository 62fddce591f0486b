"""The configuration of a pretraining run: one typed tree, saved before the first step."""

from typing import Any, Literal

from pydantic import Field, FiniteFloat, field_validator, model_validator

from anchorwise import _checks
from anchorwise._config import NO_IDENTITY, Count, Epochs, Section, Seed
from anchorwise.methods import METHODS, AnyMethodConfig, SimCLR
from anchorwise.modalities.registry import MODALITIES, AnyDataConfig, AnyEncoderConfig, AnyViewsConfig
from anchorwise.objectives import Objective, build


class ObjectiveConfig(Section):
    """The objective by its registered name.

    Attributes:
        name: As `anchorwise.objectives.OBJECTIVES` has it.
        params: Its hyperparameters; one that is an object, such as a gate, is a table with its own `name`.
    """

    name: str = "weince"
    params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _refuse_what_cannot_be_built(self) -> "ObjectiveConfig":
        if "name" in self.params:
            raise ValueError(
                f"objective.params must not hold a name, got {self.params['name']!r}: {self.name!r} stays what it is "
                "called; another objective is objective.name"
            )
        self.build()
        return self

    def build(self) -> Objective:
        """Return the objective."""
        return build({"name": self.name, **self.params})

    @classmethod
    def own_of(cls, method: str) -> "ObjectiveConfig":
        """Return the objective that a method's source trains with."""
        params = dict(METHODS[method].own_objective)
        return cls(name=params.pop("name"), params=params)


class OptimizerConfig(Section):
    """The optimiser and its schedule: linear warm-up to the peak, then a cosine to zero.

    Attributes:
        name: "adamw", "sgd" or "lars" (timm's, trust coefficient 0.001).
        peak_lr: Learning rate after the warm-up.
        weight_decay: Decoupled for AdamW; never applied to biases and normalisation layers.
        momentum: Share of the running mean of gradients that a step keeps; AdamW's first beta, the second is 0.999.
        warmup_epochs: Epochs of linear warm-up; may be a fraction.
    """

    name: Literal["adamw", "sgd", "lars"] = "adamw"
    peak_lr: FiniteFloat = Field(default=1e-3, gt=0)
    weight_decay: FiniteFloat = Field(default=1e-4, ge=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    warmup_epochs: float = Field(default=1.0, ge=0, le=1_000_000)


LoggerName = Literal["tensorboard", "wandb"]


class TrainConfig(Section):
    """How long and in what steps.

    Attributes:
        num_epochs: Passes over the images.
        batch_size: Images of a batch over all ranks together, at least 2: each gives two views, and an image alone has
            no negatives.
        micro_batch_size: Views that a rank encodes at a time, for batches beyond its memory: with the gradient of the
            whole batch, at the price of encoding twice (`anchorwise.models.pieces`). Batch normalisation in the encoder
            sees these views only. All at once if left out.
        drop_last: Leave out a last batch that is not full.
        exclude_groups: Whether samples of one group (`data.group_pattern`) are no negatives of each other.
        seed: Decides initial weights, the order of images and every random view.
        device: "auto" takes CUDA where there is one.
        amp: bfloat16 autocast of the network on devices that multiply in it: GPUs, and CPUs with AVX-512 BF16 or AMX.
            Scores stay in float32.
        ema: Momentum of a moving average of the encoder's weights and running statistics, such as 0.999, which is then
            what is watched, kept and judged; its first steps average over fewer. None if left out.
        log_to: What takes the numbers of the run beside `log.jsonl`: "tensorboard", "wandb".
        checkpoint_every_epochs: A run killed at any moment goes on from its last checkpoint.
        knn_every_epochs: kNN accuracy on a validation part of the training images this often; 0 never.
        log_every_steps: Steps between two lines of the log.
    """

    num_epochs: Epochs = 100
    batch_size: int = Field(default=256, ge=2, le=10**9)
    micro_batch_size: Count | None = None
    drop_last: bool = False
    exclude_groups: bool = False
    seed: Seed = 0
    device: str = Field(default="auto", json_schema_extra=NO_IDENTITY)
    amp: bool = True
    ema: float | None = Field(default=None, ge=0, lt=1)
    log_to: tuple[LoggerName, ...] = Field(default=("tensorboard",), json_schema_extra=NO_IDENTITY)
    checkpoint_every_epochs: Epochs = Field(default=1, json_schema_extra=NO_IDENTITY)
    knn_every_epochs: int = Field(default=1, ge=0, le=1_000_000, json_schema_extra=NO_IDENTITY)
    log_every_steps: Count = Field(default=10, json_schema_extra=NO_IDENTITY)


class RunConfig(Section):
    """A whole run.

    Attributes:
        modality: What samples are; it decides what the settings of data, views and encoder are.
        method: Who encodes what, by name, with its settings.
        objective: What is minimised; it must be one that the method can train.
        augment: Left out, it is the policy of the data source, and is filled in before the run starts.
    """

    # The sections that it decides say it as well, so it makes no other run of one.
    modality: str = Field(default="images", json_schema_extra=NO_IDENTITY)
    data: AnyDataConfig = AnyDataConfig()
    augment: AnyViewsConfig | None = None
    encoder: AnyEncoderConfig = AnyEncoderConfig()
    method: AnyMethodConfig = SimCLR.Config()
    objective: ObjectiveConfig = ObjectiveConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    train: TrainConfig = TrainConfig()

    @field_validator("modality")
    @classmethod
    def _refuse_unknown_modality(cls, value: str) -> str:
        return _checks.one_of("modality", value, MODALITIES)
