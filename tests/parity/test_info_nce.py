"""Side by side with info-nce-pytorch. One-directional, mean over queries: no factor between the two."""

from anchorwise import CrossViewInfoNCE, MoCo
from tests.parity.peers import assert_same, marks, peer, rows, two_views

info_nce = peer("info_nce")
pytestmark = marks


def test_other_positives_as_negatives_is_one_directional_info_nce():
    ours = CrossViewInfoNCE(temperature=0.1, both_directions=False)
    assert_same(ours, info_nce.InfoNCE(temperature=0.1), two_views())


def test_unpaired_negatives_are_the_queue_of_moco():
    queries, keys = two_views()
    queue = rows(20, seed=3)
    # Only queries have gradients in MoCo.
    assert_same(
        lambda view: MoCo(temperature=0.1)(view, keys, queue=queue),
        lambda view: info_nce.InfoNCE(temperature=0.1)(view, keys, queue),
        [queries],
    )
