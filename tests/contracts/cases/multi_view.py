"""Two and more views."""

from functools import partial

from anchorwise import CLIP, DCL, MVDHEL, AveragedViews, InfoNCE, MVInfoNCE, Nested, PairwiseViews, PolyView
from tests.contracts.cases.case import Case, three_views
from tests.contracts.cases.two_view import BLEND
from tests.twins import multi_view
from tests.twins.two_view import cross_view, mixed, scaled

CASES = [
    Case(
        "mv_info_nce",
        MVInfoNCE,
        partial(multi_view.mv_info_nce, logit=scaled(0.5)),
        others={"temperature": 0.2, "within_view": False, **BLEND},
        call=three_views,
    ),
    Case(
        "mv_info_nce-other_views",
        MVInfoNCE,
        partial(multi_view.mv_info_nce, logit=mixed(0.5, 0.1, 3.0), within_view=False),
        given={"temperature": 0.1, "within_view": False, **BLEND},
    ),
    Case(
        "mv_dhel",
        MVDHEL,
        partial(multi_view.mv_dhel, logit=scaled(0.5)),
        others={"temperature": 0.2, **BLEND},
        call=three_views,
        single_sample="refused",
    ),
    Case(
        "mv_dhel-blend",
        MVDHEL,
        partial(multi_view.mv_dhel, logit=mixed(0.5, 0.005, 3.0)),
        given={"temperature": 0.005, **BLEND},
        single_sample="refused",
    ),
    Case(
        "poly_view",
        PolyView,
        partial(multi_view.poly_view, logit=scaled(0.5), mean="geometric"),
        others={"temperature": 0.2, "mean": "arithmetic", **BLEND},
        call=three_views,
    ),
    Case(
        "poly_view-arithmetic",
        PolyView,
        partial(multi_view.poly_view, logit=scaled(0.05), mean="arithmetic"),
        given={"temperature": 0.05, "mean": "arithmetic"},
        call=three_views,
    ),
    Case(
        "pairwise_views",
        PairwiseViews,
        partial(multi_view.pairwise, temperature=0.2),
        given={"objective": InfoNCE(temperature=0.2)},
        others={"objective": DCL()},
        call=three_views,
    ),
    Case(
        "nested",
        Nested,
        partial(multi_view.nested, twin=partial(cross_view, logit=scaled(0.1)), widths=(4, 2), weights=(1.0, 0.5)),
        given={"objective": CLIP(temperature=0.1), "widths": (4, 2), "weights": (1.0, 0.5)},
        others={"objective": CLIP(label_smoothing=0.1), "widths": (3, 2), "weights": (1.0, 2.0)},
        cold={"objective": CLIP(temperature=0.005)},
    ),
    Case(
        "averaged_views",
        AveragedViews,
        partial(multi_view.averaged, logit=scaled(0.5), normalise=False),
        others={"temperature": 0.2, "normalise": True, **BLEND},
        call=three_views,
    ),
    Case(
        "averaged_views-normalised",
        AveragedViews,
        partial(multi_view.averaged, logit=scaled(0.2), normalise=True),
        given={"temperature": 0.2, "normalise": True},
        call=three_views,
    ),
]
