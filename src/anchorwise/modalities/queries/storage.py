"""A trained encoder of trajectories on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch
from pydantic import FiniteFloat
from torch import Tensor

from anchorwise import _files
from anchorwise._config import Section
from anchorwise.modalities.encoder import SPEC_FILE, DescribedEncoder, read_spec
from anchorwise.modalities.queries.config import TrajectoryEncoderConfig
from anchorwise.modalities.queries.encoders import build_encoder
from anchorwise.modalities.queries.samples import QuerySamples
from anchorwise.modalities.samples import Samples, View


class TrajectoryEncoderSpec(Section):
    """What an encoder is and what it expects.

    Attributes:
        modality: What it takes.
        encoder: The architecture.
        mean: Subtracted from the numbers of a state.
        scale: Divides them afterwards.
    """

    modality: Literal["queries"] = "queries"
    encoder: TrajectoryEncoderConfig
    mean: tuple[FiniteFloat, ...]
    scale: tuple[FiniteFloat, ...]


@dataclass(frozen=True)
class FrozenTrajectories(DescribedEncoder):
    """A trained encoder of trajectories with what it expects."""

    spec: TrajectoryEncoderSpec

    def plain(self, raw: View) -> Tensor:
        """Return trajectories with standardised numbers."""
        states = cast(Tensor, raw)
        mean, scale = (torch.tensor(numbers, device=states.device) for numbers in (self.spec.mean, self.spec.scale))
        return (states - mean) / scale

    def adapted(self, samples: Samples) -> Samples:
        """Return trajectories as they are.

        Raises:
            ValueError: If they are none, or have states of other widths.
        """
        num_numbers = len(self.spec.mean)
        if not isinstance(samples, QuerySamples) or samples.states.shape[2] != num_numbers:
            raise ValueError(
                f"an encoder of trajectories whose states have {num_numbers} numbers takes such, got {samples.what}"
            )
        return samples


def load_trajectory_encoder(folder: Path) -> FrozenTrajectories:
    """Read what `FrozenTrajectories.save` wrote, in evaluation mode.

    Raises:
        FileNotFoundError: If a file is missing.
        UnusableFileError: If one is damaged.
    """
    spec = read_spec(TrajectoryEncoderSpec, folder)
    with _files.reading(folder / SPEC_FILE):
        encoder = build_encoder(spec.encoder)
    frozen = FrozenTrajectories(encoder.eval(), spec)
    frozen.restore(folder)
    return frozen
