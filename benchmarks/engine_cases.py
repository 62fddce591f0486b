"""One case of the engine's benchmark in a process of its own: time and extra memory of a loss, forward and backward.

    python benchmarks/engine_cases.py "tiled InfoNCE" 8192 128 --threads 1 --seconds 5

prints one line of JSON. `rows` counts the rows of both views together (2n).
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

import anchorwise
from anchorwise.engine import use_backend

TEMPERATURE = 0.1
Loss = Callable[[Tensor, Tensor], Tensor]


def _plain(view0: Tensor, view1: Tensor) -> Tensor:
    """SimCLR's loss as everybody writes it: one matrix product, a masked diagonal, cross-entropy."""
    rows = functional.normalize(torch.cat([view0, view1]), dim=1)
    logits = (rows @ rows.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    return functional.cross_entropy(logits, torch.arange(len(rows), device=rows.device).roll(len(view0)))


def _naive_weince(view0: Tensor, view1: Tensor) -> Tensor:
    """The blend written the same way, with Hill's exponent of every row's tenth: no engine, no statistics shared."""
    rows = functional.normalize(torch.cat([view0, view1]), dim=1)
    scores = (rows @ rows.T).fill_diagonal_(-torch.inf)
    target = torch.arange(len(rows), device=rows.device).roll(len(view0))
    with torch.no_grad():
        negatives = scores.scatter(1, target.unsqueeze(1), -torch.inf)
        tail = (1 - negatives.topk(len(rows) // 10 + 1, dim=1).values).clamp_min(1e-6)
        log_ratio = (tail[:, -1:] / tail[:, :-1]).log().mean(dim=1)
        excess = (tail[:, -1:] - tail[:, :-1]).mean(dim=1)
        evidence = 2 * (tail.shape[1] - 1) * ((excess / (tail[:, -1] * log_ratio)).log() + log_ratio)
        blend = torch.sigmoid(evidence - 2.0).unsqueeze(1)
        power = blend / log_ratio.median()
    logits = (1 - blend) / TEMPERATURE * scores - power * (1 - scores).clamp_min(1e-6).log()
    return functional.cross_entropy(logits.masked_fill(scores == -torch.inf, -torch.inf), target)


def _tiled(objective: anchorwise.Objective) -> Loss:
    def loss(view0: Tensor, view1: Tensor) -> Tensor:
        with use_backend("auto"):
            return objective(view0, view1)

    return loss


def _lightly() -> Loss:
    return import_module("lightly.loss").NTXentLoss(temperature=TEMPERATURE)


def _pytorch_metric_learning() -> Loss:
    losses = import_module("pytorch_metric_learning.losses")
    return losses.SelfSupervisedLoss(losses.NTXentLoss(temperature=TEMPERATURE))


def _open_clip() -> Loss:
    criterion = import_module("open_clip.loss").ClipLoss()
    return lambda view0, view1: criterion(
        functional.normalize(view0, dim=1), functional.normalize(view1, dim=1), torch.tensor(1 / TEMPERATURE)
    )


def _sentence_transformers() -> Loss:
    library = import_module("sentence_transformers")
    criterion = import_module("sentence_transformers.losses").CachedMultipleNegativesRankingLoss(
        library.SentenceTransformer(modules=[torch.nn.Identity()]),
        scale=1 / TEMPERATURE,
        mini_batch_size=256,
        directions=("query_to_doc", "query_to_query", "doc_to_query", "doc_to_doc"),
    )
    # The part that caches: loss and gradients of embeddings that are there already.
    return lambda view0, view1: criterion.calculate_loss([[view0], [view1]], with_backward=True)


CASES: dict[str, Callable[[], Loss]] = {
    "plain": lambda: _plain,
    "naive WEINCE": lambda: _naive_weince,
    "lightly": _lightly,
    "pytorch-metric-learning": _pytorch_metric_learning,
    "open_clip": _open_clip,
    "sentence-transformers": _sentence_transformers,
    "tiled InfoNCE": lambda: _tiled(anchorwise.InfoNCE(temperature=TEMPERATURE)),
    "tiled CLIP": lambda: _tiled(anchorwise.CLIP(temperature=TEMPERATURE)),
    "tiled WEINCE, likelihood": lambda: _tiled(anchorwise.WEINCE(temperature=TEMPERATURE)),
    "tiled WEINCE, published": lambda: _tiled(
        anchorwise.WEINCE(temperature=TEMPERATURE, gate="published", exponent="unit")
    ),
}


def measured(name: str, num_rows: int, dim: int, seconds: float) -> dict[str, float]:
    """Return median seconds of wall and process time of forward and backward, and the memory above the start in MiB."""
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(num_rows // 2, dim, generator=generator)
    views = [(image + torch.randn(image.shape, generator=generator)).requires_grad_() for _ in range(2)]
    loss = CASES[name]()
    before = _peak_mib(reset=True)
    wall, process, started = [], [], time.perf_counter()
    while not wall or (time.perf_counter() - started < seconds and len(wall) < 200):
        start_wall, start_process = time.perf_counter(), time.process_time()
        value = loss(*views)
        if value.requires_grad:
            value.backward()
        wall.append(time.perf_counter() - start_wall)
        process.append(time.process_time() - start_process)
        for view in views:
            view.grad = None
    # The first step starts worker threads; it counts only where it is all there is.
    counted = slice(1, None) if len(wall) > 1 else slice(None)
    return {
        "wall_s": statistics.median(wall[counted]),
        "process_s": statistics.median(process[counted]),
        "extra_mib": _peak_mib() - before,
        "steps": len(wall),
    }


def _peak_mib(*, reset: bool = False) -> float:
    """Return the largest resident memory so far, or, after a reset, since then (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    """Measure the case of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=CASES)
    parser.add_argument("rows", type=int)
    parser.add_argument("dim", type=int)
    parser.add_argument("--threads", type=int, default=None, help="intra-op threads; torch's default without it")
    parser.add_argument("--seconds", type=float, default=5.0, help="repeat for so long, one step at least")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    print(json.dumps(measured(arguments.name, arguments.rows, arguments.dim, arguments.seconds)))


if __name__ == "__main__":
    main()
