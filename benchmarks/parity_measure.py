"""Measure other libraries' objectives beside ours, and write what was found to `benchmarks/results/`.

`make parity` runs it, in the environment that has those libraries:

    .parity/bin/python -m benchmarks.parity_measure

Formulas are compared in float64, gradients included, and ours with its slow twin. What a library allocates during one
forward and backward pass is what torch's profiler sees of its CPU allocator, at doubling numbers of images.
"""

import json
import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from anchorwise.reporting.environment import environment, version
from benchmarks.parity_entries import ENTRIES, Entry, Loss, Peer
from tests.contracts import batches
from tests.contracts.cases import CASES

OURS = "anchorwise"
MOST_IMAGES, MOST_BYTES = 8192, 2**29
DISTRIBUTIONS = {
    "lightly": "lightly",
    "pytorch-metric-learning": "pytorch-metric-learning",
    "sentence-transformers": "sentence-transformers",
    "OpenCLIP": "open-clip-torch",
    "LibAUC": "libauc",
    "info-nce-pytorch": "info-nce-pytorch",
}


def main() -> None:
    """Measure everything and write the result."""
    warnings.simplefilter("ignore")
    found = {**environment(), **{name: version(package) for name, package in DISTRIBUTIONS.items()}}
    rows = []
    for entry in ENTRIES:
        print(entry.title, flush=True)
        rows += [_measured(entry, OURS, "", entry.make, _error_of_ours(entry), tolerance=1e-9)]
        rows += [_measured(entry, *_of_peer(entry, peer), tolerance=peer.tolerance) for peer in entry.peers]
    path = Path(__file__).parent / "results" / f"parity_{found['date'][:10]}.json"
    path.write_text(json.dumps({"environment": found, "rows": rows}, indent=2) + "\n", encoding="utf-8")
    print(path)


def _of_peer(entry: Entry, peer: Peer) -> tuple[str, str, Any, float]:
    return peer.package, peer.name, peer.make, _error_of_peer(entry, peer)


def _measured(entry: Entry, package: str, name: str, make: Any, error: float, *, tolerance: float) -> dict[str, Any]:
    peaks = _peaks(lambda: make(entry.temperature), entry)
    *_, before, last = peaks.values()
    return {
        "objective": entry.title,
        "library": package,
        "name": name,
        "relative_error": error,
        "tolerance": tolerance,
        "finite_at_extreme": _finite(make(entry.extreme), entry),
        "one_image": _one_image(make(entry.temperature), entry),
        "peak_bytes": peaks,
        "memory_exponent": math.log2(last / before),
    }


def _peaks(make: Callable[[], Loss], entry: Entry) -> dict[str, int]:
    """Return the most bytes held at doubling numbers of images: two of them at least, and as many as fit."""
    size, peaks = entry.smallest, [peak_bytes(make(), _single(entry.inputs(entry.smallest)), entry)]
    while len(peaks) < 2 or (2 * size <= MOST_IMAGES and 4 * peaks[-1] < MOST_BYTES):
        size *= 2
        peaks.append(peak_bytes(make(), _single(entry.inputs(size)), entry))
    return {str(entry.smallest * 2**index): peak for index, peak in enumerate(peaks)}


def _error_of_ours(entry: Entry) -> float:
    """Return the largest relative difference of our anchors' losses from those of the slow twin."""
    (case,) = [case for case in CASES if case.name == entry.case]
    call = case.call(*batches.ordinary())
    expected = torch.tensor(call.twin(case.twin), dtype=torch.float64)
    return _difference(call.detail(case.objective()).per_anchor, expected)


def _error_of_peer(entry: Entry, peer: Peer) -> float:
    """Return the largest relative difference of loss and gradients from ours."""
    inputs = entry.inputs(12)
    value, gradients = _value_and_gradients(entry.make(entry.temperature), inputs, entry)
    their_value, their_gradients = _value_and_gradients(peer.make(entry.temperature), inputs, entry)
    errors = [_difference(their, peer.scale * our) for our, their in zip(gradients, their_gradients, strict=True)]
    return max([*errors, _difference(their_value, peer.scale * value)] if entry.values else errors)


def _difference(found: Tensor, expected: Tensor) -> float:
    difference = float((found - expected).norm() / expected.norm())
    return difference if math.isfinite(difference) else math.inf


def _value_and_gradients(loss: Loss, inputs: Sequence[Tensor], entry: Entry) -> tuple[Tensor, list[Tensor]]:
    leaves = [given.clone().requires_grad_(_learns(entry, index)) for index, given in enumerate(inputs)]
    value = loss(*leaves)
    value.backward()
    return value.detach(), [leaf.grad for leaf in leaves if leaf.grad is not None]


def _learns(entry: Entry, index: int) -> bool:
    return entry.num_learned is None or index < entry.num_learned


def _single(inputs: Sequence[Tensor]) -> list[Tensor]:
    return [given.float() for given in inputs]


def _finite(loss: Loss, entry: Entry) -> bool:
    """Say whether loss and gradients are finite in float32 where every image is there twice."""
    inputs = [given.repeat_interleave(2, dim=0) for given in _single(entry.inputs(12))]
    value, gradients = _value_and_gradients(loss, inputs, entry)
    return bool(value.isfinite()) and all(bool(gradient.isfinite().all()) for gradient in gradients)


def _one_image(loss: Loss, entry: Entry) -> str:
    """Return the loss of one image as text, or "refused"."""
    inputs = _single(entry.inputs(1))
    try:
        value, gradients = _value_and_gradients(loss, inputs, entry)
    except (ValueError, RuntimeError, IndexError):
        return "refused"
    return "finite" if all(bool(given.isfinite().all()) for given in (value, *gradients)) else f"{value.item():g}"


def peak_bytes(loss: Loss, inputs: Sequence[Tensor], entry: Entry) -> int:
    """Return the most bytes that were allocated at once during a forward and backward pass, beside the inputs."""
    leaves = [given.requires_grad_(_learns(entry, index)) for index, given in enumerate(inputs)]
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        loss(*leaves).backward()
    results: Any = profile.profiler.kineto_results  # type: ignore[union-attr]
    events = sorted((e for e in results.events() if e.name() == "[memory]"), key=lambda e: e.start_ns())
    held = peak = 0
    for event in events:
        held += event.nbytes()
        peak = max(peak, held)
    return peak


if __name__ == "__main__":
    main()
