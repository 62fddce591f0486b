"""Lightning: WEINCE in a LightningModule, on images made up for the purpose. Nothing is downloaded.

    pip install . lightning
    python examples/lightning_simclr.py

On several devices (`Trainer(devices=2)`) the rows of all of them are each other's negatives.
"""

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

import anchorwise


class TwoViews(Dataset):
    """Random images, each of them twice with noise of its own."""

    def __init__(self, num_images: int = 256, image_size_px: int = 8) -> None:
        self.images = torch.randn(
            num_images, 3, image_size_px, image_size_px, generator=torch.Generator().manual_seed(0)
        )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return two views of an image."""
        image = self.images[index]
        return image + 0.5 * torch.randn_like(image), image + 0.5 * torch.randn_like(image)


class SimCLR(lightning.LightningModule):
    """An encoder and an objective of two views."""

    def __init__(self, objective: anchorwise.Objective) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 32)
        )
        self.objective = objective
        self.history: list[float] = []

    def training_step(self, batch: tuple[Tensor, Tensor], batch_index: int) -> Tensor:
        """Return the loss of one batch of pairs, and log it with the mean share of the shortfall link."""
        outcome = self.objective.detail(*(self.encoder(view) for view in batch))
        self.log("loss", outcome.loss, prog_bar=True)
        self.log("lambda", outcome.stats["lambda"].mean(), prog_bar=True)
        self.history.append(outcome.loss.item())
        return outcome.loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer of the encoder."""
        return torch.optim.AdamW(self.parameters(), lr=3e-3)


def main(max_epochs: int = 10) -> list[float]:
    """Train, and return the loss of every step."""
    lightning.seed_everything(0)
    model = SimCLR(anchorwise.WEINCE(temperature=0.2))
    trainer = lightning.Trainer(
        max_epochs=max_epochs, accelerator="auto", logger=False, enable_checkpointing=False, log_every_n_steps=1
    )
    trainer.fit(model, DataLoader(TwoViews(), batch_size=64, shuffle=True, drop_last=True))
    return model.history


if __name__ == "__main__":
    losses = main()
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}")
