import json
import re
from dataclasses import replace
from html import escape

import numpy as np
import pytest
import torch
from rich.console import Console

from anchorwise.diagnostics.anchor_section import near_section
from anchorwise.diagnostics.diagnosis import DiagnoseConfig, diagnose
from anchorwise.diagnostics.pooled_section import pooled_section
from anchorwise.diagnostics.report import diagnosis_report
from anchorwise.diagnostics.table import diagnosis_table
from anchorwise.diagnostics.training_section import training_section
from anchorwise.embeddings import Embeddings

pytestmark = pytest.mark.whole

SECTIONS = [
    "In short",
    "Anchor by anchor",
    "Where the hardest negatives end",
    "Nearest to the ceiling",
    "What a loss would do with them",
    "How the embeddings fill their space",
    "Where they lie",
    "How it was made",
]


def views(n=800, d=3, seed=0):
    """Uniform points on a sphere and their noisy doubles: shortfalls are powers with exponent (d - 1) / 2."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, d)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows, rows + 0.05 * rng.standard_normal((n, d)).astype(np.float32)


@pytest.fixture(scope="module")
def found():
    view0, view1 = views()
    view1[3] = np.nan
    labels = np.arange(800) % 4
    return diagnose(Embeddings((view0, view1), labels=labels), DiagnoseConfig(num_anchors=400, batch_size=64))


def test_a_tail_with_a_known_exponent_is_recognised(found):
    statement = found.verdict.statements[0]
    assert statement.answer == "one that ends at 1"
    # On the sphere in 3 dimensions 1 - cosine is uniform: exponent 1 at any depth. Hill's standard error is
    # 1 / sqrt(50) for one anchor and smaller for the median; its bias is 1 / 49.
    assert np.nanmedian(found.readings.exponent) == pytest.approx(1.0, abs=0.05)
    assert np.median(found.links.exponents) == pytest.approx(1.0, abs=0.1)


def test_what_was_done_to_the_rows_is_said(found):
    assert len(found.notes) == 2
    assert "1 of 800 items was left out" in found.notes[0]
    assert "did not have length 1" in found.notes[1]


def test_draws_share_no_item(found):
    assert found.blocks.kind == "items"
    assert sum(draw.num_anchors for draw in found.draws) == 400
    items = found.tails.anchors % found.rows.num_items
    same_item = items[:, None] == items
    assert np.array_equal(found.blocks.of_anchor[:, None] == found.blocks.of_anchor, same_item)


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others():
    embeddings = Embeddings((views(400)[0],))
    first, again, other = (
        diagnose(embeddings, DiagnoseConfig(num_anchors=200, batch_size=64, seed=seed)).summary() for seed in (0, 0, 1)
    )
    assert first == again
    assert first["pooled"] != other["pooled"]


def test_classes_are_the_blocks_where_there_are_enough(found):
    labels = np.arange(800) % 120
    classes = diagnose(Embeddings((views()[0],), labels=labels), DiagnoseConfig(num_anchors=400, batch_size=64))
    assert classes.blocks.kind == "classes"


def test_two_encoders_compare_across_only():
    view0, view1 = views()
    across = diagnose(Embeddings((view0, view1), across=True), DiagnoseConfig(num_anchors=200, batch_size=64))
    assert across.links.num_negatives == 63
    assert across.space.modality_gap is not None
    assert np.all(across.tails.keys // 800 != across.tails.anchors[:, None] // 800)


def test_the_json_is_plain_and_complete(found, tmp_path):
    found.save(tmp_path / "d.json")
    summary = json.loads((tmp_path / "d.json").read_text())
    assert summary["data"]["num_dropped"] == 1
    assert len(summary["verdict"]) == len(found.verdict.statements)
    assert summary["anchors"]["exponent"][2] == pytest.approx(np.nanmedian(found.readings.exponent))
    assert summary["pooled"]["chosen"]["threshold"] == found.exceedances.threshold
    assert [path.name for path in tmp_path.iterdir()] == ["d.json"]


def test_the_report_has_every_part_explains_every_figure_and_loads_nothing(found):
    page = diagnosis_report(found, source="points.npz").html()
    assert re.findall("<h2>(.*?)</h2>", page) == SECTIONS
    assert not re.search(r"<script[^>]*src|<link|https?://", page)
    assert found.verdict.headline.split(".")[0] in page
    panels = re.findall(r'<div><img src="data:image/svg[^>]*>\s*(<p class="caption">[^<]{20,}</p>)?', page)
    explained = [panel for panel in panels if panel]
    assert len(explained) >= 13
    assert len(panels) - len(explained) <= 1  # The overview has its caption below.


@pytest.mark.usefixtures("unrendered")
def test_pictures_are_shown_where_they_are_given():
    view0, _ = views(300)
    view0[8] = view0[5]
    embeddings = Embeddings((view0,), image=lambda item: torch.full((1, 4, 4), item % 256, dtype=torch.uint8))
    found = diagnose(embeddings, DiagnoseConfig(num_anchors=300, batch_size=32))
    page = diagnosis_report(found, source="x").html()
    assert page.count("data:image/png") == 12 * 6 + 1  # And those of the map in one.
    assert "exact duplicate" in page
    assert found.answers["True negatives"] == "cannot be told without labels; some are duplicates"


def printed(found, **how):
    console = Console(width=80)
    with console.capture() as captured:
        console.print(diagnosis_table(found, **how))
    return captured.get()


def test_the_terminal_has_an_answer_a_line(found):
    lines = printed(found).splitlines()
    for line, (topic, answer) in zip(lines[-6:], found.answers.items(), strict=True):
        assert line.split(maxsplit=1)[0] == topic.split()[0]
        assert line.rstrip().endswith(answer)
    assert "1 of 800 items was left out" in lines[0]


def test_what_the_answers_rest_on_is_shown_to_those_who_ask(found):
    short, long = printed(found), printed(found, verbose=True)
    assert "Which law do" not in short
    assert long.startswith(short)
    assert "Which law do" in long


def test_a_diagnosis_is_data_a_page_and_a_notebook_cell(found, tmp_path):
    assert list(found.answers) == ["Law", "Objective", "Temperature", "End", "True negatives", "Space"]
    assert "Law: one that ends at 1" in repr(found)
    assert found.report(tmp_path / "page.html", source="<mine>") == tmp_path / "page.html"
    assert "The hardest negatives of &lt;mine&gt;" in (tmp_path / "page.html").read_text()
    cell = found._repr_html_()
    assert all(f"<b>{escape(answer)}</b>" in cell for answer in found.answers.values())


def test_a_name_from_a_strangers_file_is_no_command_to_the_terminal(found):
    strange = replace(found, notes=("Arrays not used: \x1b]0;x\x07.",))
    assert "\x1b]0" not in printed(strange)


def test_arrays_of_any_kind_are_diagnosed_in_one_call(tmp_path):
    rows, config = views(300)[0], {"num_anchors": 200, "batch_size": 32}
    expected = diagnose(Embeddings((rows,), labels=np.arange(300) % 3), config).summary()
    words = np.array(["a", "b", "c"])[np.arange(300) % 3]
    np.savez(tmp_path / "e.npz", embedding=rows, label=np.arange(300) % 3)
    tensor = torch.from_numpy(rows).requires_grad_()
    for found in (
        diagnose(tensor, config, labels=words),
        diagnose({"x": rows, "label": words.tolist()}, config),
        diagnose(str(tmp_path / "e.npz"), config),
    ):
        assert {**found.summary(), "near_cap": None} == {**expected, "near_cap": None}


def test_pairs_are_the_second_view():
    view0, view1 = views(300)
    found = diagnose(view0, {"num_anchors": 200, "batch_size": 32}, pairs=view1)
    assert found.rows.num_views == 2
    assert found.space.alignment > 0


def test_a_pair_of_items_is_shown_once(found):
    shown = [frozenset(row % 800 for row in (one.row, one.neighbors[0].row)) for one in found.near_cap]
    assert len(shown) == len(set(shown)) == 12


def test_a_picture_that_is_missing_is_named_and_the_others_are_shown():
    rows = views(300)[0]
    rows[8] = rows[5]
    names = [f"{item}.png" for item in range(300)]

    def image(item):
        return None if item == 5 else torch.zeros(1, 4, 4, dtype=torch.uint8)

    found = diagnose(Embeddings((rows,), names=names, image=image), {"num_anchors": 300, "batch_size": 32})
    section = str(near_section(found))
    assert "Missing or damaged, and left out: 5.png" in section
    assert 60 < section.count("data:image/png") < 12 * 6


def test_a_collapsed_encoder_is_inconclusive_and_no_error():
    rows = np.ones((400, 40), np.float32)
    rows[::2, ::2] = -1.0  # Two points are left.
    found = diagnose(Embeddings((rows,)), DiagnoseConfig(num_anchors=200, batch_size=32))
    assert found.verdict.statements[0].answer == "inconclusive"
    assert found.verdict.statements[-1].answer == "hardly"
    assert diagnosis_report(found, source="x").html()
    assert json.dumps(found.summary())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_anchor": 300}, "^unknown setting 'num_anchor'; here: num_anchors, .* 'num_anchors'?"),
        ({"num_anchors": 3}, "^num_anchors: Input should be greater than or equal to 200, got 3$"),
    ],
)
def test_settings_that_are_none_are_refused_in_one_line(config, message):
    with pytest.raises(ValueError, match=message):
        diagnose(views()[0], config)


def test_embeddings_that_are_all_the_same_are_refused():
    with pytest.raises(ValueError, match=r"got 59,800 negatives that equal their anchors, which are all of them"):
        diagnose(Embeddings((np.ones((300, 8), np.float32),)), DiagnoseConfig(num_anchors=200))


def test_duplicates_in_a_batch_leave_its_links_readable():
    rows = np.random.default_rng(0).standard_normal((600, 64)).astype(np.float32)
    rows[5] = rows[6]
    found = diagnose(Embeddings((rows,)), DiagnoseConfig(num_anchors=200))
    assert np.isfinite(found.links.matched_temperature).all()
    assert diagnosis_report(found, source="x").html()


def test_a_few_blocks_of_many_items_are_inconclusive():
    view = views(600)[0]
    found = diagnose(Embeddings((view,), ids=np.arange(600) % 10), DiagnoseConfig(num_anchors=400, batch_size=64))
    assert found.verdict.statements[0].answer == "inconclusive"
    assert "needs 20" in found.verdict.statements[0].text


@pytest.mark.usefixtures("unrendered")
def test_a_remark_on_the_free_law_is_no_missing_fit(found):
    remark = replace(found, laws=replace(found.laws, message="exponent below 2"))
    missing = replace(found, laws=replace(found.laws, converged=False, message="12 exceedances"))
    assert "About the free law: exponent below 2." in str(pooled_section(remark))
    assert "No law could be fitted: 12 exceedances." in str(pooled_section(missing))


def test_a_tail_longer_than_a_quarter_of_the_negatives_is_refused():
    with pytest.raises(ValueError, match=r"num_tail must be at most a quarter of the 300 rows .* got 90"):
        diagnose(Embeddings((views(300)[0],)), DiagnoseConfig(num_tail=90))


def test_the_tail_over_a_training_is_drawn_where_the_log_has_it():
    log = [{"step": step, "tail_exponent": 9.0 - step / 10, "hardest_score": step / 100} for step in range(50)]
    section = training_section({"run": log})
    assert section.title == "How the tail moved in training"
    assert [row[0] for row in section.blocks[-1].rows] == ["Hardest negative, run", "Exponent of the tail, run"]
    assert section.blocks[-1].rows[1][1:] == ["8.800", "4.300"]
    assert training_section({"run": [{"step": 0, "loss": 1.0}]}) is None
    assert training_section({"run": []}) is None


def test_a_label_may_have_a_slash():
    log = [{"step": step, "hardest_score": 0.5} for step in range(5)]
    section = training_section({"SimCLR w/ DCL/1": log}, {"SimCLR w/ DCL": "#000000"})
    assert section.blocks[2].rows[0][0] == "Hardest negative, SimCLR w/ DCL, seed 1"
