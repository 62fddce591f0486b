"""What the objective of a run sees: two views of its samples, embedded by its trained model."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from anchorwise import _files
from anchorwise._config import OwnNamed, section_of
from anchorwise._device import as_device
from anchorwise.embeddings import Embeddings
from anchorwise.embeddings.stored import parts_in
from anchorwise.methods import SimCLR
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.samples import Samples, Splits
from anchorwise.models import HeadConfig
from anchorwise.training.checkpoint import START_AFRESH, load_checkpoint
from anchorwise.training.config import RunConfig
from anchorwise.training.order import OnePerGroup
from anchorwise.training.own import NO_PARTS
from anchorwise.training.reading_progress import reading_progress
from anchorwise.training.run_directory import RunDirectory
from anchorwise.training.state import RunState, initial_state

VIEW_SEED = 20_260  # Of the views.
BATCH_SIZE = 2048
RUN_FILES = ("checkpoint.safetensors", "encoder.safetensors", "encoder.json", "config.json")


def run_folder(path: Path) -> Path | None:
    """Return the folder of the run that `path` names, itself or by one of its files; None for any other path.

    Raises:
        ValueError: If it is a folder of feature files.
    """
    if path.is_dir():
        if not RunDirectory(path).config_file.is_file() and (files := parts_in(path)):
            raise ValueError(f"{path} holds feature files and no run; give one of them: {files[-1]}")
        return path
    return path.parent if path.name in RUN_FILES and path.is_file() else None


def trained_state(directory: RunDirectory, splits: Splits[Samples], device: torch.device | str = "cpu") -> RunState:
    """Return the model of a run's last checkpoint with all that belongs to it.

    Args:
        directory: The run.
        splits: Its samples, or others of the same size.
        device: Where the model goes.

    Raises:
        FileNotFoundError: If this is no run, or it has no checkpoint yet.
        UnusableFileError: If the checkpoint is damaged, or not one of this configuration.
    """
    config = directory.config()
    # All weights are in the checkpoint: the file that they started from may be gone, and so may the code.
    encoder = modality_of(config.modality).without_start(config.encoder)
    train = config.train.model_copy(update={"online_probe": False})
    begun = config.model_copy(update={"encoder": encoder, "train": train, "version": None})
    state = initial_state(_without_own_code(begun), splits.pretrain, torch.device(device))
    saved = load_checkpoint(directory.checkpoint_file)
    with _files.reading(directory.checkpoint_file, way_out=START_AFRESH):
        if config.names_own_code:
            state.restore_encoder(saved)
        else:
            state.restore(saved)
    return state


def _without_own_code(config: RunConfig) -> RunConfig:
    """Return a configuration with parts of this library in the place of imported ones: reading a run executes no code.

    The encoder, its head and what makes its views stay.
    """
    if not config.names_own_code:
        return config
    method = config.method
    if isinstance(method, OwnNamed):
        method = SimCLR.Config(head=section_of(HeadConfig, method.settings.get("head", {})))
    return config.model_copy(update={"method": method, "objective": None})


@torch.no_grad()
def two_view_embeddings(
    state: RunState, samples: Samples, *, device: torch.device | str = "cpu", show_progress: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the projected embeddings of two views of every sample: what the objective sees, in evaluation mode."""
    state.model.eval()
    rows = []
    parts = torch.arange(len(samples)).split(BATCH_SIZE)
    for ids in track(parts, description="Embedding two views", disable=not show_progress):
        seed = VIEW_SEED + int(ids[0])
        batch = state.views.collect(samples, ids, seed=seed).to(torch.device(device))
        views = state.views(batch, seed=seed)[:2]  # A method may have more.
        rows.append([state.model.online(view).float().cpu() for view in views])
    view0, view1 = (torch.cat(views) for views in zip(*rows, strict=True))
    return view0, view1


def embed_run_views(
    folder: Path, *, data: str | None = None, device: str = "auto"
) -> tuple[Embeddings, list[dict[str, Any]]]:
    """Return two views of a run's training samples, or of others, and the lines of its log.

    Raises:
        FileNotFoundError: If the folder is no run, or the samples are not there.
        ValueError: If the samples do not fit the encoder.
    """
    directory, place = RunDirectory(folder), as_device(device)
    config = NO_PARTS.noted_in(directory.config())
    modality = modality_of(config.modality)
    source = modality.data_of_run(config.data, folder)
    frozen = directory.encoder() if data is not None and directory.is_done else None
    if data is not None:
        source = modality.other_data(data, like=source, frozen=frozen)
    with reading_progress() as show:
        splits = modality.load(source, on_progress=show)
    if frozen is not None:
        splits = splits.changed(frozen.adapted)
    samples = splits.train
    # What the objective never had as negatives is none here either.
    are_apart = config.train.exclude_groups or isinstance(config.order, OnePerGroup.Config)
    apart = samples.groups if are_apart else None
    views = two_view_embeddings(trained_state(directory, splits, place), samples, device=place, show_progress=True)
    embeddings = Embeddings(
        tuple(view.numpy() for view in views),
        labels=None if samples.labels is None else samples.labels.numpy().astype(np.int64),
        ids=None if apart is None else apart.numpy(),
        groups=None if samples.groups is None else samples.groups.numpy(),
        names=samples.names,
        class_names=samples.class_names,
        image=samples.picture,
        across=modality.is_across,
    )
    return embeddings, directory.log()
