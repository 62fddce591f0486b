"""What a method is: who encodes what, and which rows meet."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, final, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise import _checks
from anchorwise._config import Named
from anchorwise._ranks import gather_rows, sharing_ranks
from anchorwise.methods.outlook import AllRows, Clock, Outlook
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewMaker, ViewPlan
from anchorwise.models import HeadConfig, ProjectionHead
from anchorwise.objectives import Objective, Outcome
from anchorwise.objectives.objective import concat_stats

# b = samples of this rank's batch, n = all samples, a = anchors, d = embedding width, c = k = classes


@dataclass(frozen=True)
class Step:
    """What a method made of a batch.

    Attributes:
        outcome: The objective's, of the samples of all ranks.
        rows: Two detached views of this rank's samples as the objective saw them, from which the tail of the batch is
            read; none where it compares no rows.
    """

    outcome: Outcome
    rows: tuple[Float[Tensor, "b d"], Float[Tensor, "b d"]] | tuple[()]


@runtime_checkable
class Classifier(Protocol):
    """A method that says by itself of which class a sample is, and needs no probe to be judged."""

    def classify(self, view: View) -> Int64[Tensor, " b"]:
        """Return the class of every sample, in evaluation mode."""
        ...


class MethodConfig(Named):
    """What every method can be told; each has its own settings in its class, and there a `name` too.

    Attributes:
        head: What stands between the encoder and the objective, and is thrown away after the training.
    """

    head: HeadConfig = HeadConfig()


@final
class Projected(nn.Module):
    """An encoder with a head behind it.

    Args:
        encoder: Maps views to features.
        head: Makes the rows that the objective sees of them.
    """

    def __init__(self, encoder: Encoder, head: HeadConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = ProjectionHead(head, num_features=encoder.num_features)
        self.width = self.head.width

    def forward(self, view: View) -> Float[Tensor, "b d"]:
        """Return one row per sample."""
        return self.head(self.encoder(view))


class Method(nn.Module, ABC):
    """Who encodes what, and which rows meet. Owns every module and buffer; knows no data format, optimiser or ranks.

    All that a resumed run needs is in the state dictionary. Subclasses say in `forward` what happens to the views of a
    batch, and in the hooks what happens around the step.

    On a GPU `forward` and `after_backward` may be recorded once and replayed (`train.captured`), `before_step` and
    `after_step` never. So what changes from step to step is decided in `before_step`, which knows the time: a choice is
    kept as a plain attribute (bool, number or text), of which every value has a recording of its own; a number that
    rises or falls is filled into a tensor. None of them reads a tensor's value, which would make the device wait, and
    tensors that stay are changed in place.

    Args:
        encoder: The network that is trained, kept and judged.
        objective: What is minimised.
        config: Settings, of the class's own `Config`.

    Attributes:
        gives: Arguments by name that an objective may need.
        own_objective: What the method's source trains with, as `objectives.build` takes it.
        adds_losses: Whether its loss is more than one of its objective's, or one among more rows than those of two
            views, and so no cross-entropy that can be told from one of rows that know nothing.
        hands_over: Those of them without which the method would be another one: its objective must take them.
        online: The trained encoder with its head.
        objective: What is minimised.
    """

    Config: ClassVar[type[MethodConfig]] = MethodConfig
    own_objective: ClassVar[Mapping[str, Any]]
    gives: ClassVar[frozenset[str]] = frozenset({"ids", "labels"})
    adds_losses: bool = False
    hands_over: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, encoder: Encoder, objective: Objective, config: MethodConfig) -> None:
        super().__init__()
        self.online = Projected(encoder, config.head)
        self.objective = objective
        self.register_forward_pre_hook(_check_views, with_kwargs=True)

    @property
    def plan(self) -> ViewPlan:
        """The views that `forward` takes."""
        return ViewPlan()

    @property
    def num_rows(self) -> int:
        """How many rows of a sample the objective is called with."""
        return 2

    @property
    def needs_differing_views(self) -> bool:
        """Whether nothing is learnt where a sample's views are the same: they alone are each other's positives."""
        return "labels" not in self.objective.inputs.needs

    @property
    def encoder(self) -> Encoder:
        """What is kept; everything else is thrown away after the training."""
        return self.online.encoder

    @property
    def beside(self) -> Mapping[str, Encoder]:
        """Other trained encoders, by name, which are saved beside the one that is kept."""
        return {}

    @abstractmethod
    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of a batch; every rank calls this with its own samples.

        Called as `method(views, batch)`, it is a ValueError if there are more or fewer views than in `plan`.
        """

    def meet(self, views: ViewMaker) -> None:
        """Learn of what makes the views, once before the first step and before every resumed training.

        Raises:
            ValueError: If the method cannot work on such views.
        """

    def check(self, outlook: Outlook) -> None:
        """Refuse a training that the method cannot do, before anything of it is written.

        Raises:
            ValueError: If the samples are too few, the batches too large, the training too short, or labels not there.
        """

    def before_epoch(self, clock: Clock, samples: AllRows) -> None:
        """Do what comes before the samples are gone through once more, such as clustering them.

        A run that is resumed within an epoch does not do it again: what comes of it belongs into buffers.
        """

    def before_task(self, earlier: Int64[Tensor, " c"], new: Int64[Tensor, " k"]) -> None:
        """Do what comes before samples of other classes, where those of one task come after those of another.

        What comes of it belongs into buffers, as that of `before_epoch`, and tensors are changed in place.

        Args:
            earlier: Classes of all tasks before; none at the first.
            new: Those of this one.
        """

    def before_step(self, clock: Clock) -> None:
        """Do what comes before the views are encoded: schedules, the momentum copy, prototypes' lengths."""

    def after_backward(self) -> None:
        """Do what comes between the gradients and the update, such as holding something still."""

    def after_step(self, clock: Clock) -> None:
        """Do what comes after the update, with the new weights."""

    @final
    def phase(self) -> tuple[tuple[str, object], ...]:
        """Return all plain attributes: steps of one phase and one shape do the same to other numbers."""
        plain = (bool, int, float, str, type(None))
        return tuple((name, value) for name, value in vars(self).items() if isinstance(value, plain))

    def constant_rate(self) -> Sequence[nn.Parameter]:
        """Return the parameters whose learning rate stays at its peak."""
        return ()

    @final
    def loss(self, *rows: Float[Tensor, "b d"], batch: Batch, **there: Any) -> Outcome:
        """Hand the objective the rows and whatever else its `inputs` name.

        Args:
            *rows: Embeddings.
            batch: Its ids and labels go to objectives that need them, its groups, as ids, to those that take ids; where
                a sample may stand in it twice, so do its ids, since no sample is a negative of itself.
                Values, where there are some, stand in the place of labels.
            **there: Handed over where the objective needs or takes it.
        """
        inputs = self.objective.inputs
        given = {name: value for name, value in there.items() if name in (*inputs.needs, *inputs.takes)}
        labels = batch.labels if batch.values is None else batch.values
        for name, value in (("ids", batch.ids), ("labels", labels)):
            if name in inputs.needs and value is not None:
                given.setdefault(name, value)
        if batch.shared_ids is not None and "ids" in inputs.takes:
            given.setdefault("ids", batch.shared_ids)
        if "generator" in inputs.takes:  # Seeded for every step by whoever trains.
            given.setdefault("generator", _generator_of(rows[0].device))
        return _checked(self.objective, self.objective.detail(*rows, **given))


def _check_views(method: Method, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Refuse more or fewer views than the plan has: a method takes them from the list by their places."""
    views, plan = given[0] if given else named["views"], method.plan
    if len(views) != plan.total:
        kinds = ", ".join(f"{count} {kind}" for kind, count in plan.parts.items() if count)
        name = type(method).__name__
        raise ValueError(
            f"views must be {plan.total} for {name} as it is set ({kinds}), got {len(views)}; see its plan"
        )


def _checked(objective: Objective, outcome: object) -> Outcome:
    """Return what an objective gave; one of somebody's own may give something else."""
    name = f"{type(objective).__name__}.detail"
    if not isinstance(outcome, Outcome):
        raise TypeError(
            f"{name} must return an anchorwise.Outcome, got {_checks.kind_of(outcome)}: "
            "Outcome(losses.mean(), losses.detach()), with a loss for every anchor"
        )
    for statistic, value in outcome.stats.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name} must return tensors as statistics, got {_checks.kind_of(value)} for {statistic!r}; "
                "torch.as_tensor makes one of a number"
            )
    return outcome


def _generator_of(device: torch.device) -> torch.Generator:
    """Return what draws: on several ranks, of which each computes the loss of all rows, the same on all of them."""
    own = torch.cuda.default_generators[device.index or 0] if device.type == "cuda" else torch.default_generator
    if sharing_ranks() is None:
        return own
    seeds = gather_rows(torch.tensor([own.initial_seed()], device=device))
    return torch.Generator(device).manual_seed(int(seeds[0]))


def together(network: Callable[[View], Tensor], views: Sequence[View]) -> tuple[Tensor, ...]:
    """Encode views of one shape in one pass: batch normalisation then sees the rows of all of them.

    Views of two kinds, such as images and texts, or tables with other columns, are encoded one by one.
    """
    if len({"" if isinstance(view, Tensor) else (*view,) for view in views}) > 1:
        return tuple(network(view) for view in views)
    return network(_in_one(views)).chunk(len(views))


def by_size(network: Callable[[View], Tensor], views: Sequence[View], plan: ViewPlan) -> tuple[Tensor, ...]:
    """Encode the views of a plan, those of the full size in one pass and the small ones in another."""
    large, small = views[: plan.num_views], views[plan.num_views :]
    return (*together(network, large), *(together(network, small) if small else ()))


def _in_one(views: Sequence[View]) -> View:
    if isinstance(views[0], Tensor):
        return torch.cat([view for view in views if isinstance(view, Tensor)])
    mappings = [view for view in views if not isinstance(view, Tensor)]
    return {name: torch.cat([view[name] for view in mappings]) for name in mappings[0]}


def averaged(outcomes: Sequence[Outcome], *, factor: float = 1.0) -> Outcome:
    """Return the mean of losses of equally many anchors, such as a method's two directions.

    Args:
        outcomes: At least one.
        factor: Multiplies the mean: the number of outcomes gives their sum.
    """
    loss = factor * torch.stack([outcome.loss for outcome in outcomes]).mean()
    per_anchor = factor * torch.cat([outcome.per_anchor for outcome in outcomes])
    return Outcome(loss, per_anchor, concat_stats([outcome.stats for outcome in outcomes]))


def with_term(outcome: Outcome, term: Outcome, *, weight: float = 1.0) -> Outcome:
    """Return a loss with another term of it added.

    Args:
        outcome: Of the same anchors as the term, or of several views of them.
        term: Of a statistic that both have, the outcome's stays.
        weight: Multiplies the term.
    """
    again = term.per_anchor.repeat(len(outcome.per_anchor) // len(term.per_anchor))
    stats = {**term.stats, **outcome.stats}
    return Outcome(outcome.loss + weight * term.loss, outcome.per_anchor + weight * again, stats)


def check_objective(method: Method, *, has_labels: bool, excludes_groups: bool = False) -> None:
    """Refuse an objective that the method, or the samples, cannot serve.

    Args:
        method: With its objective.
        has_labels: Whether the samples have labels.
        excludes_groups: Whether samples of one group are not to be negatives of each other.

    Raises:
        ValueError: If it needs something else.
    """
    inputs, given = method.objective.inputs, method.gives if has_labels else method.gives - {"labels"}
    missing = [name for name in inputs.needs if name not in given]
    ignored = method.hands_over.difference(inputs.needs, inputs.takes)
    if missing:
        reason = f"needs {', '.join(missing)}"
    elif not inputs.min_views <= method.num_rows <= (inputs.max_views or method.num_rows):
        reason = f"takes {inputs.min_views} views"
    elif ignored:
        reason = f"does not take {', '.join(ignored)}"
    elif excludes_groups and "ids" not in inputs.takes:
        reason = "cannot leave out negatives of the anchor's group (train.exclude_groups)"
    else:
        return
    who, objective = type(method).__name__, type(method.objective).__name__
    raise ValueError(
        f"objective.name must be one that {who} can train, which has {method.num_rows} views and "
        f"{', '.join(sorted(given))}, got {objective}, which {reason}; {who}'s own is "
        f"{method.own_objective['name']!r}, and your own loop can train any"
    )
