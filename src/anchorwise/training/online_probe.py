"""A linear probe that learns beside the method, on features that are there anyway: accuracy for next to nothing.

It gets the encoder's rows of one view of every batch without their gradient, says their classes before it learns them,
and takes one step of Adam; the method's numbers stay as they are, bit for bit. What it says is of augmented training
images, most of which it has seen in earlier epochs: it shows whether features get better, and is no test accuracy.

Source: solo-learn and lightly train such a classifier on detached features, as Grill et al. 2020, "Bootstrap Your Own
Latent", do in their released code, https://arxiv.org/abs/2006.07733. Deviations: Adam, and features normalised by the
batch as by a BatchNorm without weights, so that no rate needs choosing.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from anchorwise._warnings import warn
from anchorwise.evaluation.base import Metric
from anchorwise.modalities.encoder import Encoder
from anchorwise.training.optimizers import restore_optimizer

# b = samples of this rank's batch, m = rows of all views, f = features

METRIC = Metric("online_probe", "online probe", "%", digits=1)
LEARNING_RATE = 1e-2


class OnlineProbe(nn.Module):
    """A linear classifier of one view's features; it starts at zero and draws nothing.

    Args:
        num_features: Width of a row.
        num_classes: Classes there are.
        device: Where the features are.
    """

    def __init__(self, num_features: int, num_classes: int, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.classifier = nn.Linear(num_features, num_classes, device="meta").to_empty(device=device)
        for weight in self.classifier.parameters():
            nn.init.zeros_(weight)
        on_card = torch.device(device).type == "cuda"  # There its step may be recorded with the method's.
        self.optimizer = torch.optim.Adam(self.classifier.parameters(), lr=LEARNING_RATE, capturable=on_card)
        self._rows: Tensor | None = None
        self._has_told = False
        self._right, self._seen = torch.zeros(2, device=device)

    def attach(self, encoder: Encoder) -> None:
        """Look at what an encoder makes of the first views of every step."""
        encoder.register_forward_hook(self._note)

    def _note(self, encoder: nn.Module, given: Any, rows: Float[Tensor, "m f"]) -> None:
        if encoder.training and torch.is_grad_enabled() and self._rows is None:
            self._rows = rows.detach()

    def begin(self) -> None:
        """Look at the next rows: a step that was broken off, as where it could not be recorded, leaves some behind."""
        self._rows = None

    @torch.no_grad()
    def learn(self, labels: Int64[Tensor, " b"]) -> None:
        """Say the classes of the batch that the encoder just saw, then learn them; nothing is read of the device."""
        rows, self._rows = self._rows, None
        if rows is None:  # The method asked its encoder for maps or parts of it, or another network.
            if not self._has_told:
                self._has_told = True
                warn("train.online_probe learns nothing here: the method never asks the trained encoder for its rows")
            return
        self._has_told = True
        # Views are encoded one after the other, or in one batch one behind the other: the first come first.
        rows = rows[: len(labels)].float()
        if len(rows) > 1:
            rows = F.batch_norm(rows, None, None, training=True)
        scores = self.classifier(rows)
        self._right += (scores.argmax(dim=1) == labels).sum()
        self._seen += len(labels)
        is_own = labels[:, None] == torch.arange(scores.shape[1], device=scores.device)
        residual = (scores.softmax(dim=1) - is_own.to(scores)) / len(labels)
        self.classifier.weight.grad = residual.T @ rows
        self.classifier.bias.grad = residual.sum(dim=0)
        self.optimizer.step()

    def read(self) -> dict[str, float]:
        """Return the share of right answers since the last time, in [0, 1]; waits for the device."""
        right, seen = float(self._right), float(self._seen)
        self._right.zero_()
        self._seen.zero_()
        return {METRIC.name: right / seen} if seen else {}

    def saved(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {
            "classifier": self.classifier.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "right": self._right,
            "seen": self._seen,
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take up what was saved.

        Raises:
            KeyError: If a part is missing.
            ValueError: If its optimiser is one of other parameters.
            RuntimeError: If it is that of other features or classes.
        """
        self.classifier.load_state_dict(saved["classifier"])
        restore_optimizer(self.optimizer, saved["optimizer"])  # Whether it was recorded is the device's matter.
        self._right.copy_(saved["right"])
        self._seen.copy_(saved["seen"])
