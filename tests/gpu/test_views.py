"""Views on a CUDA device are those of a CPU, and can be captured in a graph with the seed on the device."""

from typing import cast

import pytest
import torch
from torch import Tensor

from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.modalities.images.views.policies import POLICIES
from anchorwise.modalities.samples import Batch
from anchorwise.modalities.views import Masking, ViewPlan

pytestmark = pytest.mark.gpu
CUDA = torch.device("cuda")


def _batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (64, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return Batch(images, torch.randint(10_000, (64,), generator=generator))


def _maker(name: str) -> RandomViews:
    # What RandAugment moves has no place any more.
    plan = ViewPlan(2, 2, with_places=name != "rand_augment", masking=Masking(8, (0.2, 0.6)))
    return RandomViews(POLICIES[name](), 3, 32, plan=plan)


def _parts(maker: RandomViews, batch: Batch, seed: int | Tensor) -> list[Tensor]:
    views = maker(batch, seed=seed)
    return [part for view in views for part in ([view] if isinstance(view, Tensor) else view.values())]


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_views_are_those_of_a_cpu(name: str):
    maker, batch = _maker(name), _batch(0)
    here = _parts(maker, batch, 3)
    for part, same in zip(_parts(maker.cuda(), batch.to(CUDA), 3), here, strict=True):
        # A side of a crop that lies half between two pixels may be rounded otherwise: of one view in a thousand.
        is_same = (part.cpu().float() - same.float()).abs().flatten(1).amax(1) < 1e-4
        assert is_same.float().mean() > 0.96


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_captured_graph_draws_anew_for_another_batch_and_seed(name: str):
    maker, batch = _maker(name).cuda(), _batch(0).to(CUDA)
    seed = torch.tensor(3, device=CUDA)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        _parts(maker, batch, seed)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = _parts(maker, batch, seed)
    other = _batch(1).to(CUDA)
    cast(Tensor, batch.raw).copy_(cast(Tensor, other.raw))
    batch.ids.copy_(other.ids)
    seed.fill_(11)
    graph.replay()
    for part, same in zip(captured, _parts(maker, other, 11), strict=True):
        torch.testing.assert_close(part, same, atol=1e-6, rtol=0.0)
