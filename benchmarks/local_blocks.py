"""What blocks that learn by themselves save of the memory that autograd keeps, counted in bytes on any machine.

    python -m benchmarks.local_blocks

takes a step of `local_blocks` with 16 images of 32 px for encoders and numbers of blocks, with and without the stages
beside the blocks, and prints the most that was kept at a time as a Markdown table.
"""

import torch
from torch import Tensor

from anchorwise.methods import LocalBlocks
from anchorwise.modalities.images.encoders import EncoderConfig, build_encoder
from anchorwise.modalities.samples import Batch
from anchorwise.objectives import InfoNCE

NUM_IMAGES, SIZE_PX = 16, 32
NUM_BLOCKS = {"small": (1, 2, 4), "resnet18": (1, 2, 4, 8), "resnet50": (1, 2, 4, 8)}


class Kept:
    """Counts the bytes that autograd keeps, while it keeps them."""

    def __init__(self) -> None:
        self.now = self.most = 0

    def held(self, tensor: Tensor) -> "_Held":
        """Note what is kept."""
        self.now += tensor.nbytes
        self.most = max(self.most, self.now)
        return _Held(tensor, self)


class _Held:
    def __init__(self, tensor: Tensor, kept: Kept) -> None:
        self.tensor, self.kept = tensor, kept

    def __del__(self) -> None:
        self.kept.now -= self.tensor.nbytes


def kept_mib(name: str, num_blocks: int, momentum: float | None) -> float:
    """Return the most that is kept at a time in a step."""
    torch.manual_seed(0)
    encoder = build_encoder(EncoderConfig(name=name), num_channels=3, image_size_px=SIZE_PX)
    method = LocalBlocks(encoder, InfoNCE(), LocalBlocks.Config(num_blocks=num_blocks, momentum=momentum))
    views, kept = torch.randn(2, NUM_IMAGES, 3, SIZE_PX, SIZE_PX), Kept()
    with torch.autograd.graph.saved_tensors_hooks(kept.held, lambda held: held.tensor):
        outcome = method(list(views), Batch(views[0], torch.arange(NUM_IMAGES))).outcome
    outcome.loss.backward()
    return kept.most / 2**20


def main() -> None:
    """Count and print."""
    print("| encoder | blocks | blocks alone MiB | with the stages beside them MiB |\n|---|---|---|---|")
    for name, numbers in NUM_BLOCKS.items():
        for blocks in numbers:
            alone, beside = (f"{kept_mib(name, blocks, momentum):,.1f}" for momentum in (None, 0.995))
            print(f"| `{name}` | {blocks} | {alone} | {beside} |", flush=True)


if __name__ == "__main__":
    main()
