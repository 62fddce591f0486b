"""Checks of what an objective is called with: every message names the argument, the rule, the value and the way out."""

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from anchorwise._checks import kind_of, number

_Given = TypeVar("_Given")


def tensor(name: str, value: object) -> Tensor:
    """Return `value` if it is a tensor; nothing else is made one without being asked for."""
    if not isinstance(value, Tensor):
        way_out = f"convert it with torch.as_tensor({name})"
        if isinstance(value, Sequence) and any(isinstance(part, Tensor) for part in value):
            way_out = f"give its tensors one by one, *{name}"
        raise TypeError(f"{name} must be a tensor, got {kind_of(value)}; {way_out}")
    return value


def views(*given: Tensor) -> None:
    """Refuse views that are not floating (n, d) tensors of one shape and device with d at least 1."""
    if not given:
        raise ValueError("view0 must be given, got no view: objective(view0, view1)")
    for index, view in enumerate(given):
        rows(f"view{index}", view)
    for index, view in enumerate(given[1:], start=1):
        same_shape("view0", given[0], f"view{index}", view)
        same_device("view0", given[0], f"view{index}", view)


def some_samples(num_samples: int, *views_given: Tensor) -> None:
    """Refuse views without a sample: of this process, or of all the ranks that share a batch together."""
    if num_samples == 0:
        names = " and ".join(f"view{index}" for index in range(len(views_given)))
        raise ValueError(f"{names} must have at least one row, got {(num_samples, *views_given[0].shape[1:])}")


def views_beside(name: str, given: object, views: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return rows of the same samples, one tensor for every view and of its shape and device."""
    of_views = one_each(name, given, len(views), "views")
    for index, (of_view, view) in enumerate(zip(of_views, views, strict=True)):
        rows(f"{name}[{index}]", of_view)
        same_shape(f"view{index}", view, f"{name}[{index}]", of_view)
        same_device(f"view{index}", view, f"{name}[{index}]", of_view)
    return of_views


def one_each(name: str, given: object, number: int, what: str) -> tuple[Tensor, ...]:
    """Return the tensors of a sequence, one for each of so many things."""
    example = ", ".join(f"{name}{index}" for index in range(number)) + "," * (number == 1)
    if not isinstance(given, Sequence | Tensor):
        raise TypeError(f"{name} must be {number} tensors, got {kind_of(given)}; pass {name}=({example})")
    if len(given) != number:
        raise ValueError(
            f"{name} must have one tensor for each of the {number} {what}, got {len(given)}; pass {name}=({example})"
        )
    return tuple(tensor(f"{name}[{index}]", value) for index, value in enumerate(given))


def rows(name: str, given: Tensor) -> None:
    """Refuse what is not a floating (rows, width) tensor."""
    if tensor(name, given).layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor, got {given.layout}; convert it with {name}.to_dense()")
    if given.ndim != 2:
        way_out = f"flatten or pool the other axes first; several views in one tensor are given as *{name}"
        if given.ndim == 1:
            way_out = f"one number for each sample, such as labels and ids, is given by its name: labels={name}"
        raise ValueError(f"{name} must have shape (samples, width), got {tuple(given.shape)}; {way_out}")
    if given.shape[1] == 0:
        raise ValueError(f"{name} must have at least one column, got {tuple(given.shape)}")
    floating(name, given)


def some_rows(name: str, given: Tensor) -> None:
    """Refuse what is no floating matrix of at least one row."""
    rows(name, given)
    if len(given) == 0:
        raise ValueError(f"{name} must have at least one row, got {tuple(given.shape)}")


def floating(name: str, given: Tensor) -> None:
    """Refuse a tensor that is not floating."""
    if not given.is_floating_point():
        raise TypeError(f"{name} must have a floating dtype, got {given.dtype}; convert it with {name}.float()")


def score_rows(given: object) -> None:
    """Refuse what is not a floating matrix of scores."""
    scores = tensor("scores", given)
    if scores.ndim != 2:
        raise ValueError(
            f"scores must have shape (anchors, negatives), got {tuple(scores.shape)}; one row is scores.unsqueeze(0)"
        )
    if not scores.is_floating_point():
        raise TypeError(f"scores must have a floating dtype, got {scores.dtype}; convert them with scores.float()")


def alike(first_name: str, first: Tensor, name: str, given: Tensor) -> None:
    """Refuse two tensors that differ in width or device; floating dtypes may differ: each is widened by itself."""
    if given.shape[-1] != first.shape[-1]:
        raise ValueError(
            f"{first_name} and {name} must have the same width, got {tuple(first.shape)} and {tuple(given.shape)}"
        )
    same_device(first_name, first, name, given)


def same_device(first_name: str, first: Tensor, name: str, given: Tensor) -> None:
    """Refuse two tensors on different devices."""
    if given.device != first.device:
        raise ValueError(
            f"{first_name} and {name} must be on one device, got {first.device} and {given.device}; "
            f"move one with {name}.to({first_name}.device)"
        )


def same_shape(first_name: str, first: Tensor, name: str, given: Tensor) -> None:
    """Refuse two tensors of different shape."""
    if given.shape != first.shape:
        raise ValueError(
            f"{first_name} and {name} must have the same shape, got {tuple(first.shape)} and {tuple(given.shape)}; "
            "row i of both must come from sample i"
        )


def num_views(who: object, num_views: int, lowest: int) -> None:
    """Refuse fewer views than an objective needs."""
    if num_views < lowest:
        raise ValueError(f"{_name(who)} needs at least {lowest} views, got {num_views}: objective(view0, view1, ...)")


def num_samples(who: object, num_samples: int, lowest: int = 2) -> None:
    """Refuse fewer samples than an objective needs to have a denominator at all."""
    if num_samples < lowest:
        raise ValueError(
            f"{_name(who)} needs at least {lowest} samples, got {num_samples}: its denominator has negatives only, and "
            "one sample has none; use larger batches (drop_last=True in the loader)"
        )


def needed(who: object, name: str, value: _Given | None, what: str) -> _Given:
    """Return an argument of the call that an objective cannot do without."""
    if value is None:
        raise ValueError(f"{_name(who)} needs {name}: {what}; call objective(view0, ..., {name}={name})")
    return value


def one_per_sample(name: str, value: Tensor, view: Tensor) -> Tensor:
    """Return ids as int64, one for each row of a view."""
    return whole_numbers(name, _one_each(name, value, view))


def class_per_sample(name: str, value: Tensor, view: Tensor) -> Tensor:
    """Return classes as int64, one for each row of a view."""
    return classes(name, _one_each(name, value, view))


def classes(name: str, value: Tensor) -> Tensor:
    """Return classes as int64; booleans are two of them. Equal numbers stay equal and others different."""
    if value.is_floating_point() or value.is_complex():
        raise TypeError(f"{name} must be whole numbers, got {value.dtype}; convert them with {name}.long()")
    # What is too large for int64 becomes a negative number of its own, where a conversion may saturate.
    return value.view(torch.int64) if value.dtype == torch.uint64 else value.to(torch.int64)


def whole_numbers(name: str, value: Tensor) -> Tensor:
    """Return whole numbers of any integer dtype as int64, which torch indexes with; others may be masks or refused."""
    if value.dtype == torch.bool:
        raise TypeError(f"{name} must be whole numbers, got a mask of {value.dtype}; its places are {name}.nonzero()")
    numbers = classes(name, value)
    if value.dtype == torch.uint64 and are_read(numbers) and bool((numbers < 0).any()):
        raise ValueError(
            f"{name} must be below 2**63, got larger ones in {value.dtype}; "
            f"number them anew with {name}.view(torch.int64).unique(return_inverse=True)[1]"
        )
    return numbers


def are_read(values: Tensor) -> bool:
    """Return whether values are read to be checked: those in the memory of the CPU, and outside of a compiled graph.

    A look at the values of another device would wait for all that it has been given to do, and cannot be captured in a
    CUDA graph. There, a value that would be refused makes the loss not finite, or, where it is a place, is refused by
    the device as it reads that place.
    """
    return values.device.type == "cpu" and not torch.compiler.is_compiling()


def places(name: str, numbers: Tensor, size: int, last: str, way_out: str) -> Tensor:
    """Return numbers as places of something of this size, refused where they are none.

    Torch counts negative ones from the end. Where values are not read (`are_read`), they become one that it refuses.
    """
    if not are_read(numbers):
        return torch.where(numbers < 0, size, numbers)
    if numbers.numel() > 0:
        lowest, highest = torch.stack(numbers.aminmax()).tolist()
        if lowest < 0 or highest >= size:
            raise ValueError(f"{name} must lie from 0 to {last}, {size - 1}, got {lowest} to {highest}; {way_out}")
    return numbers


def real_per_sample(name: str, value: Tensor, view: Tensor) -> Tensor:
    """Return real numbers, one for each row of a view."""
    if tensor(name, value).is_complex():
        raise TypeError(f"{name} must be real numbers, got {value.dtype}; convert them with {name}.real")
    return _one_each(name, value, view)


def real_per_row(name: str, value: Tensor, rows_name: str, rows_given: Tensor) -> Tensor:
    """Return floating numbers, one for each row."""
    if tensor(name, value).shape != rows_given.shape[:1]:
        raise ValueError(
            f"{name} must have one number for each of the {len(rows_given)} {rows_name}, shape ({len(rows_given)},), "
            f"got {tuple(value.shape)}"
        )
    floating(name, value)
    same_device(rows_name, rows_given, name, value)
    return value


def _one_each(name: str, value: Tensor, view: Tensor) -> Tensor:
    if tensor(name, value).shape != view.shape[:1]:
        raise ValueError(
            f"{name} must have one number for each of the {len(view)} samples, shape ({len(view)},), "
            f"got {tuple(value.shape)}"
        )
    same_device("view0", view, name, value)
    return value


def one_per_pair(name: str, value: Tensor, view: Tensor) -> Tensor:
    """Return real numbers, or booleans, one for each pair of rows of a view."""
    if tensor(name, value).is_complex():
        raise TypeError(f"{name} must be real numbers, got {value.dtype}; convert them with {name}.real")
    if value.shape != (len(view), len(view)):
        raise ValueError(
            f"{name} must have one number for each pair of the {len(view)} samples, shape ({len(view)}, {len(view)}), "
            f"got {tuple(value.shape)}"
        )
    same_device("view0", view, name, value)
    return value


def one_per_row(name: str, ids: Tensor, rows_name: str, rows_given: Tensor) -> Tensor:
    """Return ids as int64, one for each row."""
    if tensor(name, ids).shape != rows_given.shape[:1]:
        raise ValueError(
            f"{name} must have one id for each of the {len(rows_given)} {rows_name}, shape ({len(rows_given)},), "
            f"got {tuple(ids.shape)}"
        )
    same_device(rows_name, rows_given, name, ids)
    return whole_numbers(name, ids)


def one_block_each(name: str, value: Tensor, what: str, length: int) -> Tensor:
    """Return whole numbers, the block of each row or column of scores."""
    if tensor(name, value).is_floating_point() or value.shape != (length,):
        raise ValueError(
            f"{name} must be {length} whole numbers, one for each {what} of scores, got {value.dtype} of shape "
            f"{tuple(value.shape)}"
        )
    return value


def scalar(name: str, value: float | Tensor, like: Tensor) -> Tensor:
    """Return one number in the dtype of `like` and on its device; a tensor, such as a learnable scale, keeps its graph.

    A number in the memory of the CPU is taken beside any device, as torch does.
    """
    if not isinstance(value, Tensor):
        return like.new_full((), number(name, value))
    if value.numel() != 1 or value.is_complex() or value.dtype == torch.bool:
        raise ValueError(
            f"{name} must be one real number or a tensor of one, got {value.dtype} of shape {tuple(value.shape)}"
        )
    if value.device.type != "cpu":
        same_device("view0", like, name, value)
    return value.reshape(()).to(like)


def scale(name: str, value: float | Tensor, like: Tensor) -> Tensor:
    """Return what multiplies scores, as `scalar` does, refused below 0, where positives would be pushed away.

    Where values are not read (`are_read`), one below 0 becomes not a number.
    """
    found = scalar(name, value, like)
    if not are_read(found):
        return found.masked_fill(found.detach() < 0.0, torch.nan)
    if bool(found < 0.0):
        raise ValueError(
            f"{name} must be at least 0, since it is 1 / temperature, got {found.item():g}; "
            f"a model that learns its logarithm gives {name}=model.log_scale.exp()"
        )
    return found


def generator(name: str, value: object, like: Tensor) -> torch.Generator:
    """Return a random generator of the device on which it has to draw."""
    if not isinstance(value, torch.Generator):
        raise TypeError(
            f"{name} must be a torch.Generator, got {kind_of(value)}; "
            "make one with torch.Generator(view0.device).manual_seed(0)"
        )
    if value.device.type != like.device.type:
        raise ValueError(
            f"view0 and {name} must be on one device, got {like.device} and {value.device}; "
            "make one with torch.Generator(view0.device)"
        )
    return value


def no_second_pass(who: object, what: str) -> None:
    """Refuse a forward pass that torch.utils.checkpoint does anew while gradients are computed.

    What moves with every pass has moved since, so that the gradients would be those of another loss.

    Args:
        who: What is called.
        what: What moves.
    """
    # Of what is called within a backward pass; torch.utils.checkpoint tells its passes apart by the same number.
    if not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1:  # pyright: ignore[reportPrivateUsage]
        raise RuntimeError(
            f"{_name(who)} must be called once for a loss, got a second pass by torch.utils.checkpoint, before which "
            f"{what} moved: checkpoint the encoder, and call the objective outside of it"
        )


def _name(who: object) -> str:
    return who if isinstance(who, str) else type(who).__name__
