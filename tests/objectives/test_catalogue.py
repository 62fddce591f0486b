import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anchorwise.cli.app import app
from anchorwise.objectives import OBJECTIVES
from anchorwise.objectives.catalogue import catalogue, describe, markdown

PAGE = Path(__file__).parents[2] / "docs" / "objective_list.md"


def test_the_page_in_the_docs_is_what_the_command_writes():
    assert PAGE.read_text(encoding="utf-8") == markdown(), (
        "run: anchorwise objectives --markdown > docs/objective_list.md"
    )


def test_every_objective_is_listed_with_its_source():
    entries = catalogue()
    assert [entry.name for entry in entries] == sorted(OBJECTIVES)
    for entry in entries:
        assert entry.summary.endswith((".", ":")) or "`" in entry.summary, entry.name
        assert re.search(r"\d{4}", entry.source) or entry.name == "pairwise_views", entry.name


def test_a_call_says_what_is_needed_and_what_may_be_left_out():
    assert describe("info_nce").call == "(view0, view1, [ids=], [hard_negatives=], [logit_scale=])"
    assert describe("sup_con").call == "(view0, *more_views, labels=, [mask=], [counted=], [logit_scale=])"
    assert describe("moco").call == "(view0, view1, queue=, [ids=], [queue_ids=], [logit_scale=])"


def test_the_command_lists_one_objective_and_refuses_an_unknown_one():
    result = CliRunner().invoke(app, ["objectives", "dcl"])
    assert result.exit_code == 0
    assert result.stdout.startswith("dcl  DCL(view0, view1, [ids=], [hard_negatives=], [logit_scale=])")
    assert "temperature=0.1" in result.stdout
    with pytest.raises(ValueError, match="did you mean 'dclw'"):
        CliRunner().invoke(app, ["objectives", "dclww"], catch_exceptions=False)
