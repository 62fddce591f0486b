"""The judge of maps: what is where, read from every cell of an encoder's maps by a linear probe, on generated scenes.

A multinomial logistic regression is fitted from a cell's features to the class that most of its pixels have; its
penalty is chosen on a part of the training scenes. On test scenes every pixel gets the class of its cell, and the mean
over classes of intersection over union (IoU) is taken over all pixels. The same is done with the pixels of each cell as
features: what the encoder has learnt is beyond those. The interval is over test scenes, by what each scene adds (the
first-order limit of a bootstrap). The scenes are generated (`anchorwise.evaluation.scenes`).

Source of the measure: Everingham et al. 2015, "The Pascal Visual Object Classes Challenge: A Retrospective", Section
3.1, https://doi.org/10.1007/s11263-014-0733-5. Of the probe on the cells of frozen maps: Oquab et al. 2023, "DINOv2",
Section 7.4, https://arxiv.org/abs/2304.07193, without its upsampling.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, cast, final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from pydantic import Field
from torch import Tensor

from anchorwise._config import Positive, Seed
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import evaluation_mode, on_device, origin_of
from anchorwise.evaluation.linear import PENALTIES, LinearProbe, choose_penalty, fit_probe
from anchorwise.evaluation.scenes import CLASS_NAMES, generated_scenes
from anchorwise.evaluation.splits import stratified_split
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.samples import Samples
from anchorwise.modalities.seeds import mixed_seed

# n = scenes, c = channels, h = height, w = width in pixels, k = classes, p = cells of all scenes, f = features

_AT_ONCE = 256  # Scenes encoded at a time.
_TRAIN, _TEST = 0, 1
_READ = {"maps": "encoder's maps", "pixels": "raw pixels"}


@final
class Dense(Judge):
    """Mean IoU of a linear probe on the cells of an encoder's maps, and on their pixels; it needs the encoder."""

    class Config(JudgeConfig):
        """How scenes are made and read.

        Attributes:
            num_train_scenes: Scenes to fit on.
            num_test_scenes: Scenes to score.
            penalties: Grid of the probe (`anchorwise.evaluation.linear`).
            validation_fraction: Share of the training scenes held out to choose among them.
            seed: Decides the scenes, and those held out.
        """

        name: Literal["dense"] = "dense"
        num_train_scenes: int = Field(default=400, ge=20, le=1_000_000)
        num_test_scenes: int = Field(default=400, ge=20, le=1_000_000)
        penalties: tuple[Positive, ...] = Field(default=PENALTIES, min_length=1, max_length=1000)
        validation_fraction: float = Field(default=0.2, gt=0, lt=1)
        seed: Seed = 0

    primary: ClassVar[str] = "dense_maps"
    needs_origin: ClassVar[bool] = True
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The mean IoU of maps and of pixels, how much that of maps is higher, and either by class."""
        over = "generated test scenes"
        whole = [Metric(f"dense_{name}", f"dense, mean IoU, {words}", "%", over=over) for name, words in _READ.items()]
        by_class = [
            Metric(f"dense_{name}@{label}", f"IoU of {label}, {words}", "%", series=words, place=label, places="IoU of")
            for name, words in _READ.items()
            for label in CLASS_NAMES
        ]
        return (
            whole[0],
            Metric("dense_gain", "dense, maps over pixels", "%", over=over, bounds=(-1.0, 1.0)),
            whole[1],
            *by_class,
        )

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """The means."""
        return self.metrics[:3]

    def choose(self, train: Embeddings) -> Choices:
        """Choose the penalties of both probes on training scenes.

        Raises:
            ValueError: If there are rows only, without their encoder, it has no maps, or its samples are no images of
                bytes that shapes can be seen in.
        """
        read, config = self._read(train, _TRAIN), self.config
        labels, scenes = read.labels, read.scene_of_cells
        split = stratified_split(
            labels, validation_fraction=config.validation_fraction, seed=config.seed, groups=scenes
        )
        chosen = {
            name: choose_penalty(rows, labels, split, penalties=config.penalties) for name, rows in read.rows.items()
        }
        return Choices(
            {f"dense_{name}": (choice.validation_accuracy,) for name, choice in chosen.items()},
            {f"dense_{name}": (choice.penalty,) for name, choice in chosen.items()},
        )

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Fit both probes on all training scenes and score the test scenes.

        Raises:
            ValueError: As `choose`.
        """
        fitted, scored = self._read(train, _TRAIN), self._read(test, _TEST)
        found = {}
        for name, rows in fitted.rows.items():
            probe = fit_probe(rows, fitted.labels, penalty=choices.chosen[f"dense_{name}"][0])
            found[name] = intersection_over_union(scored.said_by(probe, name), scored.masks)
        numbers, errors = dict[str, tuple[float, ...]](), dict[str, float | None]()
        for name, (by_class, influence) in found.items():
            numbers[f"dense_{name}"] = (float(by_class.mean()),)
            errors[f"dense_{name}"] = _error(influence)
            numbers |= {
                f"dense_{name}@{label}": (value,) for label, value in zip(CLASS_NAMES, by_class.tolist(), strict=True)
            }
        numbers["dense_gain"] = (numbers["dense_maps"][0] - numbers["dense_pixels"][0],)
        errors["dense_gain"] = _error(found["maps"][1] - found["pixels"][1])
        best = intersection_over_union(scored.on_pixels(scored.labels), scored.masks)[0].mean()
        rows, columns = scored.grid
        note = (
            f"Dense: {len(scored.masks):,} generated scenes of shapes, no photographs; {rows} x {columns} cells, which "
            f"could reach {100 * float(best):.1f} % if each were right."
        )
        return Judgement(numbers, errors, counts=dict.fromkeys(errors, len(scored.masks)), notes=(note,))

    def _read(self, rows: Embeddings, part: int) -> "_Read":
        samples, frozen = origin_of(rows, self.config.name)
        frozen.encoder.check_maps(f"judge {self.config.name!r}")
        num_scenes = self.config.num_test_scenes if part == _TEST else self.config.num_train_scenes
        scenes = generated_scenes(num_scenes, _shape(samples), seed=mixed_seed(self.config.seed, part))
        maps = self._maps(frozen, scenes.images)
        grid = (maps.shape[2], maps.shape[3])
        pixels = scenes.images.to(self.device)
        cells = {"maps": maps.permute(0, 2, 3, 1).flatten(0, 2), "pixels": _pixels_of_cells(pixels, grid)}
        return _Read(cells, scenes.masks.to(self.device), grid)

    def _maps(self, frozen: FrozenEncoder, images: Tensor) -> Float[Tensor, "n f _h _w"]:
        with evaluation_mode(on_device(frozen.encoder, self.device)) as encoder:
            parts = self.work.through(images.split(_AT_ONCE), "Dense")
            maps = [cast(Encoder, encoder).maps(frozen.plain(part.to(self.device))).float() for part in parts]
        return torch.cat(maps)


@dataclass(frozen=True, eq=False)
class _Read:
    """Scenes as they are read.

    Attributes:
        rows: Features of all cells, scene by scene, by what they are of.
        masks: Class of every pixel.
        grid: Rows and columns of cells.
    """

    rows: dict[str, Float[Tensor, "p _f"]]
    masks: Int64[Tensor, "n h w"]
    grid: tuple[int, int]

    @property
    def labels(self) -> Int64[Tensor, " p"]:
        """The class that most pixels of a cell have."""
        of_class = (
            F.adaptive_avg_pool2d((self.masks == label).float(), self.grid) for label in range(len(CLASS_NAMES))
        )
        return torch.stack(list(of_class)).argmax(dim=0).flatten()

    @property
    def scene_of_cells(self) -> Int64[Tensor, " p"]:
        """The number of the scene that each cell is of."""
        scenes = torch.arange(len(self.masks), device=self.masks.device)
        return scenes.repeat_interleave(self.grid[0] * self.grid[1])

    def said_by(self, probe: LinearProbe, name: str) -> Int64[Tensor, "n h w"]:
        """Return the class that a probe gives every pixel."""
        return self.on_pixels(probe.predict(self.rows[name]))

    def on_pixels(self, classes: Int64[Tensor, " p"]) -> Int64[Tensor, "n h w"]:
        """Return the class of its cell for every pixel."""
        cells = classes.view(len(self.masks), 1, *self.grid).float()
        return F.interpolate(cells, self.masks.shape[1:], mode="nearest-exact").squeeze(1).long()


def intersection_over_union(
    said: Int64[Tensor, "n h w"], truth: Int64[Tensor, "n h w"]
) -> tuple[Float[Tensor, " k"], Float[Tensor, " n"]]:
    """Return the IoU of every class over all pixels, and how much each scene moves their mean, to first order.

    Args:
        said: Class of every pixel, as it was read.
        truth: As it is; every class has a pixel in some scene.
    """
    pairs = [(said == label, truth == label) for label in range(len(CLASS_NAMES))]
    both = torch.stack([(one & other).sum(dim=(1, 2)) for one, other in pairs], dim=1).double()
    either = torch.stack([(one | other).sum(dim=(1, 2)) for one, other in pairs], dim=1).double()
    by_class = both.sum(dim=0) / either.sum(dim=0)
    # The derivative of sum(both) / sum(either) by a scene's weight, times the number of scenes.
    influence = (both - by_class * either) / either.mean(dim=0)
    return by_class, influence.mean(dim=1)


def _error(influence: Float[Tensor, " n"]) -> float:
    return float(influence.std()) / math.sqrt(len(influence))


def _pixels_of_cells(images: Tensor, grid: tuple[int, int]) -> Float[Tensor, "p _f"]:
    """Return the pixels of every cell; of images that the cells do not tile, of the nearest size that they do."""
    sides = (-(-images.shape[2] // grid[0]), -(-images.shape[3] // grid[1]))
    size_px = (grid[0] * sides[0], grid[1] * sides[1])
    sized = images.float() / 255.0
    if size_px != images.shape[2:]:
        sized = F.interpolate(sized, size_px, mode="bilinear", antialias=True)
    return F.unfold(sized, sides, stride=sides).transpose(1, 2).flatten(0, 1)


def _shape(samples: Samples) -> tuple[int, int, int]:
    first = samples.take(torch.arange(1))
    if not isinstance(first, Tensor) or first.dtype != torch.uint8 or first.ndim != 4:
        form = f"{first.dtype} {tuple(first.shape[1:])}" if isinstance(first, Tensor) else type(first).__name__
        raise ValueError(
            "judge 'dense' makes scenes like images of bytes, of shape (channels, height, width), got samples of "
            f"{form}"
        )
    return first.shape[1], first.shape[2], first.shape[3]
