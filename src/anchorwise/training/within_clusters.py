"""The order of multistage training: every batch of samples that all earlier stages find alike.

Source: Zhang et al. 2024, "Learning the Unlearned: Mitigating Feature Suppression in Contrastive Learning" (MCL),
https://arxiv.org/abs/2402.11816, and its released code. What an encoder has learnt tells samples of one batch apart no
longer, so the next one, which begins anew, has to learn something else; the features of all stages belong side by side.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, final

import torch
from jaxtyping import Int64
from pydantic import Field
from torch import Tensor

from anchorwise.methods import AllRows, Method
from anchorwise.modalities.registry import rebuild
from anchorwise.modalities.seeds import mixed_seed, seeded
from anchorwise.models.clustering import k_means
from anchorwise.pairs import unit_rows
from anchorwise.training.order import Deck, Order, OrderConfig


@final
class WithinClusters(Order):
    """Batches of one pseudo-class each: samples that every earlier stage's clustering puts together.

    The pseudo-class of a sample is all its cluster numbers; the released code means that, and by a slip takes the last
    stage's alone. A class has as many batches of an epoch as it has of the samples; those with fewer samples than a
    batch have none, as in the source. In a class samples come in random order, all of them before one comes again,
    where the source leaves out what fills no batch.
    """

    class Config(OrderConfig):
        """What the batches are cut by.

        Attributes:
            earlier: Folders of the finished runs of all earlier stages, on the same samples, the first stage first.
            num_clusters: Of every stage; the source has 10.
        """

        name: Literal["within_clusters"] = "within_clusters"
        earlier: tuple[str, ...] = Field(default=(), max_length=32)
        num_clusters: int = Field(default=10, ge=2, le=10_000)

    config: Config

    def prepare(self) -> None:
        """Look whether such batches can be made of these samples, and of which parts."""
        if not self.config.earlier:
            raise ValueError(
                "order.name=within_clusters needs order.earlier, the folders of the runs of earlier stages, such as "
                "order.earlier=['runs/stage0']; the first stage is a run with order.name=shuffled"
            )
        self.stages = [rebuild(Path(folder)) for folder in self.config.earlier]
        self.classes: Int64[Tensor, " n"] | None = None

    def before_epoch(self, samples: AllRows, method: Method, *, seed: int, epoch: int) -> None:
        """Cluster the samples by every earlier encoder, before the first epoch alone: these do not change.

        Raises:
            ValueError: If there are fewer samples than clusters, or no class has the samples of a batch.
        """
        if (classes := self.classes) is None:
            device = next(method.parameters()).device
            rows = [unit_rows(samples.of(stage.encoder.to(device))).cpu() for stage in self.stages]
            classes = samples.agreed(lambda: self._classes_of(rows, seed))
            self.classes = classes
        largest = int(classes.bincount().max())
        if largest < max(self.sizes):
            raise ValueError(
                f"order.name=within_clusters wants {max(self.sizes)} samples of one class in a batch, and the largest "
                f"of {len(classes.unique())} classes has {largest}; take a smaller train.batch_size or "
                "order.num_clusters, or fewer stages"
            )

    def _classes_of(self, rows: list[Tensor], seed: int) -> Int64[Tensor, " n"]:
        classes = torch.zeros(len(rows[0]), dtype=torch.int64)
        for stage, of_stage in enumerate(rows):
            with seeded(torch.device("cpu"), mixed_seed(seed, stage)):
                _, members = k_means(of_stage, self.config.num_clusters)
            # Numbered anew, so that numbers of many stages do not grow beyond 64 bits.
            classes = (classes * self.config.num_clusters + members).unique(return_inverse=True)[1]
        return classes

    def epoch(self, num_images: int, generator: torch.Generator) -> list[Int64[Tensor, " b"]]:
        """Give every class its batches, in random order."""
        if self.classes is None:
            raise RuntimeError("the samples were not looked at before the epoch")
        large = [ids for ids in _members(self.classes) if len(ids) >= max(self.sizes)]
        shares = torch.tensor([len(ids) for ids in large], dtype=torch.float64)
        # Every batch goes to the class that is furthest behind its share.
        given, which = torch.zeros_like(shares), list[int]()
        for number in range(len(self.sizes)):
            behind = shares / shares.sum() * (number + 1) - given
            which.append(int(behind.argmax()))
            given[which[-1]] += 1
        decks = [Deck(ids, generator) for ids in large]
        turn = torch.randperm(len(which), generator=generator).tolist()
        return [decks[which[place]].dealt(size) for place, size in zip(turn, self.sizes, strict=True)]

    def saved(self) -> dict[str, Any]:
        """Return the classes: another machine might cluster otherwise."""
        return {} if self.classes is None else {"classes": self.classes}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take up the classes.

        Raises:
            KeyError: If there are none.
        """
        self.classes = saved["classes"]


def _members(classes: Int64[Tensor, " n"]) -> list[Int64[Tensor, " m"]]:
    return list(classes.argsort(stable=True).split(classes.bincount().tolist()))
