"""Is this installation sound? What is there, and whether what it computes is right; in about ten seconds."""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional

from anchorwise import _extras, synthetic, tails
from anchorwise.engine import use_backend
from anchorwise.objectives import WEINCE, InfoNCE
from anchorwise.reporting.environment import environment

_TEMPERATURE = 0.1
_TOLERANCE = 1e-4  # Of a loss of about 5, in float32.


@dataclass(frozen=True)
class Finding:
    """What a check came to.

    Attributes:
        name: What was checked.
        trouble: What is wrong; empty if nothing is.
        time_s: How long it took.
    """

    name: str
    trouble: str
    time_s: float


def installation() -> dict[str, str]:
    """Return what is there: versions, hardware, devices, backends, and which extras are whole."""
    here = {name: value for name, value in environment().items() if name not in ("command", "date")}
    return {
        **here,
        "devices": ", ".join(map(str, devices())),
        "backends": "dense, tiled" + (", triton" if _has_triton() else ""),
        "extras": ", ".join(name for name, is_there in _extras.installed().items() if is_there) or "none",
    }


def devices() -> list[torch.device]:
    """Return where a loss can be computed: the processor, and every CUDA device."""
    return [torch.device("cpu"), *(torch.device("cuda", index) for index in range(torch.cuda.device_count()))]


def findings() -> Iterator[Finding]:
    """Do the checks one by one."""
    for device in devices():
        names = ["dense", "tiled", *(["triton"] if device.type == "cuda" and _has_triton() else [])]
        for backend in names:
            yield _checked(f"loss and gradient, {backend} on {device}", partial(_compare_with_formula, backend, device))
        yield _checked(f"bfloat16 rows on {device}", partial(_train_half_precision, device))
    yield _checked("tail of known scores", _read_a_known_tail)
    if _extras.is_installed("torchvision") and _extras.is_installed("pydantic"):
        yield _checked("a training of two steps, into a folder and back", _train)


def _checked(name: str, check: Callable[[], str]) -> Finding:
    start = time.perf_counter()
    try:
        trouble = check()
    except Exception as error:  # Whatever goes wrong is what one wants to read here.
        trouble = f"{type(error).__name__}: {error}"
    return Finding(name, trouble, time.perf_counter() - start)


def _rows(device: torch.device, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    view0, change = (torch.randn(300, 48, generator=generator) for _ in range(2))
    view1 = (view0 + change).to(device, dtype)
    return view0.to(device, dtype).requires_grad_(), view1


def _compare_with_formula(backend: str, device: torch.device) -> str:
    """Compare InfoNCE with a formula in float64 on the processor that shares no code with it."""
    view0, view1 = _rows(device)
    with use_backend(backend):
        loss = InfoNCE(temperature=_TEMPERATURE)(view0, view1)
        loss.backward()
    known0, known1 = (view.detach().cpu().double().requires_grad_() for view in (view0, view1))
    rows = functional.normalize(torch.cat([known0, known1]), dim=1)
    logits = (rows @ rows.T / _TEMPERATURE).fill_diagonal_(-torch.inf)
    known = functional.cross_entropy(logits, torch.arange(len(rows)).roll(len(view0)))
    known.backward()
    assert view0.grad is not None
    assert known0.grad is not None
    if abs(loss.item() - known.item()) > _TOLERANCE:
        return f"the loss is {loss.item():.6f}, not {known.item():.6f}"
    error = (view0.grad.cpu().double() - known0.grad).norm() / known0.grad.norm()
    return "" if error < 1e-3 else f"the gradient is off by {error:.1e} of its length"


def _train_half_precision(device: torch.device) -> str:
    view0, view1 = _rows(device, torch.bfloat16)
    loss = WEINCE(temperature=_TEMPERATURE)(view0, view1)
    loss.backward()
    assert view0.grad is not None
    return "" if loss.isfinite() and view0.grad.isfinite().all() else "loss or gradient is not finite"


def _read_a_known_tail() -> str:
    scores = synthetic.shortfall_scores((256, 1000), exponent=4.0, generator=torch.Generator().manual_seed(0))
    found = tails.hill_estimate(scores, num_tail=50).exponent.median().item()
    return "" if 3.6 < found < 4.4 else f"the exponent is {found:.2f}, not 4"


def _train() -> str:
    from anchorwise.training.door import pretrain

    images = torch.rand(32, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, 2), torch.nn.ReLU(), torch.nn.Flatten())
    with tempfile.TemporaryDirectory() as folder:
        run = pretrain(
            out=Path(folder, "run"),
            samples=images,
            encoder=network,
            views=lambda image: image + 0.1 * torch.randn_like(image),
            epochs=1,
            batch_size=16,
            show_progress=False,
            set={"train.knn_every_epochs": 0, "train.device": "cpu", "train.log_to": []},
        )
        features = run.embed(images)
    return "" if len(features) == len(images) else f"{len(features)} rows came back of {len(images)}"


def _has_triton() -> bool:
    return torch.cuda.is_available() and _extras.is_installed("triton")
