import csv
import re
from dataclasses import replace

import pytest
import torch
import typer
from typer.testing import CliRunner

from anchorwise.cli.demo import demo
from anchorwise.cli.diagnose import diagnose
from anchorwise.cli.embed import embed
from anchorwise.cli.evaluate import evaluate
from anchorwise.comparison import Workplace, study_recipe
from anchorwise.comparison import tail_section as tail_module
from anchorwise.comparison.tail_section import tail_section
from anchorwise.diagnostics.exceedances import pooled_exceedances
from anchorwise.diagnostics.laws import fit_laws
from anchorwise.evaluation.results import Evaluation
from anchorwise.reporting.figures import BLUE
from anchorwise.reporting.report import Report

app = typer.Typer()
for command in (demo, embed, evaluate, diagnose):
    app.command()(command)
SECTIONS = (
    *("What this is", "Verdicts", "What is compared", "digits", "What needs no training", "What the encoder sees"),
    *("Where the hardest negatives end", "Nearest neighbours", "Where they lie", "How the tail moved in training"),
    *("Over training", "Cost", "How it was made"),
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A demo of one epoch and one seed: the whole way, with encoders that have learnt little."""
    out = tmp_path_factory.mktemp("demo")
    result = CliRunner().invoke(app, ["demo", "--out", str(out), "--seeds", "1", "--epochs", "1"])
    assert result.exit_code == 0, result.output
    assert (out / "report.html").resolve().as_uri() in result.output
    return out, (out / "report.html").read_text(encoding="utf-8")


def _weibit(out):
    """The run directory of Weibit."""
    return next(path.parent for path in out.glob("runs/*/config.json") if '"weibit"' in path.read_text())


@pytest.mark.whole
def test_the_report_has_every_part_and_loads_nothing(tiny):
    _, page = tiny
    assert [re.sub("<.*?>", "", title) for title in re.findall("<h2>.*?</h2>", page)] == list(SECTIONS)
    for name in ("pixels", "untrained", "InfoNCE at 0.05", "InfoNCE at 0.2", "InfoNCE at 1", "Weibit"):
        assert f">{name}<" in page
    assert not re.search(r"<script[^>]*src|<link|https?://", page)
    assert page.count("data:image/svg+xml") >= 11


@pytest.mark.whole
def test_one_seed_makes_no_claim_of_an_interval(tiny):
    assert "undecided: one seed has no interval" in tiny[1]


def test_a_folder_that_is_not_a_demos_is_refused_before_anything_is_trained(tmp_path):
    (tmp_path / "report.html").write_text("my own")
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path)])
    assert "holds files that `anchorwise compare` did not write" in str(result.exception)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_objectives_differ_in_the_objective_alone_and_the_first_seed_of_each_is_kept(tmp_path):
    study = study_recipe("demo")
    first, *others = Workplace(study, tmp_path).progress({})
    for other in others:
        for ours, theirs in zip(first.finals, other.finals, strict=True):
            assert ours.config.model_copy(update={"objective": theirs.config.objective}) == theirs.config
            assert ours.keeps_checkpoint == theirs.keeps_checkpoint == (ours.seed == study.seeds[0])


@pytest.mark.whole
def test_what_is_known_of_intervals_is_not_said_where_none_is_shown(monkeypatch):
    found = pooled_exceedances(torch.randn(120, 6, generator=torch.Generator().manual_seed(0)), quantile=0.95)
    fit = replace(fit_laws(found), message="intervals are not calibrated")
    monkeypatch.setattr(tail_module, "fit_laws", lambda _: fit)
    assert "calibrated" not in Report("t", "s", [tail_section({"WEINCE": found}, {"WEINCE": BLUE})]).html()


@pytest.mark.whole
def test_a_run_is_embedded_and_judged_from_the_command_line(tiny, tmp_path):
    run, runner = str(_weibit(tiny[0])), CliRunner()
    names = ("split_seeds=[0, 1]", "penalties=[0.1]")
    settings = [word for name in names for word in ("--set", f"judges.classification.{name}")] + ["--device", "cpu"]
    judged = runner.invoke(app, ["evaluate", run, "--out", str(tmp_path / "a.json"), *settings])
    assert judged.exit_code == 0, judged.output
    embedded = runner.invoke(app, ["embed", run, "--out", str(tmp_path / "features"), "--device", "cpu"])
    assert embedded.exit_code == 0, embedded.output
    files = [str(tmp_path / "features" / "train.npz"), str(tmp_path / "features" / "test.npz")]
    again = runner.invoke(app, ["evaluate", *files, "--out", str(tmp_path / "b.json"), *settings])
    assert again.exit_code == 0, again.output
    first, second = (Evaluation.load(tmp_path / name) for name in ("a.json", "b.json"))
    assert "test samples" in first.notes[0]  # Of rows alone nobody knows whether they stand on both sides.
    assert first.judged_on is not None
    assert second.judged_on is None  # Nor whose rows they are.
    assert first.model_copy(update={"notes": (), "judged_on": None}) == second


@pytest.mark.whole
@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("file", ["", "checkpoint.safetensors"])
def test_a_run_is_diagnosed_by_its_folder_or_its_checkpoint(tiny, tmp_path, file):
    arguments = ["--out", str(tmp_path), "--device", "cpu", "--set", "num_anchors=300", "--set", "batch_size=64"]
    result = CliRunner().invoke(app, ["diagnose", str(_weibit(tiny[0]) / file), *arguments])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "How the tail moved in training" in page
    # Anchors near the ceiling and their hardest negatives, and the pictures of the map in one.
    assert page.count("data:image/png") == 12 * 6 + 1
    assert "2,694, 2 views of width" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "a.npz", "b.npz", "--set", "judges.classification.split_seed=[0]"], "did you mean 'split_seeds'"),
        (["embed", "nowhere", "--out", "x", "--format", "csv"], "--format must be one of 'npz', 'safetensors'"),
    ],
)
def test_wrong_commands_say_what_is_accepted(arguments, message):
    result = CliRunner().invoke(app, arguments)
    assert message in str(result.exception)
    assert isinstance(result.exception, ValueError | OSError)


@pytest.mark.slow
def test_the_whole_demo_learns_more_than_the_untrained_encoder(tmp_path):
    result = CliRunner().invoke(app, ["demo", "--out", str(tmp_path), "--seeds", "1"])
    assert result.exit_code == 0, result.output
    with (tmp_path / "numbers.csv").open() as file:
        trained = [
            float(row["value"]) for row in csv.DictReader(file) if row["metric"] == "knn" and row["part"] == "test"
        ]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    untrained = re.search(r">untrained</th>(.*?)</tr>", page, re.DOTALL).group(1)
    assert 100 * min(trained) > float(re.findall(r"<td>([\d.]+)</td>", untrained)[1]) + 5
