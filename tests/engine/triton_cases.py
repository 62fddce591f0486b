"""What the triton backend promises; run by test_triton.py under Triton's interpreter, or on a GPU."""

import math
from functools import partial

import pytest
import torch
import triton
from torch import Tensor

from anchorwise import WEINCE, InfoNCE, engine
from anchorwise.engine import Triton, use_backend
from anchorwise.links import (
    MIN_SHORTFALL,
    ArctanhLink,
    BlendLink,
    DistancePower,
    GaussianKernel,
    InverseMultiquadric,
    Link,
    LogGaussianKernel,
    LogKernel,
    Moment,
    NegativeTerm,
    RieszKernel,
    ShortfallLink,
    SigmoidLink,
    SoftmaxLink,
    as_divergence,
)
from anchorwise.pairs import Contrast, SameId, unit_rows
from tests.engine.weights import Distance

DEVICE = "cpu" if triton.knobs.runtime.interpret else "cuda"
FLOAT32, BFLOAT16 = Triton("float32", size=16), Triton("bfloat16", size=16)

# What does not count is computed and put aside: numpy warns of it, which a GPU does not; and of how
# the interpreter of Triton before 3.9 makes numbers of its arrays.
pytestmark = pytest.mark.filterwarnings(
    "ignore:(invalid value|overflow|divide by zero):RuntimeWarning",
    "ignore:All-NaN:RuntimeWarning",
    "ignore:Conversion of an array with ndim:DeprecationWarning",
)


def _rows(num_rows: int, width: int = 9, seed: int = 0) -> Tensor:
    return unit_rows(torch.randn(num_rows, width, generator=torch.Generator().manual_seed(seed))).to(DEVICE)


def _ids(num_rows: int, num_ids: int) -> Tensor:
    return torch.arange(num_rows, device=DEVICE) % num_ids


def _learnt(value: Tensor) -> Tensor:
    return value.detach().clone().requires_grad_()


LINKS = {
    "softmax": lambda a: SoftmaxLink(0.1),
    "cold": lambda a: SoftmaxLink(0.005),
    "negative": lambda a: SoftmaxLink(-0.2),
    "gaussian": lambda a: LogGaussianKernel(2.0),
    "learnt": lambda a: SoftmaxLink(_learnt(a.mean())),
    "shortfall": lambda a: ShortfallLink(_learnt(3 * a)),
    "blend": lambda a: BlendLink(_learnt(a), _learnt(a.mean()), 4 * a, 0.8),
}


TERMS = {
    "sigmoid": lambda a: SigmoidLink(_learnt(8 * a.mean()), _learnt(-2 * a)),
    "gaussian": lambda a: GaussianKernel(2.0),
    "log_gaussian": lambda a: LogGaussianKernel(2.0),
    "logarithm": lambda a: LogKernel(1.5),
    "multiquadric": lambda a: InverseMultiquadric(0.7),
    "riesz": lambda a: RieszKernel(1.5),
    "negative_riesz": lambda a: RieszKernel(-1.0),
    "distance": lambda a: DistancePower(1.0),
    "fourth": lambda a: DistancePower(4.0),
    "kullback_leibler": lambda a: NegativeTerm(as_divergence("kl"), 1.5, 0.3),
    "count": lambda a: Moment(0),
    "mean": lambda a: Moment(1),
    "variance": lambda a: Moment(2, a),
    "blend": LINKS["blend"],
    "softmax": LINKS["learnt"],
}


def _reduced(
    backend, anchors: Tensor, keys: Tensor, make, exclude, call=engine.logsumexp_rows, only=None
) -> list[Tensor]:
    """Return a reduction, a logsumexp unless another is asked for, and all its gradients."""
    inputs = [_learnt(anchors)]
    inputs.append(inputs[0] if keys is anchors else _learnt(keys))
    link: Link = make(torch.linspace(0.1, 0.9, len(anchors), dtype=anchors.dtype, device=DEVICE))
    with use_backend(backend):
        result = call(Contrast(inputs[0], inputs[1], exclude, only=only), link)
    learned = [value for value in link.parameters if value.requires_grad]
    factors = torch.linspace(-1, 2, len(result), dtype=result.dtype, device=DEVICE)
    loss = (result * factors)[result.isfinite()].sum() + 0.0 * sum(value.sum() for value in (*inputs, *learned))
    return [result.detach(), *torch.autograd.grad(loss, [*inputs, *learned])]


def _exact(anchors: Tensor, keys: Tensor, make, exclude, **options) -> list[Tensor]:
    doubled = anchors.double()
    return _reduced("dense", doubled, doubled if keys is anchors else keys.double(), make, exclude, **options)


def _assert_near(values: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    for value, exact in zip(values, expected, strict=True):
        assert torch.equal(value.isfinite(), exact.isfinite())
        value, exact = (each.double()[exact.isfinite()] for each in (value, exact))
        assert (value - exact).norm() <= tolerance * exact.norm()


@pytest.mark.parametrize(
    ("name", "symmetric"), [*((name, True) for name in LINKS), ("learnt", False), ("blend", False)]
)
def test_sums_and_all_their_gradients_are_exact_to_float32(name: str, symmetric: bool):
    anchors = _rows(20)
    keys = anchors if symmetric else _rows(35, seed=1)
    same = SameId(_ids(20, 5), _ids(len(keys), 5))
    second = SameId(torch.zeros_like(same.anchor_ids), same.key_ids - 1)
    given = (anchors, keys, LINKS[name], [same, second])
    # The coldest link's logits go to 200, where float32 is good to 1e-5; how a product is added up decides the rest.
    _assert_near(_reduced(FLOAT32, *given), _exact(*given), 1e-5 if name == "cold" else 2e-6)


@pytest.mark.parametrize("name", TERMS)
def test_sums_of_links_and_their_gradients_are_exact_to_float32(name: str):
    anchors = _rows(20)
    for keys in (anchors, _rows(20, seed=1)):
        given = (anchors, keys, TERMS[name], [SameId(_ids(20, 5), _ids(len(keys), 5))])
        found, exact = (
            reduced(call=engine.sum_rows) for reduced in (partial(_reduced, FLOAT32, *given), partial(_exact, *given))
        )
        _assert_near(found, exact, 2e-6)


@pytest.mark.parametrize(("backend", "name"), [(FLOAT32, "softmax"), (FLOAT32, "learnt"), (BFLOAT16, "learnt")])
def test_pairs_are_left_out_by_period_by_ids_and_by_what_alone_counts(backend: Triton, name: str):
    rows, shard = _rows(33, 12), slice(9, 27)
    sample, view = _ids(33, 11), torch.arange(33, device=DEVICE) // 11
    period, listed, only = SameId(sample, sample, 11), SameId(view, view), SameId(_ids(33, 3), _ids(33, 3))
    _assert_left_out(backend, rows, LINKS[name], [period], None)
    shards = [same.of_anchors(shard) for same in (period, listed, only)]
    _assert_left_out(backend, rows, LINKS[name], shards[:2], None, shard)
    _assert_left_out(backend, rows, LINKS[name], shards[:1], shards[2], shard)


def _assert_left_out(backend: Triton, rows: Tensor, make, exclude, only, shard: slice | None = None) -> None:
    given = (rows if shard is None else rows[shard], rows, make, exclude)
    found, exact = _reduced(backend, *given, only=only), _exact(*given, only=only)
    _assert_near(found, exact, 2e-6 if backend is FLOAT32 else 0.02)


def test_rows_wider_than_a_program_are_whole():
    anchors, keys = _rows(18, 150), _rows(33, 150, seed=1)
    given = (anchors, keys, LINKS["blend"], [])
    _assert_near(_reduced(FLOAT32, *given), _exact(*given), 2e-6)


@pytest.mark.parametrize("backend", [FLOAT32, BFLOAT16])
def test_rows_without_keys_are_minus_infinity_without_gradient(backend: Triton):
    anchors = _rows(20)
    every = SameId(_ids(20, 1), _ids(20, 1))
    for keys, exclude in ((anchors, [every]), (anchors[:0], [])):
        result, *gradients = _reduced(backend, anchors, keys, LINKS["blend"], exclude)
        assert (result == -torch.inf).all()
        assert all((gradient == 0).all() for gradient in gradients)
    _, _, by_keys = _reduced(backend, anchors[:0], anchors, LINKS["softmax"], [])
    assert (by_keys == 0).all()


def _near_cap() -> tuple[Tensor, Tensor]:
    """Return anchors, and keys of which one is a shortfall of about 1e-4 away from its anchor, all others far."""
    anchors = _rows(20, 32)
    near = unit_rows(anchors + 0.014 * _rows(20, 32, seed=1))
    return anchors, torch.cat([_rows(21, 32, seed=2), near])


@pytest.mark.parametrize("make", [LINKS["shortfall"], LINKS["blend"]])
def test_near_the_cap_gradients_are_as_near_the_exact_ones_as_dense_ones(make):
    anchors, keys = _near_cap()
    keys[3], keys[4] = anchors[3], anchors[5]  # Duplicates: the floor acts.
    exact = _exact(anchors, keys, make, [])
    dense = _reduced("dense", anchors, keys, make, [])
    for value, other, truth in zip(_reduced(FLOAT32, anchors, keys, make, []), dense, exact, strict=True):
        assert (value.double() - truth).norm() <= 1e-6 * truth.norm() + 4.0 * (other.double() - truth).norm()


@pytest.mark.parametrize("backend", [FLOAT32, BFLOAT16])
def test_below_the_floor_a_score_has_no_slope(backend: Triton):
    anchor = _rows(1)
    _, by_anchor, by_key, by_exponent = _reduced(backend, anchor, anchor.clone(), LINKS["shortfall"], [])
    assert (by_anchor == 0).all()
    assert (by_key == 0).all()
    torch.testing.assert_close(by_exponent, by_exponent.new_tensor([math.log(1e-6)]))


@pytest.mark.parametrize("make", [LINKS[name] for name in ("cold", "learnt", "blend")])
def test_bfloat16_products_are_good_to_their_rounding(make):
    anchors = _rows(20, 32)
    given = (anchors, anchors, make, [SameId(_ids(20, 10), _ids(20, 10))])
    # Factors are rounded to 8 bits; at a temperature of 0.005 that is 0.1 of a logit.
    _assert_near(_reduced(BFLOAT16, *given), _exact(*given), 0.03)


def test_bfloat16_products_keep_the_hardest_negative_exact():
    anchors, keys = _near_cap()
    exponents = torch.full((20,), 3.0, device=DEVICE)
    value, by_anchors, by_keys = _reduced(BFLOAT16, anchors, keys, lambda _: ShortfallLink(exponents), [])
    exact = _exact(anchors, keys, lambda _: ShortfallLink(exponents.double()), [])
    # What float32 rows leave of a shortfall of 1e-4, times the exponent.
    assert (value.double() - exact[0]).abs().max() < 3 * 2e-7 / 5e-5
    coarse = (anchors.bfloat16().double() @ keys.bfloat16().double().T).diagonal(21)
    assert ((anchors * keys[21:]).sum(dim=1).double() - coarse).abs().max() > 1e-4
    _assert_near([by_anchors, by_keys], exact[1:], 0.01)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rows_of_half_precision_take_bfloat16_products_where_a_softmax_bears_them(dtype: torch.dtype):
    views = [(_rows(10, 32, seed) * 3.0).to(dtype) for seed in (0, 1)]
    wide = [view.float() for view in views]

    def loss(objective: torch.nn.Module, rows: list[Tensor], backend: Triton) -> Tensor:
        with use_backend(backend):
            return objective(*rows)

    unasked, softmax, weince = Triton(size=16), InfoNCE(temperature=0.1), WEINCE()
    assert torch.equal(loss(softmax, views, unasked), loss(softmax, wide, BFLOAT16))
    assert torch.equal(loss(softmax, wide, unasked), loss(softmax, wide, FLOAT32))
    assert not torch.equal(loss(softmax, wide, FLOAT32), loss(softmax, wide, BFLOAT16))
    assert torch.equal(loss(softmax, views, FLOAT32), loss(softmax, wide, FLOAT32))
    for exact in (weince, InfoNCE(temperature=0.02)):
        assert torch.equal(loss(exact, views, unasked), loss(exact, wide, FLOAT32))


@pytest.mark.parametrize("backend", [FLOAT32, BFLOAT16])
def test_exceedances_are_those_of_the_dense_backend(backend: Triton):
    anchors, keys = _near_cap()
    keys[21:25] = anchors[:4]  # The hardest negatives of four rows are duplicates.
    exclude = [SameId(_ids(20, 7), _ids(41, 41) % 9)]
    threshold = torch.linspace(0.05, 0.3, 20, device=DEVICE)
    results = {}
    for name, precision in (("dense", torch.float64), (backend, torch.float32)):
        with use_backend(name), torch.no_grad():
            contrast = Contrast(anchors.to(precision), keys.to(precision), exclude)
            results[name] = engine.exceedance_rows(contrast, threshold.to(precision), 1.0)
    sums, exact = results[backend], results["dense"]
    assert (exact.largest_score > 1.0 - MIN_SHORTFALL).any()
    torch.testing.assert_close(sums.count.double(), exact.count)
    torch.testing.assert_close(sums.largest_score.double(), exact.largest_score, rtol=0, atol=3e-7)
    coarse = backend is BFLOAT16
    # A shortfall of 1e-4 has four digits left in float32; a coarse score is off by about 1e-3, and by twice as much
    # under the interpreter, which cuts off what a GPU rounds.
    torch.testing.assert_close(
        sums.sum_log_ratio.double(), exact.sum_log_ratio, rtol=5e-3, atol=2e-2 if coarse else 1e-5
    )
    torch.testing.assert_close(sums.sum_excess.double(), exact.sum_excess, rtol=0, atol=3e-2 if coarse else 2e-6)


@pytest.mark.parametrize("objective", [InfoNCE(temperature=0.2), WEINCE()])
def test_objectives_need_not_know(objective, monkeypatch):
    views = [torch.randn(20, 12, generator=torch.Generator().manual_seed(seed)).to(DEVICE) for seed in (0, 1)]
    results = []
    for name, precision in (("dense", torch.float64), ("dense", torch.float32), ("triton", torch.float32)):
        monkeypatch.setenv("ANCHORWISE_BACKEND", name)
        own = [view.to(precision).requires_grad_() for view in views]
        loss = objective(*own)
        results.append([loss.detach(), *torch.autograd.grad(loss, own)])
    for exact, dense, value in zip(*results, strict=True):
        # What WEINCE reads from a tail, it reads from float32 scores here: as near as the dense backend's.
        rounding = 2.0 * (dense.double() - exact).norm()
        assert (value.double() - exact).norm() <= max(2e-6 * exact.norm(), rounding)


@pytest.mark.parametrize("backend", [FLOAT32, BFLOAT16])
def test_a_key_that_is_no_number_gives_sums_that_are_none(backend: Triton):
    anchors, keys = _rows(20), _rows(20, seed=1)
    keys[7, 2] = torch.nan
    result, *_ = _reduced(backend, anchors, keys, LINKS["blend"], [])
    assert result.isnan().all()


def test_only_what_is_wanted_has_a_gradient():
    rows, temperature = _rows(20), torch.tensor(0.3, device=DEVICE, requires_grad=True)
    with use_backend(FLOAT32):
        for mode in (torch.no_grad, torch.inference_mode):
            with mode():
                assert engine.logsumexp_rows(Contrast(rows, rows), SoftmaxLink(temperature)).grad_fn is None
        engine.logsumexp_rows(Contrast(rows, rows), SoftmaxLink(temperature)).sum().backward()
    assert temperature.grad is not None
    given = temperature.grad.clone()
    with use_backend("dense"):
        engine.logsumexp_rows(Contrast(rows, rows), SoftmaxLink(temperature)).sum().backward()
    torch.testing.assert_close(2 * given, temperature.grad)


def test_second_derivatives_are_refused_with_the_way_out():
    rows = _rows(20).requires_grad_()
    with use_backend(FLOAT32):
        loss = engine.logsumexp_rows(Contrast(rows, rows), SoftmaxLink(0.1)).sum()
    (gradient,) = torch.autograd.grad(loss, rows, create_graph=True)
    with pytest.raises(RuntimeError, match=r'no second derivatives.*use_backend\("dense"\)'):
        gradient.square().sum().backward()


def test_what_has_no_kernel_is_computed_as_it_would_be_unasked():
    rows, values = _rows(20), torch.arange(20.0, device=DEVICE).unsqueeze(1)
    contrast, double = Contrast(rows, rows), Contrast(rows.double(), rows.double())
    threshold = torch.full((20,), 0.1, device=DEVICE)

    def answers() -> list[Tensor]:
        return [
            engine.logsumexp_rows(contrast, ArctanhLink()),
            engine.logsumexp_rows(Contrast(rows, rows, weight=Distance(values, values)), SoftmaxLink(0.1)),
            engine.logsumexp_rows(double, SoftmaxLink(0.1)),
            *vars(engine.exceedance_rows(double, threshold.double(), 1.0)).values(),
            engine.sum_rows(contrast, ArctanhLink()),
            engine.attend_rows(contrast, rows, SoftmaxLink(0.1)),
            engine.scores_at(contrast, torch.zeros(20, 2, dtype=torch.int64, device=DEVICE)),
            engine.tail_rows(contrast, 3).scores,
            engine.tail_summaries(contrast, 3, lambda scores: scores),
            engine.pooled_tail(contrast, 3),
        ]

    expected = answers()
    with use_backend(FLOAT32):
        assert all(torch.equal(*pair) for pair in zip(answers(), expected, strict=True))


def test_options_and_devices_that_cannot_be_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="products must be one of 'float32', 'bfloat16', got 'bfloat'; did you mean"):
        Triton("bfloat")
    for size, rule in ((8, "at least 16"), (48, "a power of 2")):
        with pytest.raises(ValueError, match=f"size must be .*{rule}, got {size}"):
            Triton(size=size)
    monkeypatch.setattr(triton.knobs.runtime, "interpret", False)
    rows = _rows(20).cpu()
    with (
        use_backend("triton"),
        pytest.raises(ValueError, match=r"rows on a CUDA device, got cpu; .*TRITON_INTERPRET=1"),
    ):
        engine.logsumexp_rows(Contrast(rows, rows), SoftmaxLink(0.1))
