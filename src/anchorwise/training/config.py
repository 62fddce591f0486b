"""The configuration of a pretraining run: one typed tree, saved before the first step."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import torch
from pydantic import ConfigDict, Field, create_model, field_validator, model_validator

from anchorwise import _checks, _own_code
from anchorwise._config import (
    NO_IDENTITY,
    RENAMED,
    Count,
    Epochs,
    OwnNamed,
    Section,
    Seed,
    follows,
    instead_of,
    unknown_setting,
)
from anchorwise.evaluation.geometry_judge import GeometryJudge
from anchorwise.evaluation.registry import DEFAULT_JUDGES, AnyJudges
from anchorwise.methods import AnyMethodConfig, Method, MethodConfig, SimCLR
from anchorwise.methods.from_config import method_class
from anchorwise.modalities.registry import MODALITIES, SECTIONS, AnyDataConfig, AnyEncoderConfig, AnyViewsConfig
from anchorwise.objectives import Objective, build
from anchorwise.training.optimizers import AdamW, AnyOptimizer
from anchorwise.training.order import Shuffled
from anchorwise.training.orders import AnyOrderConfig
from anchorwise.training.overrides import changed

# Of the code that trains: another one gives other numbers for the same settings. 1: views by kornia, another order of
# colour steps for every batch, drawn by batch and rank. 2: the library's own views, drawn by image.
VERSION = 2


_OF_IMAGES = SECTIONS["images"]


class ObjectiveConfig(Section):
    """The objective by its registered name, with its hyperparameters beside it.

    A hyperparameter that is an object, such as a gate, is a table with its own `name`.

    Attributes:
        name: As `anchorwise.objectives.OBJECTIVES` has it, or `module:Class` for one of one's own. Left out, it is the
            method's own objective, whose settings stay but for those given here.
    """

    model_config = ConfigDict(extra="allow")

    name: str | None = None

    if TYPE_CHECKING:  # A type checker knows the fields only, not what the objective takes.

        def __init__(self, name: str | None = None, **hyperparameters: Any) -> None: ...

    @model_validator(mode="after")
    def _refuse_what_cannot_be_built(self) -> "ObjectiveConfig":
        for name in self.hyperparameters:
            if f"objective.{name}" in RENAMED:
                raise ValueError(unknown_setting(f"objective.{name}", ()))
        # A configuration that is merely read runs no code of one's own: `RunConfig.with_own_code` builds that.
        if self.name is not None and not _own_code.has_own(self.model_dump()):
            with torch.device("meta"):  # Tables of a million samples are not made to be thrown away.
                self.build()
        return self

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Those that do not have the objective's own defaults."""
        return dict(self.model_extra or {})

    def build(self) -> Objective:
        """Return the objective."""
        return build(self.model_dump())

    def of(self, method: str) -> "ObjectiveConfig":
        """Return the whole objective of a run: where it has no name, the method's own with these hyperparameters."""
        if self.name is not None:
            return self
        return ObjectiveConfig(**{**own_objective(method_class(method)), **self.hyperparameters})


def own_objective(method: type[Method]) -> Mapping[str, Any]:
    """Return the objective that a method brings, as `anchorwise.objectives.build` takes it.

    Raises:
        ValueError: If it brings none, as one of somebody's own may.
    """
    found = getattr(method, "own_objective", None)
    if found is None:
        raise ValueError(
            f"{method.__name__} brings no objective; name one (objective.name), or give the class an attribute "
            'own_objective, such as {"name": "info_nce"}'
        )
    return found


def _num_epochs(settings: dict[str, Any]) -> int | None:
    return 100 if settings.get("num_steps") is None else None


LoggerName = Literal["tensorboard", "wandb"]


class TrainConfig(Section):
    """How long and in what steps.

    Attributes:
        num_steps: Steps of the whole training, in the place of `num_epochs`: the same length for any number of images,
            such as repeated or generated ones. The last epoch may then end early.
        num_epochs: Passes over the images; 100 where neither is given.
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
        captured: On a CUDA device, record the step in CUDA graphs and replay them: the same step, with less work for
            the host (`anchorwise.training.captured_step`). Left out, it is this version's default: false.
        compile: Compile the encoder with `torch.compile`: a minute of preparation, and other last digits.
        num_workers: Processes that read a Dataset of one's own ahead, with the same views; 0 reads in between steps.
        ema: Momentum of a moving average of the encoder's weights and running statistics, such as 0.999, which is then
            what is watched, kept and judged; its first steps average over fewer. None if left out.
        log_to: What takes the numbers of the run beside `log.jsonl`: "tensorboard", "wandb".
        checkpoint_every_epochs: A run killed at any moment goes on from its last checkpoint.
        knn_every_epochs: kNN accuracy on a validation part of the training images this often; 0 never. Where the
            objective is told labels, it was told those of that part too.
        keep_best: A number that a judge watches, such as "knn_accuracy": the encoder of the epoch in which it was best
            is kept, out of those that are watched. Left out, it is that of the last step.
        online_probe: Whether a linear probe learns the labels beside the method, on features without their gradient;
            its accuracy stands in the log (`anchorwise.training.online_probe`).
        log_every_steps: Steps between two lines of the log.
    """

    num_steps: Count | None = Field(default=None, json_schema_extra=instead_of("num_epochs"))
    num_epochs: Epochs | None = Field(default_factory=_num_epochs, json_schema_extra=instead_of("num_steps"))
    batch_size: int = Field(default=256, ge=2, le=10**9)
    micro_batch_size: Count | None = None
    drop_last: bool = False
    exclude_groups: bool = False
    seed: Seed = 0
    device: str = Field(default="auto", json_schema_extra=NO_IDENTITY)
    amp: bool = True
    captured: bool | None = Field(default=None, json_schema_extra=NO_IDENTITY)
    compile: bool = False
    num_workers: int = Field(default=0, ge=0, le=1024, json_schema_extra=NO_IDENTITY)
    ema: float | None = Field(default=None, ge=0, lt=1)
    log_to: tuple[LoggerName, ...] = Field(default=("tensorboard",), json_schema_extra=NO_IDENTITY)
    checkpoint_every_epochs: Epochs = Field(default=1, json_schema_extra=NO_IDENTITY)
    knn_every_epochs: int = Field(default=1, ge=0, le=1_000_000, json_schema_extra=NO_IDENTITY)
    keep_best: str | None = None
    online_probe: bool = Field(default=False, json_schema_extra=NO_IDENTITY)
    log_every_steps: Count = Field(default=10, json_schema_extra=NO_IDENTITY)

    @model_validator(mode="after")
    def _refuse_two_lengths(self) -> "TrainConfig":
        if (self.num_steps is None) == (self.num_epochs is None):
            raise ValueError(
                f"train.num_steps={self.num_steps} and train.num_epochs={self.num_epochs} both say how long to train; "
                "give one of them"
            )
        return self

    @property
    def epochs(self) -> int:
        """`num_epochs`, for whoever counts in epochs.

        Raises:
            ValueError: If the length is given in steps.
        """
        if self.num_epochs is None:
            raise ValueError(f"train.num_epochs must be given here, got train.num_steps={self.num_steps} in its place")
        return self.num_epochs

    def steps(self, steps_per_epoch: int) -> int:
        """Return the steps of the whole training."""
        return self.num_steps or self.epochs * steps_per_epoch


class RunConfig(Section):
    """A whole run, on images; `run_config_of` returns the class of runs on something else.

    Attributes:
        modality: What samples are; it decides what the settings of data, views and encoder are.
        data: What is trained on.
        views: How random views are made; left out, it is the policy of the data source.
        encoder: What is trained, kept and judged.
        method: Who encodes what, by name, with its settings.
        objective: What is minimised; it must be one that the method can train. Left out, it is the method's own.
        order: Which samples make a batch.
        optimizer: How weights follow gradients.
        train: How long and in what steps.
        judges: Who watches the encoder while it trains (`anchorwise.evaluation.registry`).
        own: Parts that a caller brought from Python, in words; the sections of the same names do not count.
        code: Digest of the file of every class that method and objective name as `module:Class`; filled in before the
            run starts, and with another one it is another run.
        version: Of the code that trains; filled in before the run starts. Runs of another one are other runs: they can
            be read, and not gone on with.
    """

    # The sections that it decides say it as well, so it makes no other run of one.
    modality: str = Field(default="images", json_schema_extra=NO_IDENTITY)
    data: AnyDataConfig = Field(default=_OF_IMAGES.data(), json_schema_extra=follows("modality"))
    views: AnyViewsConfig | None = Field(default=None, json_schema_extra=follows("modality"))
    encoder: AnyEncoderConfig = Field(default=_OF_IMAGES.encoder(), json_schema_extra=follows("modality"))
    method: AnyMethodConfig = SimCLR.Config()
    objective: ObjectiveConfig | None = Field(default=None, json_schema_extra=follows("method"))
    order: AnyOrderConfig = Shuffled.Config()
    optimizer: AnyOptimizer = AdamW()
    train: TrainConfig = TrainConfig()
    judges: AnyJudges = Field(default=DEFAULT_JUDGES, json_schema_extra=NO_IDENTITY)
    own: dict[str, str] | None = None
    code: dict[str, str] | None = None
    version: int | None = Field(default=None, ge=1)

    @classmethod
    def kind_of(cls, tree: Any) -> type[Any]:
        """Return the class of runs of the modality that a tree names."""
        name = tree.get("modality", cls.model_fields["modality"].default) if isinstance(tree, Mapping) else None
        return _KINDS.get(name, cls) if isinstance(name, str) else cls

    @field_validator("modality")
    @classmethod
    def _refuse_another_modality(cls, value: str) -> str:
        own = cls.model_fields["modality"].default
        if _checks.one_of("modality", value, MODALITIES) != own:
            raise ValueError(f"must be {own!r} in this class, got {value!r}; take run_config_of({value!r})")
        return value

    @model_validator(mode="after")
    def _refuse_an_objective_that_cannot_be_built(self) -> "RunConfig":
        self.whole_objective()
        return self

    def whole_objective(self) -> ObjectiveConfig:
        """Return the objective, also where it is the method's own.

        That of a method of one's own has no name before `with_own_code`: its class, which knows it, is imported there.
        """
        objective = self.objective or ObjectiveConfig()
        return objective if _own_code.is_own(self.method.name) else objective.of(self.method.name)

    @property
    def encoder_name(self) -> str:
        """What the encoder is called: by its name, of towers by both of theirs, else by the modality's."""
        sections = (self.encoder, *(part for _, part in self.encoder if isinstance(part, Section)))
        names = [str(name) for section in sections if (name := getattr(section, "name", None)) is not None]
        return " + ".join(names) or self.modality

    @property
    def names_own_code(self) -> bool:
        """Whether method or objective, or a part of it, may be a class of one's own."""
        return _own_code.has_own((self.method.name, self.whole_objective().model_dump()))

    def method_and_settings(self) -> tuple[type[Method], MethodConfig]:
        """Return the class of the method, and its settings as that has them.

        Raises:
            ValueError: If it is one of one's own that cannot be imported, or takes no such settings.
        """
        kind = method_class(self.method.name, "method.name")
        if not isinstance(self.method, OwnNamed):
            return kind, self.method
        try:
            return kind, changed(kind.Config(), self.method.settings)
        except ValueError as error:
            raise ValueError(f"method {self.method.name}: {error}") from error

    def with_own_code(self) -> "RunConfig":
        """Return the configuration with what the classes that it names as `module:Class` say of it.

        They are imported and their settings checked; the method's settings, its objective and `code` are filled in.

        Raises:
            ValueError: If one cannot be imported, a setting is refused, or `code` is of other files.
        """
        if not self.names_own_code:
            return self if self.code is None else self.model_copy(update={"code": None})
        (kind, settings), method = self.method_and_settings(), self.method
        objective = self.whole_objective().of(method.name)
        if isinstance(method, OwnNamed):
            method = OwnNamed(name=method.name, **settings.model_dump(mode="json", exclude={"name"}))
        kinds = {kind, *(type(part) for part in objective.build().modules() if isinstance(part, Objective))}
        own = {f"{each.__module__}:{each.__qualname__}": each for each in kinds if not _is_of_library(each)}
        known = self.code or {}
        code = {name: _own_code.digest_of(each, known.get(name)) for name, each in sorted(own.items())}
        return self.model_copy(update={"method": method, "objective": objective, "code": code or None})

    def of_this_version(self) -> "RunConfig":
        """Return the configuration with the version of the code here.

        Raises:
            ValueError: If it is of another one.
        """
        if self.version not in (None, VERSION):
            raise ValueError(
                f"version must be {VERSION} to train, got {self.version}: the same settings give other numbers there. "
                "Leave it out, or take the release that has it; results that are kept can be read"
            )
        return self.model_copy(update={"version": VERSION})


def _is_of_library(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]


def _of(modality: str) -> type[RunConfig]:
    sections, follow = SECTIONS[modality], follows("modality")
    fields: dict[str, Any] = {
        "modality": (str, Field(default=modality, json_schema_extra=NO_IDENTITY)),
        "data": (sections.data, Field(default=sections.data(), json_schema_extra=follow)),
        "views": (sections.views | None, Field(default=None, json_schema_extra=follow)),
        "encoder": (sections.encoder, Field(default=sections.encoder(), json_schema_extra=follow)),
        "judges": (AnyJudges, Field(default=(GeometryJudge.Config(),), json_schema_extra=NO_IDENTITY)),
    }
    return create_model(
        f"RunConfig_{modality}", __base__=RunConfig, __module__=__name__, __doc__=RunConfig.__doc__, **fields
    )


_KINDS: Mapping[str, type[RunConfig]] = {
    name: RunConfig if name == RunConfig.model_fields["modality"].default else _of(name) for name in SECTIONS
}
# By these names processes of a pool find the classes of what they are handed.
globals().update({kind.__name__: kind for kind in _KINDS.values()})


def run_config_of(modality: str) -> type[RunConfig]:
    """Return the class of the configurations of runs on samples of a modality.

    Raises:
        ValueError: If there is none of that name.
    """
    return _KINDS[_checks.one_of("modality", modality, _KINDS)]
