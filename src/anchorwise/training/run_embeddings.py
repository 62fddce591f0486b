"""What the objective of a run sees: two views of its images, embedded by its trained model."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.embed import as_device
from anchorwise.modalities.images.datasets import load_splits
from anchorwise.modalities.images.image_set import ImageSet, Splits
from anchorwise.training.checkpoint import load_checkpoint
from anchorwise.training.reading_progress import reading_progress
from anchorwise.training.run_directory import RunDirectory
from anchorwise.training.state import RunState, initial_state

VIEW_SEED = 20_260  # Of the views.
BATCH_SIZE = 2048
RUN_FILES = ("checkpoint.safetensors", "encoder.safetensors", "encoder.json", "config.json")


def run_folder(path: Path) -> Path | None:
    """Return the folder of the run that `path` names, itself or by one of its files; None for any other path."""
    if path.is_dir():
        return path
    return path.parent if path.name in RUN_FILES and path.is_file() else None


def trained_state(directory: RunDirectory, splits: Splits, device: torch.device | str = "cpu") -> RunState:
    """Return the model of a run's last checkpoint with all that belongs to it.

    Args:
        directory: The run.
        splits: Its images, or others of the same size.
        device: Where the model goes.

    Raises:
        FileNotFoundError: If this is no run, or it has no checkpoint yet.
    """
    state = initial_state(directory.config(), splits.pretrain, torch.device(device))
    state.restore(load_checkpoint(directory.checkpoint_file))
    return state


@torch.no_grad()
def two_view_embeddings(
    state: RunState, image_set: ImageSet, *, device: torch.device | str = "cpu", show_progress: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the projected embeddings of two views of every image: what the objective sees, in evaluation mode."""
    state.model.eval()
    rows = []
    starts = range(0, len(image_set), BATCH_SIZE)
    for start in track(starts, description="Embedding two views", disable=not show_progress):
        images = image_set.images[start : start + BATCH_SIZE].to(device)
        views = state.augmentation(images, seed=VIEW_SEED + start)[:2]  # A method may have more.
        rows.append([state.model.online(view).float().cpu() for view in views])
    view0, view1 = (torch.cat(views) for views in zip(*rows, strict=True))
    return view0, view1


def embed_run_views(
    folder: Path, *, data: str | None = None, device: str = "auto"
) -> tuple[Embeddings, list[dict[str, Any]]]:
    """Return two views of a run's training images, or of other images, and the lines of its log.

    Raises:
        FileNotFoundError: If the folder is no run, or the images are not there.
        ValueError: If the images do not fit the encoder.
    """
    directory, place = RunDirectory(folder), as_device(device)
    config = directory.config().data
    if data is not None:
        config = config.of_other_images(data, image_size_px=config.image_size_px)
    with reading_progress() as show:
        splits = load_splits(config, on_progress=show)
    images = splits.train
    views = two_view_embeddings(trained_state(directory, splits, place), images, device=place, show_progress=True)
    embeddings = Embeddings(
        tuple(view.numpy() for view in views),
        labels=None if images.labels is None else images.labels.numpy().astype(np.int64),
        names=images.names,
        class_names=images.class_names,
        image=lambda item: images.images[item],
    )
    return embeddings, directory.log()
