"""IoU of a rare class: cross-entropy alone, and with contrast of pixels against queues by class, at equal steps.

    python -m benchmarks.pixel_contrast --out pixel-contrast.json
    python -m benchmarks.pixel_contrast --data FOLDER --out own.json

On 50 generated images of textures with known masks, or on any folder with `images` and `masks` of the same names (PNG;
grey values of a mask are its classes), of which a half is judged. A small network gives every cell of its map a class
and a row; a copy that follows gives the rows that go into the queues.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from math import pi
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from anchorwise import PixelContrast, _files
from anchorwise.models.class_queues import ClassQueues
from anchorwise.models.momentum import MomentumTwin
from anchorwise.models.pixel_sampler import PixelSampler
from benchmarks.over_seeds import interval

SIDE_PX, NUM_TRAIN, NUM_TEST = 64, 50, 100
NUM_STEPS, BATCH_SIZE, PEAK_LR, WIDTH = 400, 10, 5e-3, 16
NUM_PER_CLASS, NUM_QUEUED, MOMENTUM = 64, 256, 0.99
# Weight of the contrast, and share of boundary pixels, by the name in the table.
ROWS: Mapping[str, tuple[float, float]] = {
    "cross-entropy": (0.0, 0.0),
    "with contrast, no boundary": (0.1, 0.0),
    "with contrast, half at boundaries": (0.1, 0.5),
}


def textures(num_images: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return grey images of three textures and their masks: a ground, a common class, and a rare one.

    All are waves of random phase with noise; they differ in direction and length of wave, and not in brightness. A
    patch of the rare class covers about 3 % of every second image.
    """
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(SIDE_PX), torch.arange(SIDE_PX), indexing="ij")
    masks = torch.zeros(num_images, SIDE_PX, SIDE_PX, dtype=torch.int64)
    for number in range(num_images):
        for label, low, high in ((1, 14, 20), (2, 5, 8))[: 1 + number % 2]:
            drawn = torch.rand(3, generator=generator)
            radius = low + (high - low) * float(drawn[0])
            top, left = (radius + (SIDE_PX - 2 * radius) * float(each) for each in drawn[1:])
            masks[number][(rows - top).square() + (columns - left).square() <= radius**2] = label
    waves = list[Tensor]()
    for angle, length in ((0.0, 8.0), (0.4 * pi, 8.0), (0.2 * pi, 6.5)):
        turned = angle + 0.15 * torch.randn(num_images, 1, 1, generator=generator)
        phase = 2 * pi * torch.rand(num_images, 1, 1, generator=generator)
        waves.append(torch.sin(2 * pi * (turned.cos() * columns + turned.sin() * rows) / length + phase))
    images = torch.stack(waves, dim=1).gather(1, masks.unsqueeze(1))
    return images + 0.8 * torch.randn(images.shape, generator=generator), masks


def read_folder(folder: Path) -> tuple[Tensor, Tensor]:
    """Return the images and masks of a folder.

    Raises:
        FileNotFoundError: If there are none, or an image has no mask.
        ValueError: If they are not all of one size.
    """
    paths = sorted((folder / "images").glob("*.png"))
    if not paths:
        raise FileNotFoundError(f"--data must be a folder with images/*.png and masks/*.png, got {folder} without any")
    if missing := [path.name for path in paths if not (folder / "masks" / path.name).is_file()]:
        raise FileNotFoundError(f"{folder / 'masks'} must hold a mask of every image, has none for {missing[0]}")
    pairs = [(Image.open(path).convert("RGB"), Image.open(folder / "masks" / path.name)) for path in paths]
    sizes = {each.size for pair in pairs for each in pair}
    if len(sizes) > 1:
        raise ValueError(f"images and masks must be of one size, got {sorted(sizes)}")
    images = torch.stack([torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1) for image, _ in pairs])
    return images.float() / 127.5 - 1.0, torch.stack([torch.from_numpy(np.array(mask)).long() for _, mask in pairs])


class Network(nn.Module):
    """A class and a row for every fourth pixel each way."""

    def __init__(self, num_channels: int, num_classes: int) -> None:
        super().__init__()
        layers = list[nn.Module]()
        for wide, out, stride in ((num_channels, WIDTH, 2), (WIDTH, 2 * WIDTH, 2), (2 * WIDTH, 2 * WIDTH, 1)):
            layers += [nn.Conv2d(wide, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        self.maps = nn.Sequential(*layers)
        self.classes, self.rows = nn.Conv2d(2 * WIDTH, num_classes, 1), nn.Conv2d(2 * WIDTH, 32, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scores of classes, and rows."""
        maps = self.maps(images)
        return self.classes(maps), self.rows(maps)


def trained(data: Sequence[tuple[Tensor, Tensor]], row: tuple[float, float], seed: int) -> dict[str, float]:
    """Return IoU of every class on the second part of the data, and their mean."""
    (images, masks), (test_images, test_masks) = data
    num_classes = int(masks.max()) + 1
    torch.manual_seed(seed)
    network = Network(images.shape[1], num_classes)
    twin, queues = MomentumTwin(network), ClassQueues(num_classes, NUM_QUEUED, 32)
    weight, sampler, contrast = row[0], PixelSampler(NUM_PER_CLASS, row[1]), PixelContrast()
    optimizer = torch.optim.AdamW(network.parameters(), PEAK_LR)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, NUM_STEPS)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(NUM_STEPS):
        chosen = torch.randperm(len(images), generator=generator)[:BATCH_SIZE]
        scores, rows = network(images[chosen])
        sized = F.interpolate(scores, masks.shape[1:], mode="bilinear")
        loss = F.cross_entropy(sized, masks[chosen])
        if weight:
            twin.follow(network, MOMENTUM)
            cells = F.interpolate(masks[chosen, None].float(), rows.shape[2:], mode="nearest-exact")[:, 0].long()
            places = sampler(cells, generator)
            labels = cells.flatten()[places]
            anchors = rows.permute(0, 2, 3, 1).flatten(0, 2)[places]
            loss = loss + weight * contrast(anchors, labels=labels, queue=queues.rows, queue_labels=queues.labels)
            with torch.no_grad():
                keys = twin.network(images[chosen])[1].permute(0, 2, 3, 1).flatten(0, 2)[places]
            queues.push(keys, labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        said = F.interpolate(network.eval()(test_images)[0], test_masks.shape[1:], mode="bilinear").argmax(dim=1)
    pairs = [(said == label, test_masks == label) for label in range(num_classes)]
    found = {f"IoU of {label}": float((a & b).sum() / (a | b).sum()) for label, (a, b) in enumerate(pairs)}
    return {**found, "mean IoU": fmean(found.values())}


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4])
    given = parser.parse_args()
    found = json.loads(given.out.read_text()) if given.out.is_file() else {}
    for seed in given.seeds:
        data = [textures(NUM_TRAIN, 2 * seed), textures(NUM_TEST, 2 * seed + 1)]
        if given.data is not None:
            images, masks = read_folder(given.data)
            order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
            data = [(images[part], masks[part]) for part in order.tensor_split(2)]
        for name, row in ROWS.items():
            if str(seed) not in found.setdefault(name, {}):
                found[name][str(seed)] = trained(data, row, seed)
                _files.write_text(given.out, json.dumps(found, indent=2) + "\n")
                print(name, seed, found[name][str(seed)], flush=True)
    print("\n".join(table(found)))


def table(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    """Return a Markdown table of means over seeds with 95 % intervals, and how far each is above the first row."""
    first = next(iter(found.values()))
    names = list(next(iter(first.values())))
    lines = [f"| | {' | '.join(names)} | {names[-2]}, above |", f"|---|{'---|' * (len(names) + 1)}"]
    for row, seeds in found.items():
        cells = [interval([numbers[name] for numbers in seeds.values()]) for name in names]
        above = [numbers[names[-2]] - first[seed][names[-2]] for seed, numbers in seeds.items()]
        lines.append(f"| {row} | {' | '.join(cells)} | {'' if seeds is first else interval(above, sign='+')} |")
    return lines


if __name__ == "__main__":
    main()
