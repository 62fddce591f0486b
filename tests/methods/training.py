"""Small methods and how they are trained by hand."""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from anchorwise import Objective
from anchorwise.methods import METHODS
from anchorwise.methods.base import Method
from anchorwise.methods.outlook import AllRows, Clock, Outlook
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.image_text.encoders import TwoTowers
from anchorwise.modalities.images.encoders import ImageEncoder
from anchorwise.modalities.images.vit import SmallViT
from anchorwise.modalities.interactions.config import LightGCNConfig
from anchorwise.modalities.interactions.encoders import LightGCNEncoder
from anchorwise.modalities.interactions.pairs import sorted_pairs
from anchorwise.modalities.pixel_range import PixelRange
from anchorwise.modalities.samples import Batch
from anchorwise.modalities.views import MASK, PIXELS, PLACES, ViewMaker
from anchorwise.models import HeadConfig, PredictorConfig
from anchorwise.objectives import build

WITH_MAPS, WITH_PATCHES, WITH_TOWERS, WITH_STAGES = {"pixpro"}, {"mmc_sketch"}, {"albef"}, {"local_blocks"}
# No run on images has their views: of tokens, nodes of a graph, three that are told apart, two domains.
OF_TEXTS = {"cocosoda", "albef", "cross_encoder"}
OF_INTERACTIONS = {"light_gcn", "sim_gcl", "x_sim_gcl"}
OF_QUERIES = {"sirl"}
OF_VIDEOS = {"comix"}
NUM_STEPS = 8
NUM_SAMPLES = 6
_WIDTHS = {"hidden_width": 6, "output_width": 4}
_OWN: dict[str, dict[str, Any]] = {
    "moco": {"num_queued": 16},
    "swav": {"num_prototypes": 5, "num_small": 1, "num_queued": 12, "queue_from_epoch": 0, "freeze_epochs": 0},
    "meow": {"num_clusters": (2, 3)},
    "nnclr": {"num_queued": 16},
    "esimcse": {"num_queued": 16},
    "cocosoda": {"num_queued": 16, "inner_terms": True},
    "pcl": {"num_clusters": (2, 3), "warmup_epochs": 1, "num_queued": 16},
    "beclr": {"num_clusters": 3, "num_neighbours": 2, "num_queued": 40, "warmup_epochs": 1, "cluster_epochs": 9},
    "albef": {"num_queued": 16, "num_layers": 1, "num_heads": 2, "dropout": 0.0, "hidden_share": 0.4},
    "msd": {"num_parts": 2},
    "astrea": {"num_queued": 16},
    "dcd": {"num_hardest": 2, "momentum": 0.5},
    "clip_rocket": {"num_local": 1},
    "cross_encoder": {"head": HeadConfig(num_layers=1, output_width=2), "num_candidates": 3},
    "simlap": {"num_classes": 2, "class_width": 5},
    "coconut": {"num_classes": 2},
    "comix": {"num_classes": 2, "num_clips": 3, "num_slow": (2, 3), "threshold": 0.55, "warmup_share": 0.0},
    "pixpro": {"instance_weight": 0.5},
    "mmc_sketch": {"hidden_fraction": 0.5},
    "dino": {"num_prototypes": 5, "num_small": 1, "freeze_epochs": 0, "momentum": 0.9},
}

on_images = [name for name in METHODS if name not in OF_TEXTS | OF_INTERACTIONS | OF_QUERIES | OF_VIDEOS]


def few_at_first(names: Iterable[str]) -> list[Any]:
    """Return methods of which one with a copy, one with prototypes and crops, and one with neither are short tests."""
    return [
        name if name in {"simclr", "moco", "dino"} else pytest.param(name, marks=pytest.mark.whole) for name in names
    ]


every_method = pytest.mark.parametrize("method", few_at_first(on_images))
every_name = pytest.mark.parametrize("name", few_at_first(METHODS))

# Settings of a run for methods that its small encoder does not suit.
ENCODERS = {"mmc_sketch": ["encoder.name=vit", "encoder.width=32", "encoder.patch_px=2"]}

# SGD diverges where a term weighs a thousand.
_OBJECTIVES = {"sepclr": {"salient_weight": 1.0, "background_weight": 1.0}}


def method_of(name: str, objective: Objective | None = None, *, norm: str = "batch", **settings: Any) -> Method:
    """Return a method on a tiny encoder in float64; with another norm, one that has no batch statistics at all."""
    make = METHODS[name]
    layers = {part: value for part, value in make.Config() if isinstance(value, PredictorConfig)}
    changes = dict(_WIDTHS) if norm == "batch" else {**_WIDTHS, "norm": "layer", "output_norm": "none"}
    small = {
        part: config.model_copy(update={key: value for key, value in changes.items() if hasattr(config, key)})
        for part, config in layers.items()
    }
    torch.manual_seed(0)
    encoder = _with_maps(norm) if name in WITH_MAPS else _of_rows(norm)
    encoder = _with_patches() if name in WITH_PATCHES else encoder
    encoder = _in_stages(norm) if name in WITH_STAGES else encoder
    encoder = towers(norm) if name in WITH_TOWERS else encoder
    encoder = _Clips(norm) if name in OF_VIDEOS else encoder
    encoder = users_and_items() if name in OF_INTERACTIONS else encoder
    config = make.Config(**{**small, **_OWN.get(name, {}), **settings})
    method = make(encoder, objective or build({**make.own_objective, **_OBJECTIVES.get(name, {})}), config)
    method.meet(_FarPixels())
    return method.double()


class _FarPixels(ViewMaker):
    """Says that views of normal numbers are pixels."""

    def forward(self, batch, *, seed):
        raise NotImplementedError

    def plain(self, raw):
        return raw

    def pixel_range(self) -> PixelRange:
        return PixelRange(torch.tensor(0.5), torch.tensor(0.05))


def _of_rows(norm: str) -> Encoder:
    layer = nn.BatchNorm1d(8) if norm == "batch" else nn.LayerNorm(8)
    return Encoder(nn.Sequential(nn.Flatten(), nn.Linear(12, 8), layer), num_features=8)


def _with_maps(norm: str) -> Encoder:
    layer = nn.BatchNorm2d(8) if norm == "batch" else nn.GroupNorm(1, 8)
    return ImageEncoder(nn.Sequential(nn.Conv2d(3, 8, 1), layer, nn.AdaptiveAvgPool2d(1), nn.Flatten()), num_features=8)


def _in_stages(norm: str) -> Encoder:
    widths = (3, 6, 8)
    stages = [
        nn.Sequential(
            nn.Conv2d(inner, outer, 1), nn.BatchNorm2d(outer) if norm == "batch" else nn.GroupNorm(1, outer), nn.Tanh()
        )
        for inner, outer in pairwise(widths)
    ]
    return ImageEncoder(nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten()), num_features=8)


class _Clips(Encoder):
    """Takes the channels of an image for the clips of a video."""

    def __init__(self, norm: str) -> None:
        layer = nn.BatchNorm1d(8) if norm == "batch" else nn.LayerNorm(8)
        super().__init__(nn.Sequential(nn.Linear(4, 8), layer), num_features=8)

    def encode_clips(self, view) -> Tensor:
        return self.backbone(view.flatten(0, 1).flatten(1)).unflatten(0, view.shape[:2])

    def encode(self, view) -> Tensor:
        return self.encode_clips(view).mean(dim=1)


class TinyText(Encoder):
    """Tokens looked up and changed one by one; a text is the mean of its own."""

    def __init__(self, num_tokens: int = 12) -> None:
        super().__init__(nn.Sequential(nn.Embedding(num_tokens, 8), nn.Linear(8, 8)), num_features=8)

    @property
    def words(self) -> Tensor:
        return cast(nn.Embedding, self.backbone[0]).weight

    def with_states(self, view) -> tuple[Tensor, Tensor]:
        states, there = self.backbone(view["input_ids"]), view["attention_mask"].unsqueeze(2)
        return (states * there).sum(dim=1) / there.sum(dim=1), states

    def encode(self, view) -> Tensor:
        return self.with_states(view)[0]


def towers(norm: str) -> TwoTowers:
    """Return small towers of images and of tokens."""
    return TwoTowers(_with_maps(norm), TinyText(), width=6)


def users_and_items(**settings: Any) -> LightGCNEncoder:
    """Return an encoder of six users and five items."""
    users, items = torch.tensor([0, 0, 1, 2, 3, 3, 4, 5]), torch.tensor([0, 1, 1, 2, 3, 0, 4, 4])
    sizes = {"num_users": 6, "num_items": 5, "num_edges": len(users)}
    encoder = LightGCNEncoder(LightGCNConfig(**{"width": 8, "num_layers": 2, **sizes, **settings})).double()
    encoder.take_graph(sorted_pairs(users, items, 6, 5))
    return encoder


def nodes_of_step(method: Method, step: int, mine: slice) -> list[Tensor]:
    """Return users, items and others; what stands in two ranks' parts is nobody."""
    shift = step % 2
    users, items = torch.tensor([0, 1, 0, 2, 3 + shift, 5]), 6 + torch.tensor([0, 1, 2, 0, 3, 4])
    views = [users[mine], items[mine], 6 + (items[mine] - 5 + shift) % 5]
    return views + ([view.unique() for view in views[:2]] if method.plan.distinct else [])


def tokens_of_step(step: int, mine: slice = slice(None)) -> dict[str, Tensor]:
    """Return texts of three to five tokens, with some that are hidden; 11 is the mask."""
    generator = torch.Generator().manual_seed(1000 + step)
    tokens = torch.randint(1, 11, (NUM_SAMPLES, 5), generator=generator)
    mask = (torch.arange(5) < torch.randint(3, 6, (NUM_SAMPLES, 1), generator=generator)).long()
    is_hidden = (torch.rand(NUM_SAMPLES, 5, generator=generator) < 0.4) & (mask == 1)
    table = {
        "input_ids": tokens * mask,
        "attention_mask": mask,
        "hidden_ids": torch.where(is_hidden, 11, tokens * mask),
        "is_hidden": is_hidden,
    }
    return {name: part[mine] for name, part in table.items()}


def _with_patches() -> Encoder:
    return ImageEncoder(SmallViT(width=32, patch_px=1, num_channels=3, image_px=(2, 2)), num_features=32)


def in_pieces(method: Method, max_rows: int | None) -> Method:
    """Let all encoders of a method, its copies too, train on at most so many views at a time; None for all."""
    for part in method.modules():
        if isinstance(part, Encoder):
            part.in_pieces_of(max_rows)
    return method


def clock_at(step: int) -> Clock:
    """Return the clock of a training of eight steps in four epochs."""
    return Clock(step, num_steps=NUM_STEPS, steps_per_epoch=2)


def outlook(**facts: int) -> Outlook:
    """Return what is known of such a training; facts may be others."""
    there = {"num_samples": ALL.num, "num_classes": 2, "batch_size": NUM_SAMPLES}
    return Outlook(**{**there, "num_steps": NUM_STEPS, "steps_per_epoch": 2, **facts})


def optimizer_of(method: Method) -> torch.optim.Optimizer:
    """Return SGD with momentum over what is trained."""
    return torch.optim.SGD([weight for weight in method.parameters() if weight.requires_grad], lr=0.1, momentum=0.9)


def views_of_step(method: Method, step: int, mine: slice = slice(None)) -> tuple[list[Any], Batch]:
    """Return the views of a step, and which samples they are of; every third step has the same samples."""
    generator = torch.Generator().manual_seed(step)
    shape = (NUM_SAMPLES, 3, 2, 2)
    views = [torch.randn(shape, dtype=torch.float64, generator=generator)[mine] for _ in range(method.plan.total)]
    numbers = torch.arange(NUM_SAMPLES)[mine]
    batch = Batch(views[0], numbers + NUM_SAMPLES * (step % 3), numbers % 2)
    if isinstance(method.encoder, LightGCNEncoder):
        return nodes_of_step(method, step, mine), batch
    if method.plan.masked_tokens:
        return [views[0], tokens_of_step(step, mine)], batch
    if method.plan.masking is not None:
        num_hidden = round(4 * method.plan.masking.ratio[0])
        ranks = torch.rand(len(views), NUM_SAMPLES, 4, generator=generator).argsort(dim=2)
        masks = (ranks < num_hidden).unflatten(2, (2, 2))[:, mine]
        return [{PIXELS: view, MASK: mask} for view, mask in zip(views, masks, strict=True)], batch
    if not method.plan.with_places:
        return views, batch
    # Crops of half the width and height or more.
    sizes = 0.5 + 0.5 * torch.rand(len(views), NUM_SAMPLES, 2, generator=generator)
    corners = (1.0 - sizes) * torch.rand(len(views), NUM_SAMPLES, 2, generator=generator)
    places = torch.cat([torch.diag_embed(sizes), corners.unsqueeze(3)], dim=3)[:, mine]
    return [{PIXELS: view, PLACES: place} for view, place in zip(views, places, strict=True)], batch


def _of_all(network: nn.Module) -> Tensor:
    """What a network makes of the samples of all steps, as they are without anything random."""
    generator, was_training = torch.Generator().manual_seed(99), network.training
    samples = torch.randn(3 * NUM_SAMPLES, 3, 2, 2, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        rows = network.eval()(samples)
    network.train(was_training)
    return rows


ALL = AllRows(3 * NUM_SAMPLES, _of_all)


def train(
    method: Method,
    optimizer: torch.optim.Optimizer,
    steps: range,
    *,
    mine: slice = slice(None),
    network: nn.Module | None = None,
) -> list[float]:
    """Take steps as a training loop does, and return their losses."""
    losses = []
    for step in steps:
        clock = clock_at(step)
        if step % clock.steps_per_epoch == 0:
            torch.manual_seed(step)
            method.before_epoch(clock, ALL)
        method.before_step(clock)
        outcome = (network or method)(*views_of_step(method, step, mine)).outcome
        optimizer.zero_grad(set_to_none=True)
        outcome.loss.backward()
        method.after_backward()
        optimizer.step()
        method.after_step(clock)
        losses.append(outcome.loss.item())
    return losses
