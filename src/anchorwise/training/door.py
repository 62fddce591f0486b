"""`anchorwise.pretrain`: a training from Python, with the caller's own samples, network, views, method or objective."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from torch import nn

from anchorwise import _checks
from anchorwise.methods import Method, MethodConfig
from anchorwise.modalities.own.modality import Own
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.samples import Samples
from anchorwise.objectives import Objective
from anchorwise.training.choosing import as_settings, configured, own_method, run_folder, with_method
from anchorwise.training.config import ObjectiveConfig, RunConfig, own_objective
from anchorwise.training.loop import train_run
from anchorwise.training.overrides import apply_overrides
from anchorwise.training.own import OwnParts, in_words
from anchorwise.training.run import Run, SampleForm

OWN_SOURCE = "own"  # What a configuration says of samples that stand in none.


def pretrain(
    recipe: str | Path | RunConfig | None = None,
    out: Path | str | None = None,
    *,
    samples: Any = None,
    labels: Any = None,
    groups: Any = None,
    image_column: str | None = None,
    label_column: str | None = None,
    encoder: nn.Module | None = None,
    views: Callable[..., Any] | None = None,
    views_of: Literal["sample", "batch"] = "sample",
    plain: Callable[[Any], Any] | None = None,
    method: str | MethodConfig | type[Method] | None = None,
    objective: str | Objective | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    data: str | Path | None = None,
    set: Mapping[str, Any] | None = None,
    show_progress: bool = True,
) -> Run:
    """Pretrain an encoder, or go on with the same run: by a recipe, with your own parts, or both.

    Whatever is left out of samples, encoder and views is the recipe's. A run that was stopped or killed is gone on with
    by the same call; one that is done is returned as it is. Of own parts `config.json` keeps the text form and
    `data.json` a digest of the samples, so another Dataset or another network is refused.

    Args:
        recipe: Name of a recipe, a JSON file such as `anchorwise pretrain --show-config` prints, or a configuration.
            Left out, the defaults of every setting, with the method's own objective.
        out: Run directory; `runs/` and the recipe's name if left out.
        samples: What to train on: a tensor with one sample per row; a map-style Dataset whose item is a sample, a pair
            of sample and label, or columns by name (so a Hugging Face `datasets.Dataset`); or paths of WebDataset's tar
            files, such as "train-{0000..0146}.tar". A sample is a Pillow image, an array or a tensor.
        labels: Class of every sample, whole numbers from 0. Left out, they are the Dataset's `targets` or a column, or
            stand beside every item, which is then read once. Methods need none; kNN is watched where there are some.
        groups: Which samples belong together, such as photographs of one object: a number for each. Validation parts
            never part them, and `set={"train.exclude_groups": True}` takes them out of each other's negatives.
        image_column: Name of the column that is the sample; "image" or "img" if left out.
        label_column: Name of the column with its class; "label" if left out.
        encoder: Maps a batch of views to rows of shape (samples, width). It is trained in place, from the weights it
            has; its width is found by a forward pass on a copy.
        views: Makes of a sample, as the Dataset has it, a random view or all views as a tuple or list; float tensors of
            its views are taken as they are, bytes and Pillow images are scaled to [0, 1]. Transforms of torchvision
            and albumentations are such callables. What they draw from the global generators of torch, numpy and Python
            is seeded by `train.seed`, the step and the sample, so resumed runs see the same views; generators of their
            own are reached by `set_random_seed` only.
        views_of: "batch" for a callable that takes a whole batch on the device, as kornia's do.
        plain: Makes of a sample, without anything random, what the encoder is judged on. Left out, it is the sample,
            scaled to [0, 1] if it is of bytes: where `views` crop or normalise, give `plain` that does it too.
        method: Name, settings (such as `anchorwise.methods.MoCo.Config(momentum=0.99)`), or a class of your own.
        objective: Name, or an objective; the recipe's, or the method's own, if left out.
        epochs: Passes over the samples.
        batch_size: Samples of a batch, over all processes together, at least 2.
        data: Where the recipe's samples are: a data set's name, or a folder or archive.
        set: Settings by name, such as {"train.seed": 1, "method.momentum": 0.99}.
        show_progress: Show progress on standard error or, plainly, on standard output.

    Raises:
        TypeError: If a part is not what it should be.
        ValueError: If parts do not fit together, or `out` holds another run; the message says the way out.
        FileNotFoundError: If data are not there.
        KeyboardInterrupt: If a signal ended the run early; calling again goes on.
    """
    _checks.one_of("views_of", views_of, ("sample", "batch"))
    _refuse_uncallable({"views": views, "plain": plain})
    form = SampleForm(image_column, label_column, plain)
    own_samples = None if samples is None else form.samples(samples, labels, groups)
    words = _in_words({"encoder": encoder, "views": views, "plain": plain}, own_samples, objective)
    short = {"train.num_epochs": epochs, "train.batch_size": batch_size}
    settings = {name: value for name, value in short.items() if value is not None} | dict(set or {})
    _refuse(recipe, data, settings, words)
    # What samples are decides what reads them, and all that is set of them.
    of_modality = {name: settings.pop(name) for name in ("modality",) if name in settings}
    config = configured(recipe, data=data, settings=as_settings(of_modality))
    if own_samples is not None:
        config = config.model_copy(update={"data": config.data.model_copy(update={"source": OWN_SOURCE})})
    modality = Own(modality_of(config.modality), own_samples, encoder, views, views_of == "batch")
    parts = OwnParts(modality, objective=objective if isinstance(objective, Objective) else None, words=words)
    if isinstance(objective, str):
        settings = {"objective.name": objective, **settings}
    config, parts = _with_method(config, parts, method, settings)
    folder = _folder(recipe, out)
    directory, state, splits = train_run(config, folder, parts, show_progress=show_progress, take_up=True)
    state.model.eval()
    # The caller's own network takes up what is kept, which may be a moving average of it.
    return Run(directory, state.trained(), splits, form)


def _in_words(parts: Mapping[str, Any], samples: Samples | None, objective: Any) -> dict[str, str]:
    """Return every own part in words, by the section of a configuration that it replaces."""
    words = {name: in_words(part) for name, part in parts.items() if part is not None}
    if samples is not None:
        words["data"] = samples.what
    if isinstance(objective, Objective):
        words["objective"] = in_words(objective)
    elif not isinstance(objective, str | None):
        given = f"a class; call it: {objective.__name__}()" if isinstance(objective, type) else type(objective).__name__
        raise TypeError(f"objective must be a name or an anchorwise.Objective, got {given}")
    return words


def _refuse(recipe: Any, data: Any, settings: Mapping[str, Any], words: Mapping[str, str]) -> None:
    """Refuse what would do nothing, and a batch in which nothing can be compared."""
    if "data" in words and data is not None:
        raise ValueError("samples and data both say what to train on; give one of them")
    if "data" not in words and data is None and recipe is None:
        raise ValueError("there is nothing to train on; give samples, or a recipe such as 'digits'")
    for name in settings:
        section = name.partition(".")[0]
        if section in words:
            raise ValueError(
                f"set[{name!r}] would do nothing: {section} is your own, {words[section]}; change it there"
            )
    size = settings.get("train.batch_size", 2)
    if isinstance(size, int) and size < 2:
        raise ValueError(f"batch_size must be at least 2, got {size}: a sample alone has no negatives; take 64 or more")


def _refuse_uncallable(given: Mapping[str, object]) -> None:
    for name, make in given.items():
        if make is not None and not callable(make):
            raise TypeError(
                f"{name} must be a callable on a sample, got {_checks.kind_of(make)}; of several transforms make one: "
                "Compose([first, second]) where they follow each other, or, where each makes a view, "
                "lambda sample: [first(sample), second(sample)]"
            )


def _with_method(
    config: RunConfig, parts: OwnParts, method: Any, settings: Mapping[str, Any]
) -> tuple[RunConfig, OwnParts]:
    """Return configuration and parts with the method, its objective, and the settings put in."""
    own = own_method(method)
    if own is None:
        config = config if method is None else with_method(config, method)
        return apply_overrides(config, as_settings(settings)), parts
    kind, section = own
    mine = {name.removeprefix("method."): value for name, value in settings.items() if name.startswith("method.")}
    section = apply_overrides(section, as_settings(mine))
    rest = {name: value for name, value in settings.items() if not name.startswith("method.")}
    objective, is_named = parts.objective, "objective" in rest or "objective.name" in rest
    if objective is None and not is_named:
        changes = {name.removeprefix("objective."): rest.pop(name) for name in [*rest] if name.startswith("objective.")}
        objective = apply_overrides(ObjectiveConfig(**own_objective(kind)), as_settings(changes)).build()
    words = parts.words | {"method": f"{kind.__module__}.{kind.__qualname__}({section!r})"}
    words |= {} if objective is None else {"objective": in_words(objective)}
    config = apply_overrides(config.model_copy(update={"objective": None}), as_settings(rest))
    return config, replace(parts, method=kind, method_config=section, objective=objective, words=words)


def _folder(recipe: Any, out: Path | str | None) -> Path:
    if out is not None:
        return Path(out)
    if isinstance(recipe, str | Path):
        return run_folder(recipe)
    raise ValueError("out must name a folder for the run, such as 'runs/mine'")
