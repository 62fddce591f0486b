"""Which objectives other libraries have, and how each library is called: with rows, at one temperature."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

import anchorwise

Loss = Callable[..., Tensor]

WIDTH = 32


@dataclass(frozen=True)
class Peer:
    """Another library's implementation.

    Attributes:
        package: What its users call it.
        name: Its class.
        make: Takes a temperature and returns a loss of rows.
        scale: Its loss over ours, by its documentation: some add two directions.
        tolerance: Of relative differences; wider where it computes in float32 or adds an epsilon.
    """

    package: str
    name: str
    make: Callable[[float], Loss]
    scale: float = 1.0
    tolerance: float = 1e-9


@dataclass(frozen=True)
class Entry:
    """An objective that other libraries have too.

    Attributes:
        title: What it is called in the table.
        case: The name of its contract case, which has its slow twin.
        make: Takes a temperature and returns our loss of rows.
        peers: The others.
        inputs: Takes a number of images and returns the rows that losses are called with.
        temperature: At which formulas are compared.
        extreme: A temperature, or what stands in for it, at which nothing may overflow.
        num_learned: Inputs that get a gradient; None for all.
        values: Whether losses are compared beside gradients; surrogates have other values.
        smallest: Images from which on memory is measured.
    """

    title: str
    case: str
    make: Callable[[float], Loss]
    peers: Sequence[Peer]
    inputs: Callable[[int], list[Tensor]]
    temperature: float = 0.1
    extreme: float = 0.005
    num_learned: int | None = None
    values: bool = True
    smallest: int = 1024


def rows(num_rows: int, seed: int) -> Tensor:
    """Return random rows in float64."""
    return torch.randn(num_rows, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def two_views(num_samples: int) -> list[Tensor]:
    """Return unit rows of two views that have something in common."""
    sample = rows(num_samples, 0)
    return [normalize(sample + rows(num_samples, seed)) for seed in (1, 2)]


def with_queue(num_samples: int) -> list[Tensor]:
    """Return two views and as many earlier keys."""
    return [*two_views(num_samples), normalize(rows(num_samples, 3))]


def two_batches(num_samples: int) -> list[Tensor]:
    """Return two views of a batch, and those of an earlier one."""
    return [*two_views(num_samples), *(view.flip(1) for view in two_views(num_samples))]


def with_prototypes(num_samples: int) -> list[Tensor]:
    """Return two views and 16 prototypes."""
    return [*two_views(num_samples), normalize(rows(16, 4))]


def _labels(view: Tensor) -> Tensor:
    return torch.arange(len(view)) // 2


def _lightly(name: str, **given: Any) -> Loss:
    return getattr(import_module("lightly.loss"), name)(**given)


def _lightly_bank(temperature: float) -> Loss:
    def loss(queries: Tensor, keys: Tensor, queue: Tensor) -> Tensor:
        bank: Any = _lightly("NTXentLoss", temperature=temperature, memory_bank_size=tuple(queue.shape))
        bank.memory_bank.bank = queue.clone()
        bank.memory_bank.bank_ptr = torch.zeros(1, dtype=torch.long)
        return bank(queries, keys)

    return loss


def _lightly_swav(epsilon: float) -> Loss:
    swav = _lightly("SwaVLoss", sinkhorn_epsilon=epsilon)

    def loss(view0: Tensor, view1: Tensor, centres: Tensor) -> Tensor:
        unit = normalize(centres).T
        return swav([normalize(view0) @ unit, normalize(view1) @ unit], []).sum()

    return loss


def _open_clip(name: str, *scale_and_bias: float) -> Loss:
    loss = getattr(import_module("open_clip.loss"), name)()
    # Normalising is the model's there.
    return lambda images, texts: loss(normalize(images), normalize(texts), *scale_and_bias)


def _metric_learning(name: str, temperature: float) -> Any:
    return getattr(import_module("pytorch_metric_learning.losses"), name)(temperature=temperature)


def _two_views_of(name: str, temperature: float) -> Loss:
    wrapper = import_module("pytorch_metric_learning.losses").SelfSupervisedLoss
    return wrapper(_metric_learning(name, temperature))


class _Rows(nn.Module):
    def forward(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return rows as if they were embedded sentences."""
        return {"sentence_embedding": features["rows"]}

    def __getitem__(self, index: int) -> nn.Module:
        """Return the only layer."""
        return self


def _ranking(name: str, temperature: float) -> Loss:
    library = import_module("sentence_transformers.sentence_transformer.losses")
    loss = getattr(library, name)(_Rows(), scale=1.0 / temperature)
    return lambda *columns: loss([{"rows": column} for column in columns], None)


def _global(temperature: float, **given: Any) -> Loss:
    def make(num_samples: int, dtype: torch.dtype) -> Loss:
        library = import_module("libauc.losses.contrastive")
        loss = library.GCLoss_v1(N=num_samples, tau=temperature, device=torch.device("cpu"), **given)
        # Its tables are float32 whatever the rows are.
        for name in ("u", "learnable_tau", "grad_tau"):
            if hasattr(loss, name):
                setattr(loss, name, getattr(loss, name).to(dtype))
        return loss

    return _by_ids(make)


def _of_pairs(temperature: float) -> Loss:
    def make(num_samples: int, dtype: torch.dtype) -> Loss:
        loss = import_module("libauc.losses.contrastive").GCLoss_v2(N=num_samples, tau=temperature)
        for name in ("u1", "u2", "b1", "b2"):
            setattr(loss, name, getattr(loss, name).to(dtype))
        # Normalising is the model's there.
        return lambda images, texts, ids: loss(normalize(images), normalize(texts), ids)[0]

    return _by_ids(make)


def _sog_clr(make: Callable[..., anchorwise.Objective], temperature: float) -> Loss:
    def of_ids(num_samples: int, dtype: torch.dtype) -> Loss:
        objective = make(num_samples=num_samples, temperature=temperature)
        return lambda view0, view1, ids: objective(view0, view1, ids=ids)

    return _by_ids(of_ids)


def _by_ids(make: Callable[[int, torch.dtype], Loss]) -> Loss:
    """Number the images; with four views, the last two follow on the first two, and half of their images are new."""

    def loss(*views: Tensor) -> Tensor:
        num_samples = len(views[0])
        numbers = torch.arange(num_samples)
        of_ids = make(2 * num_samples, views[0].dtype)
        if len(views) == 4:
            of_ids(*(view.detach() for view in views[2:]), numbers)
            numbers = numbers + num_samples // 2
        return of_ids(*views[:2], numbers)

    return loss


def _i_sog_clr(*, num_samples: int, temperature: float) -> anchorwise.Objective:
    lowest = min(0.05, temperature)
    return anchorwise.ISogCLR(num_samples=num_samples, temperature=temperature, temperature_range=(lowest, 0.7))


ENTRIES = [
    Entry(
        "NT-Xent (SimCLR)",
        "info_nce",
        lambda t: anchorwise.InfoNCE(temperature=t),
        [
            Peer("lightly", "NTXentLoss", lambda t: _lightly("NTXentLoss", temperature=t)),
            Peer("pytorch-metric-learning", "SupConLoss", lambda t: _two_views_of("SupConLoss", t)),
        ],
        two_views,
    ),
    Entry(
        "NT-Xent, every pair apart",
        "info_nce",
        lambda t: anchorwise.InfoNCE(temperature=t),
        [Peer("pytorch-metric-learning", "NTXentLoss", lambda t: _two_views_of("NTXentLoss", t))],
        two_views,
        smallest=64,
    ),
    Entry(
        "InfoNCE, one direction",
        "cross_view-one",
        lambda t: anchorwise.CrossViewInfoNCE(temperature=t, both_directions=False),
        [
            Peer("info-nce-pytorch", "InfoNCE", lambda t: import_module("info_nce").InfoNCE(temperature=t)),
            Peer(
                "sentence-transformers",
                "MultipleNegativesRankingLoss",
                lambda t: _ranking("MultipleNegativesRankingLoss", t),
            ),
        ],
        two_views,
    ),
    Entry(
        "InfoNCE, one direction, cached",
        "cross_view-one",
        lambda t: anchorwise.CrossViewInfoNCE(temperature=t, both_directions=False),
        [
            Peer(
                "sentence-transformers",
                "CachedMultipleNegativesRankingLoss",
                lambda t: _ranking("CachedMultipleNegativesRankingLoss", t),
            )
        ],
        two_views,
    ),
    Entry(
        "CLIP",
        "clip",
        lambda t: anchorwise.CLIP(temperature=t),
        [
            Peer(
                "OpenCLIP",
                "ClipLoss",
                lambda t: _open_clip("ClipLoss", 1.0 / t),
            ),
            Peer(
                "sentence-transformers",
                "MultipleNegativesSymmetricRankingLoss",
                lambda t: _ranking("MultipleNegativesSymmetricRankingLoss", t),
            ),
        ],
        two_views,
    ),
    Entry(
        "SigLIP",
        "siglip",
        lambda t: anchorwise.SigLIP(scale=1.0 / t, bias=-10.0),
        [
            Peer(
                "OpenCLIP",
                "SigLipLoss",
                lambda t: _open_clip("SigLipLoss", 1.0 / t, -10.0),
            )
        ],
        two_views,
    ),
    Entry(
        "MoCo's queue",
        "moco",
        lambda t: lambda q, k, queue: anchorwise.MoCo(temperature=t)(q, k, queue=queue),
        [
            Peer("lightly", "NTXentLoss", _lightly_bank),
            Peer("info-nce-pytorch", "InfoNCE", lambda t: import_module("info_nce").InfoNCE(temperature=t)),
        ],
        with_queue,
        num_learned=1,
    ),
    Entry(
        "DCL",
        "dcl",
        lambda t: anchorwise.DCL(temperature=t),
        [Peer("lightly", "DCLLoss", lambda t: _lightly("DCLLoss", temperature=t))],
        two_views,
    ),
    Entry(
        "DCLW",
        "dclw",
        lambda t: anchorwise.DCLW(temperature=t, detach_weights=True),
        [Peer("lightly", "DCLWLoss", lambda t: _lightly("DCLWLoss", temperature=t))],
        two_views,
    ),
    Entry(
        "SupCon",
        "sup_con",
        lambda t: lambda view: anchorwise.SupCon(temperature=t)(view, labels=_labels(view)),
        [
            Peer(
                "pytorch-metric-learning",
                "SupConLoss",
                lambda t: lambda view: _metric_learning("SupConLoss", t)(view, _labels(view)),
            )
        ],
        lambda num_samples: [torch.cat(two_views(num_samples))],
    ),
    Entry(
        "SogCLR",
        "sog_clr",
        lambda t: _sog_clr(anchorwise.SogCLR, t),
        [Peer("LibAUC", "GCLoss_v1", _global, scale=2.0, tolerance=1e-5)],
        two_views,
        values=False,
    ),
    Entry(
        "SogCLR, new images beside known ones",
        "sog_clr",
        lambda t: _sog_clr(anchorwise.SogCLR, t),
        [Peer("LibAUC", "GCLoss_v1", _global, scale=2.0, tolerance=1e-5)],
        two_batches,
        num_learned=2,
        values=False,
    ),
    Entry(
        "iSogCLR",
        "i_sog_clr",
        lambda t: _sog_clr(_i_sog_clr, t),
        [
            Peer(
                "LibAUC",
                "GCLoss_v1, enable_isogclr",
                lambda t: _global(t, enable_isogclr=True),
                scale=2.0,
                tolerance=1e-5,
            )
        ],
        two_views,
        values=False,
    ),
    Entry(
        "FastCLIP (SogCLR of two modalities)",
        "fast_clip",
        lambda t: _sog_clr(anchorwise.FastCLIP, t),
        [Peer("LibAUC", "GCLoss_v2", _of_pairs, tolerance=1e-5)],
        two_views,
        values=False,
    ),
    Entry(
        "SwAV",
        "swav",
        lambda e: lambda a, b, centres: anchorwise.SwAV(epsilon=e)(a, b, prototypes=centres),
        [Peer("lightly", "SwaVLoss", _lightly_swav)],
        with_prototypes,
        temperature=0.05,
        extreme=0.001,
    ),
    Entry(
        "KoLeo",
        "ko_leo",
        lambda t: anchorwise.KoLeo(),
        [Peer("lightly", "KoLeoLoss", lambda t: _lightly("KoLeoLoss"), tolerance=1e-6)],
        lambda num_samples: two_views(num_samples)[:1],
    ),
]
