"""The engine on a CUDA device: every backend, every call, and memory that runs out."""

import math
import re

import pytest
import torch
from torch import Tensor

from anchorwise import WEINCE, InfoNCE, SigLIP, Weibit, engine, planning
from anchorwise.engine import Dense, Tiled, Triton, use_backend
from anchorwise.links import BlendLink, Link, ShortfallLink, SigmoidLink, SoftmaxLink
from anchorwise.pairs import Contrast, SameId, unit_rows

pytestmark = pytest.mark.gpu
LINKS = {
    "softmax": lambda a: SoftmaxLink(0.1),
    "learnt": lambda a: SoftmaxLink(a.mean().detach().requires_grad_()),
    "shortfall": lambda a: ShortfallLink((3 * a).detach().requires_grad_()),
    "blend": lambda a: BlendLink(a, 0.2, 4 * a),
    "sigmoid": lambda a: SigmoidLink(a.mean().detach().requires_grad_(), a.detach().clone().requires_grad_()),
}


def _rows(num_rows: int, width: int = 9, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return unit_rows(torch.randn(num_rows, width, generator=torch.Generator().manual_seed(seed), dtype=dtype))


def _reduced(call, backend, device: str, make, symmetric: bool) -> list[Tensor]:
    anchors = _rows(53).to(device).requires_grad_()
    keys = anchors if symmetric else _rows(31, seed=1).to(device).requires_grad_()
    ids = [torch.arange(len(rows), device=device) % 5 for rows in (anchors, keys)]
    link: Link = make(torch.linspace(0.1, 0.9, 53, dtype=torch.float64, device=device))
    with use_backend(backend):
        result = call(Contrast(anchors, keys, [SameId(*ids)]), link)
    learned = [value for value in link.parameters if value.requires_grad]
    factors = torch.linspace(-1, 2, 53, dtype=torch.float64, device=device)
    gradients = torch.autograd.grad((result * factors).sum(), [anchors, *([] if symmetric else [keys]), *learned])
    return [value.detach().cpu() for value in (result, *gradients)]


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("call", [engine.logsumexp_rows, engine.sum_rows])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("backend", [Dense(), Tiled(size=7), Tiled()], ids=repr)
def test_reductions_and_gradients_equal_those_on_a_cpu(link, call, symmetric: bool, backend):
    found = _reduced(call, backend, "cuda", link, symmetric)
    for value, exact in zip(found, _reduced(call, Dense(), "cpu", link, symmetric), strict=True):
        torch.testing.assert_close(value, exact, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("backend", [Dense(), Tiled(size=7), Tiled()], ids=repr)
def test_statistics_equal_those_on_a_cpu(backend):
    def answers(device: str) -> list[Tensor]:
        rows, threshold = _rows(40).to(device), torch.full((40,), 0.1, dtype=torch.float64, device=device)
        contrast = Contrast(rows, rows)
        return [
            *vars(engine.exceedance_rows(contrast, threshold, 1.0)).values(),
            engine.attend_rows(contrast, rows, SoftmaxLink(0.1)),
            engine.scores_at(contrast, torch.zeros(40, 2, dtype=torch.int64, device=device)),
            engine.tail_rows(contrast, 3).keys,
            engine.tail_summaries(contrast, 3, lambda scores: scores),
            engine.pooled_tail(contrast, 3),
        ]

    with use_backend(Dense()):
        expected = answers("cpu")
    with use_backend(backend):
        for value, exact in zip(answers("cuda"), expected, strict=True):
            torch.testing.assert_close(value.cpu(), exact, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("backend", [Dense(), Tiled(size=512)], ids=repr)
def test_float32_scores_are_exact_whatever_the_caller_lets_torch_round(backend):
    rows, before = _rows(1024, 512, dtype=torch.float32).cuda(), torch.get_float32_matmul_precision()
    results = []
    try:
        for precision in ("highest", "high"):
            torch.set_float32_matmul_precision(precision)
            with use_backend(backend):
                results.append(engine.tail_rows(Contrast(rows, rows), 9).scores)
        rounded = (rows @ rows.T - (rows.double() @ rows.double().T)).abs().max()
    finally:
        torch.set_float32_matmul_precision(before)
    assert rounded > 1e-5  # Products outside are in TensorFloat-32 now.
    assert torch.equal(*results)


def test_the_same_rows_give_the_same_bits():
    def loss_and_gradients() -> list[Tensor]:
        views = [view.clone().requires_grad_() for view in _rows(3000, 64, dtype=torch.float32).cuda().chunk(2)]
        with use_backend(Tiled()):
            loss = WEINCE(exponent="batch")(*views)
        return [loss.detach(), *torch.autograd.grad(loss, views)]

    assert all(torch.equal(*pair) for pair in zip(loss_and_gradients(), loss_and_gradients(), strict=True))


@pytest.fixture
def limited():
    """Lets this process have 2.5 GiB more than it has."""
    torch.cuda.empty_cache()
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + 2.5 * 2**30) / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_tiles_that_do_not_fit_are_made_smaller_or_refused_with_the_size_that_fits(limited):
    # A score matrix takes 1.5 GiB, tiles of a quarter of it a few times 0.4 GiB.
    rows = _rows(20000, 16, dtype=torch.float32).cuda()
    given = Contrast(rows, rows), SoftmaxLink(0.1)
    expected = engine.logsumexp_rows(*given)
    with use_backend(Tiled(size=20000)):
        torch.testing.assert_close(engine.logsumexp_rows(*given), expected)
    held = torch.empty(2 * 2**30, dtype=torch.uint8, device="cuda")
    with use_backend(Tiled(size=20000)), pytest.raises(MemoryError, match=r"tiles of about \d+ x \d+ would") as error:
        engine.logsumexp_rows(*given)
    fits = int(re.findall(r"size=(\d+)", str(error.value))[0])
    with use_backend(Tiled(size=fits)):
        torch.testing.assert_close(engine.logsumexp_rows(*given), expected)
    del held


def test_memory_grows_with_the_rows_and_not_with_the_scores():
    peaks = []
    for num_rows in (32768, 65536):
        views = [view.clone().requires_grad_() for view in _rows(num_rows, 64, dtype=torch.float32).cuda().chunk(2)]
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        WEINCE(exponent="batch")(*views).backward()
        peaks.append(torch.cuda.max_memory_allocated() - before)
    assert peaks[1] < 2.2 * peaks[0]
    assert math.sqrt(peaks[1] / 4) < 65536 / 4  # A score matrix would have as many entries as rows squared.


def test_a_batch_can_be_planned():
    costs = {cost.name: cost for cost in planning.plan(4096, 64, device="cuda")}
    assert costs["tiled InfoNCE"].time_s is not None
    assert costs["tiled InfoNCE"].fits


# The fused kernels.

OBJECTIVES = {"InfoNCE": InfoNCE(temperature=0.1), "WEINCE": WEINCE(), "Weibit": Weibit(), "SigLIP": SigLIP()}
TOLERANCES = {"float32": 2e-6, "bfloat16": 1e-2}


def _loss_and_gradients(objective, num_rows: int, width: int, backend, dtype: torch.dtype) -> list[Tensor]:
    image = torch.randn(num_rows // 2, width, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(2, num_rows // 2, width, generator=torch.Generator().manual_seed(1))
    views = [(image + part).to("cuda", dtype).requires_grad_() for part in noise]
    with use_backend(backend):
        loss = objective(*views)
    return [loss.detach().double(), *(gradient.double() for gradient in torch.autograd.grad(loss, views))]


@pytest.mark.parametrize("products", TOLERANCES)
@pytest.mark.parametrize(
    ("num_rows", "width"), [(130, 9), (1024, 128), (1024, 200), (1000, 512), (600, 700), (6000, 128)]
)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_fused_kernels_are_exact_to_their_products(name: str, num_rows: int, width: int, products: str):
    exact = _loss_and_gradients(OBJECTIVES[name], num_rows, width, "dense", torch.float64)
    dense = _loss_and_gradients(OBJECTIVES[name], num_rows, width, "dense", torch.float32)
    for value, truth, plain in zip(
        _loss_and_gradients(OBJECTIVES[name], num_rows, width, Triton(products), torch.float32),
        exact,
        dense,
        strict=True,
    ):
        rounding = 3.0 * (plain - truth).norm()  # What the gate of WEINCE reads of a tail magnifies float32's too.
        assert (value - truth).norm() <= max(TOLERANCES[products] * truth.norm(), rounding)


@pytest.mark.parametrize("products", TOLERANCES)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_fused_kernels_give_the_same_bits_twice(name: str, products: str):
    found = [_loss_and_gradients(OBJECTIVES[name], 5000, 128, Triton(products), torch.float32) for _ in range(2)]
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True))


@pytest.mark.parametrize("products", TOLERANCES)
def test_fused_kernels_serve_a_share_of_the_anchors_as_all_of_them(products: str):
    rows = _rows(3000, 96, dtype=torch.float32).cuda()
    ids = torch.arange(1500, device="cuda").repeat(2)
    slope = torch.linspace(5.0, 15.0, 3000, device="cuda")
    whole = Contrast(rows, rows, (SameId(ids, ids, 1500),))
    with use_backend(Triton(products)):
        expected = engine.logsumexp_rows(whole, SoftmaxLink(1.0, slope))
        shares = [slice(0, 1000), slice(1000, 1999), slice(1999, 3000)]
        found = [engine.logsumexp_rows(whole.of_anchors(share), SoftmaxLink(1.0, slope[share])) for share in shares]
    torch.testing.assert_close(torch.cat(found), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("products", TOLERANCES)
def test_fused_kernels_read_nothing_of_the_device_and_replay_on_new_rows(products: str):
    rows = _rows(1024, 128, dtype=torch.float32).cuda().requires_grad_()
    ids, temperature = torch.arange(512, device="cuda").repeat(2), torch.tensor(0.1, device="cuda", requires_grad=True)

    def step() -> list[Tensor]:
        with use_backend(Triton(products)):
            loss = engine.logsumexp_rows(Contrast(rows, rows, (SameId(ids, ids, 512),)), SoftmaxLink(temperature)).sum()
        return [loss, *torch.autograd.grad(loss, [rows, temperature])]

    with torch.cuda.stream(torch.cuda.Stream()):
        step()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        replayed = step()
    with torch.no_grad():
        rows.copy_(_rows(1024, 128, seed=5, dtype=torch.float32))
    graph.replay()
    assert all(torch.equal(*pair) for pair in zip(replayed, step(), strict=True))


@pytest.mark.parametrize("products", TOLERANCES)
def test_fused_kernels_take_little_memory(products: str):
    views = [view.clone().requires_grad_() for view in _rows(65536, 128, dtype=torch.float32).cuda().chunk(2)]
    with use_backend(Triton(products)):
        InfoNCE(temperature=0.1)(*views).backward()  # Compiles.
        for view in views:
            view.grad = None
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        InfoNCE(temperature=0.1)(*views).backward()
    assert torch.cuda.max_memory_allocated() - before <= 200 * 2**20
