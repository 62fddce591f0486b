"""Views by somebody's own code: a callable on one sample, on the host, or on a batch, on the device."""

import inspect
from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from anchorwise._warnings import warn
from anchorwise.modalities.own.drawing import own_draws
from anchorwise.modalities.own.items import as_array, as_tensor, naming, stacked, unit, unit_view
from anchorwise.modalities.samples import Batch, Samples, View
from anchorwise.modalities.seeds import mixed_seed, seeded
from anchorwise.modalities.views import ViewMaker, ViewPlan

# b = samples of a batch

_NUM_TRIED = 16
_WAY_OUT = "let `views` crop or resize to one size"


class OwnViews(ViewMaker):
    """Views that a callable makes of one sample, or of a batch.

    Of one sample: it is called with what the Dataset has (albumentations, and what takes nothing but keywords, with
    `image=`), and returns a view, or all views of the sample as a tuple or a list. A single view is drawn as often as
    the method asks. Everything that it draws from the global generators of torch, numpy and Python is seeded by seed,
    step and sample alone, so a resumed run, and one on more processes, sees the same views. Generators that it keeps
    to itself are seeded by `set_random_seed` where it has one, as albumentations has; others are not reached, and then
    a resumed run sees other views.

    Of a batch: it gets float32 of shape (samples, ...), on the device, and returns a batch of views, or all of them.
    Torch's generators, of the CPU and of the device, are seeded by seed, step and first sample, so that ranks differ.

    Args:
        make: The callable.
        plan: The views that the method takes.
        on_batches: Whether it takes a batch.

    Raises:
        ValueError: If the plan asks for places or masks, which only the recipes' views carry.
    """

    def __init__(self, make: Callable[..., Any], plan: ViewPlan, *, on_batches: bool) -> None:
        super().__init__()
        plan.check_one_domain("samples of one's own")
        if plan.with_places or plan.masking is not None or plan.softenings:
            what = "where in an image a view comes from" if plan.with_places else "masks of patches or tokens"
            raise ValueError(f"the method needs {what}, which a callable does not say; leave `views` out")
        self.plan, self.on_batches = plan, on_batches
        # On the host it stays where it is; a module that works on the device goes there, and is saved.
        self.on_device = make if on_batches and isinstance(make, nn.Module) else None
        self._make, self._takes_keywords = (make,), takes_keywords(make)

    def collect(self, samples: Samples, ids: Int64[Tensor, " b"], *, seed: int) -> Batch:
        """Return the views of samples, or the samples themselves where views are made of a batch."""
        if self.on_batches:
            return samples.batch(ids)
        numbers, made = ids.tolist(), []
        with own_draws() as draw:
            for number in numbers:
                draw(mixed_seed(seed, number))
                self._seed_its_own(mixed_seed(seed, number))
                with naming(samples.name_of(number)):
                    made.append([unit(as_tensor(view)) for view in self._views_of(samples.item(number))])
        names = [samples.name_of(number) for number in numbers]
        raw = tuple(stacked(views, names, "views", _WAY_OUT) for views in zip(*made, strict=True))
        return samples.batch(ids, raw)

    def forward(self, batch: Batch, *, seed: int | Int64[Tensor, ""]) -> tuple[View, ...]:
        """Return the views."""
        if not self.on_batches:
            return cast(tuple[View, ...], batch.raw)
        rows = unit_view(cast(View, batch.raw))
        with seeded(batch.ids.device, mixed_seed(int(seed), int(batch.ids[0]))), torch.no_grad():
            views = tuple(unit(as_tensor(view)) for view in self._views_of(rows))
        if any(len(view) != len(batch.ids) for view in views):
            raise ValueError(
                f"views of a batch must have its {len(batch.ids)} rows, got {[tuple(view.shape) for view in views]}"
            )
        return views

    def examples(self, samples: Samples) -> tuple[Tensor, ...]:
        """Return two views of every kind that the callable makes."""
        ids = torch.arange(2)
        with own_draws() as draw:
            draw(0)
            if self.on_batches:
                made = [_several(self._made_of(unit_view(samples.take(ids))))]
                return tuple(unit(as_tensor(view)).cpu() for view in made[0])
            names = [samples.name_of(number) for number in (0, 1)]
            made = [
                [unit(as_tensor(view)) for view in _several(self._made_of(samples.item(number)))] for number in (0, 1)
            ]
        return tuple(stacked(views, names, "views", _WAY_OUT) for views in zip(*made, strict=True))

    def try_out(self, samples: Samples) -> None:
        """Make the views of a few samples once, and look whether they are on the scale of what will be judged.

        Raises:
            ValueError: If there are fewer or more than the method takes, or they or what is judged cannot be made.
        """
        ids = torch.arange(min(_NUM_TRIED, len(samples)))
        view = self(self.collect(samples, ids, seed=0), seed=0)[0]
        plain = self.plain(samples.take(ids))
        if isinstance(view, Tensor) and isinstance(plain, Tensor) and view.is_floating_point():
            _warn_of_scales(view, plain.float())

    def plain(self, raw: View) -> View:
        """Return samples as an encoder takes them: bytes in [0, 1], the rest as it is."""
        return unit_view(raw)

    def _views_of(self, given: Any) -> list[Any]:
        first = self._made_of(given)
        if isinstance(first, tuple | list):
            views = list(first)
        elif self.plan.num_small:
            raise ValueError(
                f"the method takes {self.plan.num_small} small views, which a callable of one view does not make; let "
                f"it return all {self.plan.total}, the {self.plan.num_views} large ones first"
            )
        else:
            views = [first, *(self._made_of(given) for _ in range(self.plan.total - 1))]
        if len(views) != self.plan.total:
            raise ValueError(
                f"the method takes {self.plan.total} views, and `views` makes {len(views)}; change either: "
                "method.num_views of SimCLR, method.num_small of SwAV, or what the callable returns"
            )
        return views

    def _made_of(self, given: Any) -> Any:
        if not self._takes_keywords:
            return self._make[0](given)
        return self._make[0](image=as_array(given))

    def _seed_its_own(self, seed: int) -> None:
        if (set_seed := getattr(self._make[0], "set_random_seed", None)) is not None:
            set_seed(seed % 2**32)


def _warn_of_scales(view: Tensor, plain: Tensor) -> None:
    """Warn where views are normalised and what is judged is not, or the other way round."""
    (mean, std), (plain_mean, plain_std) = ((float(x.mean()), float(x.std()) + 1e-6) for x in (view, plain))
    # A nan is no matter of scales, and greater than nothing: the training says whose it is.
    if abs(mean - plain_mean) > 2 * max(std, plain_std) or max(std / plain_std, plain_std / std) > 3:
        warn(
            f"views have mean {mean:.3g} and standard deviation {std:.3g}, what the encoder is judged on "
            f"{plain_mean:.3g} and {plain_std:.3g}; if `views` normalise, give `plain`, which makes of a sample what "
            "it is judged on"
        )


def _several(made: Any) -> list[Any]:
    return list(made) if isinstance(made, tuple | list) else [made]


def takes_keywords(make: Callable[..., Any]) -> bool:
    """Return whether a callable takes its sample by the name `image` only."""
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError):  # Some callables written in C do not say.
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(parameter.kind in positional for parameter in parameters):
        return False
    # albumentations: (*args, force_apply=False, **data), where whatever is given by place is refused.
    names = {parameter.name for parameter in parameters}
    is_open = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    return "image" in names or (is_open and hasattr(make, "set_random_seed"))
