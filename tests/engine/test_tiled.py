"""The tiled backend gives what the dense one gives, whatever the tiles."""

import multiprocessing
import warnings
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from anchorwise import WEINCE, engine
from anchorwise.engine import Backend, Dense, Tiled, use_backend
from anchorwise.engine.backend import backend_for
from anchorwise.engine.request import LogSumExp, Request
from anchorwise.engine.tiled import reduction as reduction_module
from anchorwise.engine.tiled.grid import Grid
from anchorwise.engine.tiled.tails import largest
from anchorwise.engine.tiled.worker_threads import for_each_tile
from anchorwise.links import MIN_SHORTFALL, ArctanhLink, BlendLink, Link, ShortfallLink, SigmoidLink, SoftmaxLink
from anchorwise.pairs import Contrast, SameId, unit_rows, views_of
from tests import processes
from tests.contracts import batches
from tests.contracts.cases import CASES, Case
from tests.engine.weights import Distance

_NOT_ALWAYS = (batches.ordinary, batches.near_cap, batches.duplicates)
OF_EVERY_CASE = [batches.clustered, *(pytest.param(batch, marks=pytest.mark.whole) for batch in _NOT_ALWAYS)]
SMALL = Tiled(size=7)


def _rows(num_rows: int, width: int = 9, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return unit_rows(torch.randn(num_rows, width, generator=torch.Generator().manual_seed(seed), dtype=dtype))


def _loss_and_gradients(case: Case, views: tuple[Tensor, ...], backend: engine.Backend) -> list[Tensor]:
    own = [view.clone().requires_grad_() for view in views]
    call = case.call(*own)
    inputs = [*own, *(value.requires_grad_() for value in call.learned.values())]
    with use_backend(backend):
        loss = replace(call, learned=dict(zip(call.learned, inputs[len(own) :], strict=True))).loss(case.objective())
    gradients = torch.autograd.grad(loss, inputs, allow_unused=True)
    return [loss.detach(), *(gradient for gradient in gradients if gradient is not None)]


# What an objective asks of the engine does not depend on how many tiles there are: three by three, the last smaller.
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("batch", OF_EVERY_CASE)
@pytest.mark.usefixtures("as_users_call")  # Shapes are checked in the next test, on every case too.
def test_loss_and_gradients_of_every_objective_equal_those_of_the_dense_backend(case: Case, batch):
    expected = _loss_and_gradients(case, batch(), Dense())
    # Cosines are rounded in another order; near the cap 1 - s magnifies each rounding by 1 / (1 - s), here up to 1e5.
    tolerance = 4e-11 if batch is batches.near_cap else 1e-12
    for value, exact in zip(_loss_and_gradients(case, batch(), Tiled(size=17)), expected, strict=True):
        assert (value - exact).norm() <= tolerance * exact.norm() + 1e-14


@pytest.mark.whole
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_float32_gradients_are_as_near_the_exact_ones_as_dense_ones(case: Case):
    exact = _loss_and_gradients(case, batches.ordinary(num_samples=61, width=16), Dense())
    single = tuple(view.float() for view in batches.ordinary(num_samples=61, width=16))
    by_backend = [_loss_and_gradients(case, single, backend) for backend in (Dense(), Tiled(size=51))]
    for value, dense, truth in zip(by_backend[1], by_backend[0], exact, strict=True):
        # Logits of a low temperature are in the hundreds: their rounding is that of the loss, and the dense gradient's.
        # Lambda is read off a difference of likelihoods of 32 points and more, which float32 knows to about 1e-5.
        rounding = 1e-5 if value.ndim == 0 else 4.0 * (dense.double() - truth).norm()
        assert (value.double() - truth).norm() <= max(2e-6 * truth.norm(), rounding)


LINKS = {
    "softmax": lambda a: SoftmaxLink(0.1),
    "cold": lambda a: SoftmaxLink(0.005),
    "negative": lambda a: SoftmaxLink(-0.2),
    "learnt": lambda a: SoftmaxLink(a.mean().detach().requires_grad_()),
    "own": lambda a: SoftmaxLink(a.clone().requires_grad_()),
    "shortfall": lambda a: ShortfallLink((3 * a).requires_grad_()),
    "blend": lambda a: BlendLink(a, 0.2, 4 * a),
    "endpoint": lambda a: BlendLink(a, 0.2, 4 * a, 0.8),
    "arctanh": lambda a: ArctanhLink(),
    "sigmoid": lambda a: SigmoidLink(a.mean().detach().requires_grad_(), a.clone().requires_grad_()),
}


def _reduced(call, anchors: Tensor, keys: Tensor, link: Link, **given) -> list[Tensor]:
    inputs = [anchors.clone().requires_grad_()]
    inputs.append(inputs[0] if keys is anchors else keys.clone().requires_grad_())
    learned = [value for value in link.parameters if value.requires_grad]
    result = call(Contrast(inputs[0], inputs[1], **given), link)
    factors = torch.linspace(-1, 2, len(result), dtype=result.dtype)
    gradients = torch.autograd.grad((result * factors)[result.isfinite()].sum(), [*inputs, *learned])
    return [result.detach(), *gradients]


@pytest.mark.whole
@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("call", [engine.logsumexp_rows, engine.sum_rows])
@pytest.mark.parametrize("layout", ["symmetric", "more keys", "more anchors", "one anchor", "no keys"])
def test_reductions_and_all_their_gradients_equal_the_dense_ones(link, call, layout: str):
    sizes = {"symmetric": (53, 53), "more keys": (11, 53), "more anchors": (53, 11), "one anchor": (1, 53)}
    num_anchors, num_keys = sizes.get(layout, (53, 0))
    anchors = _rows(num_anchors)
    keys = anchors if layout == "symmetric" else _rows(num_keys, seed=1)
    given = {"exclude": [SameId(torch.arange(num_anchors) % 5, torch.arange(num_keys) % 5 + num_anchors % 2)]}
    own = torch.linspace(0.1, 0.9, num_anchors, dtype=torch.float64)
    results = []
    for backend in (Dense(), Tiled(size=10)):
        with use_backend(backend):
            results.append(_reduced(call, anchors, keys, link(own), **given))
    for value, exact in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(value, exact, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_temperature_alone_can_be_learnt_from_rows_that_are_not(symmetric: bool):
    rows, results = _rows(40), []
    keys = rows if symmetric else _rows(30, seed=1)
    for backend in (Dense(), SMALL):
        temperature = torch.tensor(0.2, dtype=torch.float64, requires_grad=True)
        with use_backend(backend):
            value = engine.logsumexp_rows(Contrast(rows, keys), SoftmaxLink(temperature))
        results.append(torch.autograd.grad(value.sum(), temperature))
    torch.testing.assert_close(*results)


def test_weights_and_chosen_pairs_count_as_in_the_dense_backend():
    rows, values = _rows(40), torch.arange(40.0, dtype=torch.float64).unsqueeze(1)
    labels = torch.arange(40) % 3
    weight, only = Distance(values, values), SameId(labels, labels)
    results = []
    for backend in (Dense(), SMALL):
        with use_backend(backend):
            weighted = _reduced(engine.logsumexp_rows, rows, rows, SoftmaxLink(0.2), weight=weight)
            summed = _reduced(engine.sum_rows, rows, rows, ArctanhLink(), weight=weight, only=only)
            results.append([*weighted, *summed])
    torch.testing.assert_close(results[1], results[0], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("symmetric", [True, False])
def test_statistics_equal_the_dense_ones(symmetric: bool):
    anchors = _rows(45)
    anchors[3] = anchors[17]
    keys = anchors if symmetric else _rows(31, seed=1)
    contrast = Contrast(anchors, keys, [SameId(torch.arange(45) % 20, torch.arange(len(keys)) % 20)])
    threshold = torch.linspace(-0.2, 0.5, 45, dtype=torch.float64)

    def statistics() -> list[Tensor]:
        tail = engine.tail_rows(contrast, 6)
        sums = engine.exceedance_rows(contrast, threshold, 1.0)
        summary = engine.tail_summaries(
            contrast, 6, lambda scores: torch.stack([scores[:, 0], scores.sum(dim=1)], dim=1)
        )
        pooled = engine.pooled_tail(contrast, 20)
        mean = engine.attend_rows(contrast, keys, SoftmaxLink(0.3))
        return [tail.scores, *vars(sums).values(), summary, pooled, mean]

    with use_backend("dense"):
        expected = statistics()
    with use_backend(SMALL):
        torch.testing.assert_close(statistics(), expected, rtol=1e-12, atol=1e-13)
    largest_scores = expected[4]
    assert (largest_scores.max() > 1.0 - MIN_SHORTFALL) == symmetric  # The duplicates are there, and only there.


@pytest.mark.parametrize("num_tail", [1, 33, 400, 2500])
def test_a_long_row_has_its_largest_scores_whatever_its_order(num_tail: int):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(6, 4096, generator=generator)
    rows[1] = rows[1].sort().values
    rows[2, ::16] += 10.0  # The sample sees nothing but the largest.
    rows[3, ::16] -= 10.0
    rows[4] = 0.5
    rows[5, 1:] = -torch.inf
    torch.testing.assert_close(largest(rows, num_tail), rows.sort(dim=1, descending=True).values[:, :num_tail])


@pytest.mark.parametrize("num_blocks", [1, 2, 3, 8, 9])
def test_every_pair_is_in_one_tile_and_tiles_of_a_round_have_no_block_in_common(num_blocks: int):
    grid = Grid(num_blocks * 4, num_blocks * 4, symmetric=True, size=(4, 4))
    pairs = []
    for tiles in grid.rounds():
        used = [
            block.start
            for tile in tiles
            for block in {tile.anchors.start: tile.anchors, tile.keys.start: tile.keys}.values()
        ]
        assert len(used) == len(set(used))
        pairs += [tuple(sorted((tile.anchors.start, tile.keys.start))) for tile in tiles]
    assert sorted(pairs) == [(4 * i, 4 * j) for i in range(num_blocks) for j in range(i, num_blocks)]


@pytest.mark.parametrize("num_rows", [2, 10, 24])
def test_between_halves_every_pair_is_in_one_tile_that_serves_both_of_its_rows(num_rows: int):
    grid, seen = (
        Grid(num_rows, num_rows, symmetric=True, size=(4, 4), between_halves=True),
        torch.zeros(num_rows, num_rows),
    )
    for tiles in grid.rounds():
        rows = [row for tile in tiles for side in (tile.anchors, tile.keys) for row in range(side.start, side.stop)]
        assert len(rows) == len(set(rows))
        for tile in tiles:
            assert tile.mirrored
            seen[tile.anchors, tile.keys] += 1
            seen[tile.keys, tile.anchors] += 1
    half = torch.arange(num_rows) < num_rows // 2
    assert torch.equal(seen, (half.unsqueeze(1) != half).float())


@pytest.mark.parametrize("ids", [None, torch.arange(300) % 290])
def test_both_directions_between_views_share_their_scores(ids: torch.Tensor | None):
    rows, scale = (
        _rows(600, dtype=torch.float64).requires_grad_(),
        torch.tensor(9.0, dtype=torch.float64, requires_grad=True),
    )
    views, link = views_of(*rows.chunk(2), ids=ids), SoftmaxLink(1.0, scale)
    contrasts, together, results = [views.across(0, 1), views.across(1, 0)], views.pooled(same_view=False), []
    assert Tiled().suits(LogSumExp(together, link))
    for losses in (
        torch.cat([engine.cross_entropy_rows(contrast, link)[0] for contrast in contrasts]),
        engine.cross_entropy_rows(together, link)[0],
    ):
        gradients = torch.autograd.grad(losses.square().sum(), [rows, scale], retain_graph=True)
        results.append((losses, *gradients))
    torch.testing.assert_close(*results, rtol=1e-12, atol=1e-13)


def test_reductions_of_many_rows_do_not_depend_on_the_number_of_threads():
    rows, threshold = _rows(2060, width=16, dtype=torch.float32), torch.full((2060,), 0.3)
    before, results = torch.get_num_threads(), []
    try:
        for num_threads in (1, 2, 3):
            torch.set_num_threads(num_threads)
            own = rows.clone().requires_grad_()
            with use_backend(Tiled(size=256)):
                value = engine.logsumexp_rows(Contrast(own, own), BlendLink(threshold, 0.1, 9 * threshold))
                sums = engine.exceedance_rows(Contrast(rows, rows), threshold, 1.0)
                tails = engine.tail_summaries(Contrast(rows, rows), 50, lambda scores: scores[:, ::7])
            results.append([value, *torch.autograd.grad(value.sum(), own), *vars(sums).values(), tails])
            assert torch.get_num_threads() == num_threads
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(*pair) for pair in zip(other, results[0], strict=True))


def test_second_derivatives_are_refused_with_the_way_out():
    rows = _rows(20).requires_grad_()
    with use_backend(SMALL):
        loss = engine.logsumexp_rows(Contrast(rows, rows), SoftmaxLink(0.1)).sum()
    (gradient,) = torch.autograd.grad(loss, rows, create_graph=True)
    with pytest.raises(RuntimeError, match=r'no second derivatives.*use_backend\("dense"\)'):
        gradient.square().sum().backward()


def test_a_forward_pass_without_gradient_keeps_nothing():
    rows = _rows(20).requires_grad_()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode(), use_backend(SMALL):
            result = engine.logsumexp_rows(Contrast(rows, rows), SoftmaxLink(0.1))
        assert result.grad_fn is None


def test_tiles_that_do_not_fit_are_made_smaller_once(monkeypatch):
    rows, sizes, real = _rows(64).requires_grad_(), [], reduction_module.Workspace.scores
    ids = torch.arange(64) % 32

    def scores(self, anchors: Tensor, keys: Tensor, scale: float = 1.0) -> Tensor:
        sizes.append(len(anchors))
        if len(anchors) > limit:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return real(self, anchors, keys, scale)

    def gradient(backend: engine.Backend | str) -> Tensor:
        with use_backend(backend):
            sums = engine.logsumexp_rows(Contrast(rows, rows, [SameId(ids, ids)]), SoftmaxLink(0.1))
        return torch.autograd.grad(sums.sum(), rows)[0]

    monkeypatch.setattr(reduction_module.Workspace, "scores", scores)
    limit = 16
    torch.testing.assert_close(gradient(Tiled(size=32)), gradient("dense"))
    assert max(sizes) == 32
    limit = 4
    with pytest.raises(MemoryError, match=r"tiles of 16 anchors x 16 keys do not fit"):
        gradient(Tiled(size=32))


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    class Broken(Link):
        def __call__(self, scores: Tensor) -> Tensor:
            raise RuntimeError("broken")

    with use_backend(SMALL), pytest.raises(RuntimeError, match="broken"):
        engine.logsumexp_rows(Contrast(_rows(20), _rows(20)), Broken())


def test_a_forked_process_starts_worker_threads_of_its_own():
    grid, before, visited = Grid(100, 100, symmetric=True, size=(25, 25)), torch.get_num_threads(), []
    try:
        torch.set_num_threads(2)
        for_each_tile(grid.rounds(), visited.append, torch.device("cpu"))
        child = multiprocessing.get_context("fork").Process(
            target=for_each_tile, args=([*grid.rounds()], visited.append, torch.device("cpu"))
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads.
            child.start()
        child.join(timeout=60)
        assert child.exitcode == 0
    finally:
        torch.set_num_threads(before)
    assert len(visited) == 10


def _sums(rows: Tensor) -> LogSumExp:
    return LogSumExp(Contrast(rows, rows), SoftmaxLink(0.1))


def test_the_backend_is_chosen_by_size_and_can_be_forced(monkeypatch):
    few, many = (_sums(rows) for rows in (_rows(4), _rows(1000, width=2)))
    assert isinstance(backend_for(few), Dense)
    assert isinstance(backend_for(many), Tiled)
    with FakeTensorMode():
        for num_rows, backend in ((4096, Dense), (4097, Tiled)):
            on_gpu = _sums(torch.empty(num_rows, 2, device="cuda"))
            assert isinstance(backend_for(on_gpu), backend)
    monkeypatch.setenv("ANCHORWISE_BACKEND", "tiled")
    assert isinstance(backend_for(few), Tiled)
    with use_backend("dense"):
        assert isinstance(backend_for(many), Dense)
    with pytest.raises(
        ValueError, match="backend must be one of 'auto', 'dense', 'tiled', 'triton', got 'tilde'; did you mean"
    ):
        use_backend("tilde").__enter__()
    monkeypatch.setenv("ANCHORWISE_BACKEND", "fast")
    with pytest.raises(ValueError, match="ANCHORWISE_BACKEND must be one of"):
        backend_for(few)


class OnlySoftmax(Backend):
    """Computes one kind of request, and counts."""

    asked = 0

    def supports(self, request: Request) -> bool:
        return isinstance(request, LogSumExp) and isinstance(request.link, SoftmaxLink)

    def suits(self, request: Request) -> bool:
        return False

    def logsumexp_rows(self, contrast: Contrast, link: Link) -> Tensor:
        OnlySoftmax.asked += 1
        return Dense().logsumexp_rows(contrast, link)


def test_a_backend_of_ones_own_is_asked_for_what_it_supports_and_nothing_else():
    rows = _rows(6)
    contrast = Contrast(rows, rows)

    def answers() -> list[Tensor]:
        links = [SoftmaxLink(0.1), ArctanhLink()]
        return [*(engine.logsumexp_rows(contrast, link) for link in links), engine.tail_rows(contrast, 2).scores]

    expected = answers()
    assert OnlySoftmax.asked == 0
    with use_backend(OnlySoftmax()):
        assert all(torch.equal(*pair) for pair in zip(answers(), expected, strict=True))
    assert OnlySoftmax.asked == 1


def test_names_that_have_moved_say_where_to():
    with pytest.raises(AttributeError, match=r"no attribute 'plan'; it is now anchorwise.planning.plan"):
        getattr(engine, "plan")  # noqa: B009


@pytest.mark.usefixtures("as_users_call")
def test_rows_and_ids_that_do_not_fit_are_refused():
    rows, ids = _rows(6), torch.arange(6)
    with pytest.raises(ValueError, match=r"anchors and keys must have the same width, got \(6, 9\) and \(6, 4\)"):
        engine.logsumexp_rows(Contrast(rows, _rows(6, width=4)), SoftmaxLink(0.1))
    with pytest.raises(TypeError, match=r"anchors must be float32 or float64, got torch.bfloat16; .*unit_rows widens"):
        engine.logsumexp_rows(Contrast(rows.bfloat16(), rows.bfloat16()), SoftmaxLink(0.1))
    with pytest.raises(TypeError, match=r"contrast must be an anchorwise.pairs.Contrast, got Tensor; rows, keys and"):
        engine.logsumexp_rows(rows, SoftmaxLink(0.1))
    with pytest.raises(ValueError, match=r"key_ids must have one id for each of the 6 keys, shape \(6,\), got \(5,\)"):
        engine.logsumexp_rows(Contrast(rows, rows, [SameId(ids, ids[:5])]), SoftmaxLink(0.1))


@pytest.mark.slow
def test_tiles_stay_outside_of_a_compiled_graph():
    # In a process of its own: shape checks cannot be traced.
    processes.side_by_side(_compile_beside_tiles, [()])


def _compile_beside_tiles() -> None:
    views = [torch.randn(60, 8, generator=torch.Generator().manual_seed(seed)).requires_grad_() for seed in (0, 1)]
    with use_backend(Tiled(size=31)):
        results = [function(*views) for function in (WEINCE(), torch.compile(WEINCE(), backend="eager"))]
    torch.testing.assert_close(*results)
    torch.testing.assert_close(*(torch.autograd.grad(loss, views) for loss in results))
