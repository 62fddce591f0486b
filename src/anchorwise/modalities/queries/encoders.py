"""Encoders of trajectories: every state by itself, and the sum over states."""

from itertools import pairwise
from typing import cast, final

from jaxtyping import Float
from torch import Tensor, nn

from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.queries.config import TrajectoryEncoderConfig
from anchorwise.modalities.samples import View

# b = trajectories, s = states of each, f = numbers of a state, d = features


@final
class SummedStates(Encoder):
    """The features of a trajectory are the sums of those of its states.

    Then a reward that is linear in the features of a state is linear in those of its trajectory.
    """

    def encode(self, view: View) -> Float[Tensor, "b d"]:
        """Return one row per trajectory."""
        states = cast(Tensor, view)
        return self.backbone(states.flatten(end_dim=1)).unflatten(0, states.shape[:2]).sum(dim=1)


def build_encoder(config: TrajectoryEncoderConfig) -> SummedStates:
    """Return an encoder with random weights from torch's generator.

    Raises:
        ValueError: If nobody has filled in how many numbers a state has.
    """
    if config.num_numbers is None:
        raise ValueError("encoder.num_numbers must be how many numbers a state has, got None")
    widths = [config.num_numbers, *[config.width] * config.num_layers]
    layers = list[nn.Module]()
    for wide, out in pairwise(widths):
        layers += [nn.Linear(wide, out), nn.ReLU()]
    backbone = nn.Sequential(*layers, nn.Linear(widths[-1], config.num_features))
    return SummedStates(backbone, num_features=config.num_features)
