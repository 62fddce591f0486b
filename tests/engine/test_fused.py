"""The compiled kernels give what torch's operations give, and are never needed."""

import shutil

import pytest
import torch
from torch import Tensor

from anchorwise import WEINCE, _files, engine
from anchorwise.engine import Tiled, use_backend
from anchorwise.engine.tiled import backend as backend_module
from anchorwise.engine.tiled.fused import FusedLogShortfallSum, compiled, kernels, kernels_for
from anchorwise.links import BlendLink, Link, ShortfallLink, SoftmaxLink
from anchorwise.links.base import LogShortfall
from anchorwise.pairs import Contrast, SameId, unit_rows

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
# One tile, and several of no round number of rows.
SIZES = (60, 17)


def _rows(num_rows: int, seed: int = 0) -> Tensor:
    return unit_rows(torch.randn(num_rows, 12, generator=torch.Generator().manual_seed(seed)))


def _contrasts() -> dict[str, Contrast]:
    rows, others = _rows(60), _rows(45, seed=1)
    rows[3] = rows[31]  # A pair at the endpoint.
    ids, other_ids = torch.arange(60) % 20, torch.arange(45) % 20
    return {
        "every pair": Contrast(rows, rows),
        "other samples": Contrast(rows, rows, [SameId(ids, ids)]),
        "one way": Contrast(rows, rows, [SameId(ids, ids.roll(7))]),
        "lonely": Contrast(rows, rows, [SameId(ids.clamp_max(1), ids.roll(1).clamp_max(1))]),
        "nobody": Contrast(rows, rows, [SameId(torch.zeros_like(ids), torch.zeros_like(ids))]),
        "two-sided": Contrast(rows, others, [SameId(ids, other_ids)]),
    }


CONTRASTS = _contrasts()
OWN = torch.linspace(0.0, 1.0, 60)
LINKS: dict[str, Link] = {
    "softmax": SoftmaxLink(0.1),
    "cold": SoftmaxLink(0.005),
    "own": SoftmaxLink(0.1 + OWN),
    "shortfall": ShortfallLink(20 * OWN),
    "blend": BlendLink(OWN, 0.07, 9 * OWN + 1),
    "endpoint": BlendLink(OWN, 0.2, 4 * OWN, 0.8),
}


def _in_double(contrast: Contrast, link: Link) -> tuple[Contrast, Link]:
    anchors = contrast.anchors.double()
    keys = anchors if contrast.is_symmetric else contrast.keys.double()
    return Contrast(anchors, keys, contrast.exclude), link.with_parameters(Tensor.double)


def _sums_and_gradients(contrast: Contrast, link: Link) -> list[Tensor]:
    anchors = contrast.anchors.clone().requires_grad_()
    keys = anchors if contrast.is_symmetric else contrast.keys.clone().requires_grad_()
    sums = engine.logsumexp_rows(Contrast(anchors, keys, contrast.exclude), link)
    weighted = torch.linspace(-1, 2, len(sums), dtype=sums.dtype) * sums.masked_fill(sums == -torch.inf, 0.0)
    return [sums.detach(), *torch.autograd.grad(weighted.sum(), [anchors, *([] if keys is anchors else [keys])])]


@needs_compiler
def test_there_are_kernels_for_float32_on_a_cpu():
    assert kernels() is not None
    assert kernels_for(torch.zeros(2, 2)) is kernels()
    assert kernels_for(torch.zeros(2, 2, dtype=torch.float64)) is None
    assert kernels_for(torch.zeros(2, 2, device="meta")) is None


@pytest.mark.whole
@needs_compiler
@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
@pytest.mark.parametrize("contrast", CONTRASTS.values(), ids=CONTRASTS)
def test_sums_and_gradients_are_as_near_the_exact_ones_as_those_of_torch(contrast: Contrast, link: Link, monkeypatch):
    with use_backend("dense"):
        exact = _sums_and_gradients(*_in_double(contrast, link))
    for size in SIZES:
        with use_backend(Tiled(size=size)):
            fused = _sums_and_gradients(contrast, link)
            with monkeypatch.context() as patch:
                patch.setattr(backend_module, "kernels_for", lambda rows: None)
                of_torch = _sums_and_gradients(contrast, link)
        for value, other, truth in zip(fused, of_torch, exact, strict=True):
            counted = truth.isfinite()
            assert torch.equal(value.isfinite(), counted)
            error, others = ((part.double() - truth)[counted].norm() for part in (value, other))
            # Near the endpoint 1 - s magnifies the rounding of a cosine, which is the same for both.
            assert error <= max(2e-6 * truth[counted].norm(), 1.5 * others)


@needs_compiler
@pytest.mark.parametrize("contrast", CONTRASTS.values(), ids=CONTRASTS)
@pytest.mark.parametrize("endpoint", [1.0, 0.9])
def test_exceedances_are_those_of_torch(contrast: Contrast, endpoint: float):
    threshold = torch.linspace(-0.2, 0.85, 60)
    with use_backend("dense"):
        exact = engine.exceedance_rows(_in_double(contrast, SoftmaxLink(1.0))[0], threshold.double(), endpoint)
    for size in SIZES:
        with use_backend(Tiled(size=size)):
            sums = engine.exceedance_rows(contrast, threshold, endpoint)
        assert torch.equal(sums.count.double(), exact.count)
        for value, truth in zip(vars(sums).values(), vars(exact).values(), strict=True):
            torch.testing.assert_close(value.double(), truth, rtol=2e-6, atol=5e-6)


@needs_compiler
def test_a_row_that_is_not_a_number_makes_the_sums_of_all_rows_that_meet_it_the_same():
    rows = _rows(60)
    rows[5] = torch.nan
    ids = torch.arange(60) % 30
    for link in (SoftmaxLink(0.1), BlendLink(OWN, 0.1, 9 * OWN)):
        with use_backend(Tiled(size=20)):
            sums = engine.logsumexp_rows(Contrast(rows, rows, [SameId(ids, ids)]), link)
        assert torch.equal(sums.isnan(), torch.arange(60) != 35)  # 35 is of the same sample, so it does not meet it.


def test_links_that_do_not_rise_with_scores_are_left_to_torch():
    assert FusedLogShortfallSum.serves(LogShortfall(OWN, 2.0))
    assert not FusedLogShortfallSum.serves(LogShortfall(-0.1))
    assert not FusedLogShortfallSum.serves(LogShortfall(1.0, OWN - 0.5))
    assert not FusedLogShortfallSum.serves(LogShortfall(OWN / 0.0 * 0.0))


def _loss_and_gradient() -> list[Tensor]:
    views = [_rows(80, seed).requires_grad_() for seed in (2, 3)]
    with use_backend(Tiled(size=33)):
        loss = WEINCE()(*views)
    return [loss.detach(), *torch.autograd.grad(loss, views)]


@pytest.mark.parametrize("compiler", ["", "no-such-compiler", "false", "cc 'unfinished"])
def test_without_a_compiler_the_loss_is_the_same(compiler: str, monkeypatch, tmp_path):
    expected = _loss_and_gradient()
    monkeypatch.setenv("CC", compiler)
    monkeypatch.setenv("ANCHORWISE_CACHE", str(tmp_path))
    assert kernels() is None
    torch.testing.assert_close(_loss_and_gradient(), expected, rtol=1e-5, atol=1e-6)
    assert not [*tmp_path.rglob("*.so")]


@needs_compiler
def test_kernels_are_compiled_once_and_not_loaded_from_a_file_that_others_may_write(monkeypatch, tmp_path):
    monkeypatch.setenv("ANCHORWISE_CACHE", str(tmp_path))
    path = compiled._compiled("cc")
    made = path.stat().st_mtime_ns
    assert path.parent == tmp_path / "kernels"
    assert compiled._compiled("cc").stat().st_mtime_ns == made
    path.chmod(0o777)
    with pytest.raises(PermissionError, match="not this user's own"):
        compiled._compiled("cc")


@needs_compiler
def test_a_home_that_cannot_be_written_does_without_kernels(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ANCHORWISE_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        compiled._compiled("cc")
    assert _files.cache_dir() == tmp_path / "file"
