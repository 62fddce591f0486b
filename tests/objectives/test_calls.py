"""How objectives are called: numbers of views, what overflows in the sources, and what is refused."""

import numpy as np
import pytest
import torch

from anchorwise import (
    CLIP,
    DCL,
    DHEL,
    DINO,
    HCL,
    KCL,
    MEOW,
    MVDHEL,
    NSPT,
    AveragedViews,
    CrossViewInfoNCE,
    FastCLIP,
    GISTEmbed,
    InfoNCE,
    ISogCLR,
    KoLeo,
    Mixture,
    MoCo,
    MoCoV3,
    MVInfoNCE,
    PairwiseViews,
    PixelConsistency,
    PixelContrast,
    PointwiseRanking,
    PolyView,
    ProtoNCE,
    SepCLR,
    SigLIP,
    SoftTargets,
    SogCLR,
    SupCon,
    SupReMix,
    SwAV,
    Triplet,
    Weibit,
    _tensor_checks,
)
from anchorwise.objectives.parts.per_sample import table_ids
from tests.contracts import batches

VIEWS = batches.ordinary()


@pytest.mark.parametrize("num_views", [2, 3, 5, 8])
@pytest.mark.parametrize("make", [MVInfoNCE, MVDHEL, PolyView, AveragedViews])
def test_many_collapsed_views_at_a_low_temperature_stay_finite(make, num_views: int):
    # The released product of sums is infinite in float32 from six views on at temperature 0.1.
    views = [torch.ones(64, 4, requires_grad=True) for _ in range(num_views)]
    loss = make(temperature=0.005)(*views)
    loss.backward()
    assert loss.isfinite()
    assert all(view.grad is not None and view.grad.isfinite().all() for view in views)


def test_sinkhorn_stays_finite_where_exponentials_overflow():
    view0, view1 = (view.float() for view in VIEWS)
    assert SwAV(epsilon=1e-3)(view0, view1, prototypes=torch.eye(6)).isfinite()


def test_a_mixture_passes_on_what_each_part_takes():
    mixture = Mixture(objectives=(InfoNCE(), SupCon(temperature=0.5), CLIP()), weights=(1.0, 1.0, 1.0))
    labels, scale = torch.arange(24) % 5, torch.tensor(3.0)
    given = {"logit_scale": scale}
    parts = InfoNCE()(*VIEWS, **given), SupCon()(*VIEWS, labels=labels, **given), CLIP()(*VIEWS, **given)
    expected = parts[0] + parts[1] + parts[2]
    torch.testing.assert_close(mixture(*VIEWS, labels=labels, **given), expected)
    assert (mixture.inputs.needs, mixture.inputs.takes) == (
        ("labels",),
        ("ids", "hard_negatives", "logit_scale", "mask", "counted", "log_weights"),
    )
    assert mixture.inputs.max_views == 2


def test_a_mixture_takes_objectives_with_different_numbers_of_anchors():
    outcome = Mixture(objectives=(InfoNCE(), SigLIP(), KoLeo()), weights=(1.0, 0.5, 0.1)).detail(*VIEWS)
    expected = InfoNCE()(*VIEWS) + 0.5 * SigLIP()(*VIEWS) + 0.1 * KoLeo()(*VIEWS)
    torch.testing.assert_close(outcome.loss, expected)
    torch.testing.assert_close(outcome.per_anchor.mean(), expected)


@pytest.mark.parametrize(
    ("objective", "name", "given"),
    [
        (MoCoV3(), "keys", {}),
        (GISTEmbed(), "guides", {}),
        (NSPT(), "teachers", {"labels": torch.arange(24) % 5}),
        (SepCLR(), "salients", {"targets": torch.arange(24) % 2}),
    ],
)
def test_what_has_a_tensor_for_each_view_has_two_for_a_pair_of_them(objective, name, given):
    views = [*VIEWS, VIEWS[0] - 0.5 * VIEWS[1]]
    rows = [view.roll(1, dims=1) for view in views]
    expected = [
        objective(views[i], views[j], **{name: (rows[i], rows[j])}, **given) for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    paired = PairwiseViews(objective=objective)
    torch.testing.assert_close(paired(*views, **{name: rows}, **given), torch.stack(expected).mean())
    with pytest.raises(ValueError, match=rf"{name} must have one tensor for each of the 3 views, got 2"):
        paired(*views, **{name: rows[:2]}, **given)


@pytest.mark.parametrize("value", [torch.inf, -torch.inf])
def test_what_would_be_endlessly_right_is_no_finite_loss(value: float):
    rows = VIEWS[0].clone()
    rows[0, 0] = value
    sign = 1.0 if value > 0 else -1.0
    assert not PointwiseRanking()(sign * VIEWS[0].where(rows.isfinite(), rows), no_scores=VIEWS[1]).isfinite()
    assert not Triplet(normalise=False)(*VIEWS, rows).isfinite()


def test_a_guide_that_is_not_finite_gives_no_finite_loss():
    guide = VIEWS[1].clone()
    guide[3, 1] = torch.nan
    assert not any(GISTEmbed()(*VIEWS, guides=guides).isfinite() for guides in ((guide, VIEWS[0]), (VIEWS[0], guide)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_a_guide_finds_as_alike_as_the_pair_to_rounding_is_no_negative(dtype: torch.dtype):
    twice = torch.arange(24) // 2  # Two questions with the same answer each.
    guides = VIEWS[0].to(dtype), VIEWS[1].to(dtype)[twice]
    expected = GISTEmbed(same_view=False)(*VIEWS, guides=guides, ids=twice)
    assert torch.equal(GISTEmbed(same_view=False)(*VIEWS, guides=guides), expected)


def test_a_pixel_of_no_class_has_no_empty_slot_for_a_positive():
    labels, held = torch.tensor([0, -1, 1]), torch.tensor([0, 1, -1, 0, -1])
    queue = VIEWS[1][:5] * (held >= 0).unsqueeze(1)
    outcome = PixelContrast().detail(VIEWS[0][:3], labels=labels, queue=queue, queue_labels=held)
    assert outcome.stats["num_positives"].tolist() == [2, 0, 1]
    assert outcome.per_anchor.sign().tolist() == [1, 0, 1]


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_what_an_empty_slot_holds_reaches_no_gradient(value: float):
    held, queue = torch.tensor([0, 1, -1, 0, -1]), VIEWS[1][:5].clone()
    queue[held == -1] = value
    queued = {
        MoCo(): {"queue_ids": held},
        CrossViewInfoNCE(): {"queue_ids": held},
        PixelContrast(): {"labels": CLASSES, "queue_labels": held},
    }
    for objective, given in queued.items():
        view0, view1 = (view.clone().requires_grad_() for view in VIEWS)
        views = (view0,) if objective.inputs.max_views == 1 else (view0, view1)
        loss = objective(*views, queue=queue, **given)
        assert loss == objective(*views, queue=queue.nan_to_num(0.0, 0.0, 0.0), **given)
        loss.backward()
        assert view0.grad is not None
        assert view0.grad.isfinite().all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_places_scores_and_centres_that_are_not_finite_give_no_finite_loss(value: float):
    places = torch.rand(24, 6)
    broken = places.clone()
    broken[3, 1] = value
    for where in ((broken, places), (places, broken)):
        assert not PixelConsistency()(*VIEWS, keys=VIEWS, places=where).isfinite()
    scores, centre = VIEWS[1].clone(), torch.zeros(6)
    scores[3, 1], centre[1] = value, value
    assert not DINO()(*VIEWS, keys=(VIEWS[0], scores), centre=torch.zeros(6)).isfinite()
    assert not DINO()(*VIEWS, keys=VIEWS, centre=centre).isfinite()


def test_pairs_of_views_pass_labels_on():
    labels = torch.arange(24) % 5
    paired = PairwiseViews(objective=SupCon())(*VIEWS, labels=labels)
    torch.testing.assert_close(paired, SupCon()(*VIEWS, labels=labels))


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SupCon()(*VIEWS), r"SupCon needs labels: the class of every sample, shape \(samples,\); .*labels="),
        (lambda: MoCo()(*VIEWS), "MoCo needs queue: the keys of earlier batches"),
        (
            lambda: CrossViewInfoNCE()(*VIEWS, negatives=VIEWS[0], negative_ids=torch.arange(24)),
            "negative_ids need ids beside them",
        ),
        (lambda: MoCo()(*VIEWS, queue=VIEWS[0], ids=torch.arange(24)), "ids need queue_ids beside them"),
        (
            lambda: Mixture()(*VIEWS, labels=torch.arange(24)),
            "argument of a mixture must be one of 'ids', 'hard_negatives', 'logit_scale', got 'labels'",
        ),
        (lambda: MoCoV3()(*VIEWS), r"MoCoV3 needs keys: .*keys=\(key0, key1\)"),
        (lambda: SogCLR(num_samples=24)(*VIEWS), "SogCLR needs ids: the samples' numbers in the data set"),
        (lambda: SwAV()(*VIEWS), "SwAV needs prototypes"),
        (lambda: MVDHEL()(VIEWS[0]), r"MVDHEL needs at least 2 views, got 1: objective\(view0, view1, ...\)"),
        (
            lambda: DCL()(VIEWS[0][:1], VIEWS[1][:1]),
            "DCL needs at least 2 samples, got 1: its denominator has negatives",
        ),
        (lambda: CLIP()(*VIEWS, logit_scale=torch.ones(2)), "logit_scale must be one real number or a tensor of one"),
        (lambda: SoftTargets()(*VIEWS, keys=VIEWS, alpha_factor=5.0), r"alpha_factor must lie in \[0, 1\], got 5"),
        (lambda: KCL(kernel="gausian"), "kernel must be one of .*; did you mean 'gaussian'"),
        (lambda: KCL(kernel="riesz", t=0.0), "t must not be 0 for a riesz kernel"),
        (lambda: KCL(kernel="imq", t=-1.0), "t must be above 0"),
        (lambda: HCL(positive_prior=1.0), r"positive_prior must lie in \[0, 1\), got 1.0"),
        (lambda: SogCLR(num_samples=3, gamma=0.0), r"gamma must lie in \(0, 1\]"),
        (lambda: ISogCLR(num_samples=3, temperature=1.0), r"temperature must lie in temperature_range \(0.05, 0.7\)"),
        (lambda: DHEL(uniformity_weight=0.0), "uniformity_weight must be above 0"),
        (
            lambda: SupReMix()(*VIEWS, labels=torch.arange(24)),
            r"SupReMix needs generator: .*generator=torch.Generator\(.*SupReMix\(mixing=0.2\)",
        ),
        (lambda: SupReMix(mixing=(1.0,)), "mixing must be one share or the two parameters"),
        (lambda: SupReMix(mixing=1.5), r"mixing must lie in \[0, 1\], got 1.5"),
        (
            lambda: SwAV()(*VIEWS, prototypes=VIEWS[0], queues=VIEWS[:1]),
            r"queues must have one tensor for each of the 2 assigned views, got 1; pass queues=\(queues0, queues1\)",
        ),
        (
            lambda: SepCLR()(*VIEWS, salients=VIEWS[:1], targets=torch.arange(24)),
            "salients must have one tensor for each of the 2 views, got 1",
        ),
    ],
)
def test_what_cannot_be_computed_is_refused_with_the_way_out(call, message: str):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("check", "error", "message"),
    [
        (
            lambda: _tensor_checks.one_per_sample("labels", torch.ones(24), VIEWS[0]),
            TypeError,
            r"labels must be whole numbers, got torch.float32; .*labels.long\(\)",
        ),
        (
            lambda: _tensor_checks.one_per_sample("labels", torch.arange(3), VIEWS[0]),
            ValueError,
            r"labels must have one number for each of the 24 samples, shape \(24,\), got \(3,\)",
        ),
        (
            lambda: _tensor_checks.real_per_sample("labels", torch.ones(24, dtype=torch.complex64), VIEWS[0]),
            TypeError,
            "labels must be real numbers, got torch.complex64",
        ),
        (
            lambda: _tensor_checks.alike("view0", VIEWS[0], "negatives", torch.ones(5, 3).double()),
            ValueError,
            "view0 and negatives must have the same width",
        ),
    ],
)
def test_what_does_not_fit_the_views_is_refused(check, error, message: str):
    # Called below the shape checks that only the test run installs.
    with pytest.raises(error, match=message):
        check()


CLASSES = torch.arange(24) % 2


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: SogCLR(num_samples=24)(*VIEWS, ids=CLASSES.bool()), TypeError, r"ids .* mask .*ids.nonzero\(\)"),
        (
            lambda: MoCo()(*VIEWS, queue=VIEWS[0], queue_ids=CLASSES.bool()),
            TypeError,
            "queue_ids must be whole numbers, got a mask",
        ),
        (
            lambda: SogCLR(num_samples=24)(*VIEWS, ids=torch.arange(24).sub(1)),
            ValueError,
            "ids must lie from 0 to num_samples - 1, 23, got -1 to 22; number the samples",
        ),
        (
            lambda: ProtoNCE()(VIEWS[0], prototypes=VIEWS[1], assignments=CLASSES - 1, concentrations=torch.ones(24)),
            ValueError,
            "assignments must lie from 0 to the last prototype, 23, got -1 to 0; leave out samples that are in no",
        ),
        (
            lambda: ProtoNCE()(VIEWS[0], prototypes=VIEWS[1], assignments=CLASSES, concentrations=-torch.ones(24)),
            ValueError,
            "concentrations must be finite and above 0, since they are temperatures, got -1",
        ),
        (
            lambda: ProtoNCE()(VIEWS[0], prototypes=VIEWS[1], assignments=CLASSES, concentrations=1 / torch.arange(24)),
            ValueError,
            "concentrations must be finite and above 0, since they are temperatures, got inf; .* none the largest",
        ),
        (
            lambda: SogCLR(num_samples=24)(*VIEWS, ids=torch.arange(24).long().neg().sub(1).view(torch.uint64)),
            ValueError,
            r"ids must be below 2\*\*63, got larger ones in torch.uint64; .*return_inverse=True",
        ),
        (
            lambda: SogCLR(num_samples=24).to("meta")(*VIEWS, ids=torch.arange(24)),
            ValueError,
            r"ids and the tables of SogCLR must be on one device, got cpu and meta; .*objective.to\(ids.device\)",
        ),
        (
            lambda: SupReMix()(*VIEWS, labels=CLASSES, generator=7),
            TypeError,
            r"generator must be a torch.Generator, got int; .*torch.Generator\(view0.device\)",
        ),
        (
            lambda: InfoNCE()(VIEWS[0].to_sparse(), VIEWS[1]),
            TypeError,
            r"view0 must be a dense tensor, got torch.sparse_coo; convert it with view0.to_dense\(\)",
        ),
        (
            lambda: GISTEmbed()(*VIEWS, guides=(VIEWS[0][:, :0], VIEWS[1][:, :0])),
            ValueError,
            r"guides\[0\] must have at least one column, got \(24, 0\)",
        ),
        (
            lambda: SwAV()(*VIEWS, prototypes=VIEWS[0][:0]),
            ValueError,
            r"prototypes must have at least one row, got \(0, 6\)",
        ),
        (
            lambda: InfoNCE()(*VIEWS, labels=CLASSES),
            TypeError,
            "InfoNCE takes no argument 'labels' beside its views; here: ids, hard_negatives, logit_scale",
        ),
        (
            lambda: PairwiseViews(objective=Triplet()),
            ValueError,
            "objective must take two views, got Triplet, which takes 3: call it for",
        ),
        (
            lambda: MoCo(blend="published"),
            TypeError,
            r"blend must be an anchorwise.Blend or None, got 'published'; call Blend\(gate='likelihood'\)",
        ),
        (
            lambda: PairwiseViews(objective="info_nce"),
            TypeError,
            "objective must be an anchorwise.Objective, got str",
        ),
        (
            lambda: Mixture(objectives=[InfoNCE], weights=[1.0]),
            TypeError,
            r"objectives must be an anchorwise.Objective, got a class; call it: InfoNCE\(\)",
        ),
        (lambda: CLIP()(*VIEWS, logit_scale=float("nan")), ValueError, "logit_scale must be a finite number, got nan"),
    ],
)
def test_what_is_no_id_and_no_number_of_a_table_is_refused_in_words(call, error, message: str):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.usefixtures("as_users_call")
def test_booleans_are_two_classes():
    expected = SupCon()(*VIEWS, labels=CLASSES)
    assert SupCon()(*VIEWS, labels=CLASSES.bool()) == expected
    assert MEOW()(*VIEWS, clusters=CLASSES.bool().unsqueeze(1)) == MEOW()(*VIEWS, clusters=CLASSES.unsqueeze(1))


@pytest.mark.usefixtures("as_users_call")
def test_hashes_of_64_bits_are_classes_like_any_others():
    names = torch.tensor([2**63 - 1, -1, -(2**63), 0])[torch.arange(24) % 4]
    expected = SupCon()(*VIEWS, labels=torch.arange(24) % 4)
    torch.testing.assert_close(SupCon()(*VIEWS, labels=names.view(torch.uint64)), expected)


def test_in_a_compiled_graph_a_negative_id_is_out_of_range_and_no_place_counted_from_the_end(monkeypatch):
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert table_ids(SogCLR(num_samples=9), torch.tensor([-1, 8, 9]), 9).tolist() == [9, 8, 9]


def test_labels_that_float32_cannot_tell_apart_keep_their_gaps():
    seconds = torch.arange(24) % 5
    loss = SupReMix(mixing=0.2)(*(view.float() for view in VIEWS), labels=1_700_000_000 + seconds)
    assert loss == SupReMix(mixing=0.2)(*(view.float() for view in VIEWS), labels=seconds)


@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize("number", [float, np.float32, torch.tensor, lambda value: torch.tensor([value]).double()])
def test_a_scale_and_a_bias_of_the_call_may_be_plain_numbers(number):
    views, ids = [view.float() for view in VIEWS], torch.arange(24)
    assert CLIP()(*views, logit_scale=number(4.0)) == CLIP(temperature=0.25)(*views)
    assert SigLIP()(*views, logit_scale=number(4.0), logit_bias=number(-2.0)) == SigLIP(scale=4.0, bias=-2.0)(*views)
    for make in (SogCLR, FastCLIP):
        called = make(num_samples=24)(*views, ids=ids, logit_scale=number(4.0))
        assert called == make(num_samples=24, temperature=0.25)(*views, ids=ids)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SogCLR(num_images=9), "SogCLR has no argument num_images: pass num_samples"),
        (lambda: FastCLIP(num_images=9), "FastCLIP has no argument num_images: pass num_samples"),
        (
            lambda: SogCLR(num_samples=9)(*VIEWS, ids=torch.arange(24), temperature=0.1),
            "SogCLR has no argument temperature: pass logit_scale=1 / temperature",
        ),
        (lambda: CLIP().detail(*VIEWS, temperature=0.1), "CLIP has no argument temperature: pass logit_scale"),
        (lambda: MoCo()(*VIEWS, negatives=VIEWS[0]), "MoCo has no argument negatives: pass queue"),
        # What was never one of its arguments is not said to have another name.
        (lambda: Weibit(temperature=0.1), "unexpected keyword argument 'temperature'"),
    ],
)
def test_an_argument_of_an_earlier_version_is_refused_by_its_new_name(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_a_mixture_of_nothing_is_refused():
    with pytest.raises(ValueError, match="objectives must be at least one, got none"):
        Mixture(objectives=[])
