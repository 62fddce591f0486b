import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from anchorwise.cli.demo import demo
from anchorwise.cli.diagnose import diagnose
from anchorwise.cli.embed import embed
from anchorwise.cli.evaluate import evaluate
from anchorwise.demo import run_demo
from anchorwise.demo.contenders import Contender
from anchorwise.demo.result_section import result_sentence
from anchorwise.demo.runs import demo_config, pretrain_all
from anchorwise.demo.tail_section import tail_section
from anchorwise.diagnostics.exceedances import pooled_exceedances
from anchorwise.diagnostics.laws import fit_laws
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.results import ClassifierScores, Evaluation
from anchorwise.evaluation.statistics import t_interval
from anchorwise.reporting.report import Report

pytestmark = pytest.mark.whole

app = typer.Typer()
for command in (demo, embed, evaluate, diagnose):
    app.command()(command)
SECTIONS = (
    "What this is",
    "Results",
    "What the encoder sees",
    "Training",
    "Where the hardest negatives end",
    "How the tail moved in training",
    "Nearest neighbours",
    "Class by class",
    "How it was made",
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A demo of one epoch and one seed: the whole way, with encoders that have learnt little."""
    out = tmp_path_factory.mktemp("demo")
    return out, run_demo(out, seeds=(0,), num_epochs=1).read_text(encoding="utf-8")


def test_the_report_has_every_part_and_loads_nothing(tiny):
    _, page = tiny
    assert [re.sub("<.*?>", "", title) for title in re.findall("<h2>.*?</h2>", page)] == list(SECTIONS)
    for name in ("pixels", "untrained", "InfoNCE", "WEINCE"):
        assert f">{name}<" in page
    assert not re.search(r"<script|<link|https?://", page)
    assert page.count("data:image/svg+xml") >= 11


def test_the_report_begins_with_what_came_out(tiny):
    head = re.search(r"<header>.*?<p>(.*?)</p>", tiny[1], re.DOTALL).group(1)
    shares = r"\d+\.\d % \(InfoNCE\), \d+\.\d % \(WEINCE\), \d+\.\d % \(untrained\), \d+\.\d % \(pixels\)"
    assert re.match(
        rf"On 450 test images a linear classifier on the frozen features is right for {shares}; WEINCE", head
    )
    assert "points on one seed, which shows nothing." in head


def _judged(name: str, *accuracies: float) -> Contender:
    def evaluation(accuracy: float) -> Evaluation:
        linear = ClassifierScores.model_construct(accuracy=t_interval([accuracy]))
        return Evaluation.model_construct(num_test=450, linear=linear)

    return Contender(name, [evaluation(accuracy) for accuracy in accuracies], Embeddings((np.ones((1, 1)),)))


@pytest.mark.parametrize(
    ("accuracies", "words"),
    [
        # Differences 1, 2 and 3 points: mean 2, deviation 1, t(2) / sqrt(3) = 2.484.
        (
            (0.91, 0.92, 0.93),
            r"WEINCE minus InfoNCE is \+2\.0 points, 95 % interval -0\.5 to \+4\.5 over 3 seeds: no dif",
        ),
        ((0.92, 0.92, 0.92), r"WEINCE minus InfoNCE is \+2\.0 points, .* over 3 seeds: a difference on these images"),
    ],
)
def test_a_difference_is_called_one_only_where_its_interval_leaves_out_0(accuracies, words: str):
    assert re.search(words, result_sentence([_judged("InfoNCE", 0.9, 0.9, 0.9), _judged("WEINCE", *accuracies)]))


def test_what_is_known_of_intervals_is_not_said_where_none_is_shown():
    found = pooled_exceedances(torch.randn(120, 6, generator=torch.Generator().manual_seed(0)), quantile=0.95)
    fit = replace(fit_laws(found), message="intervals are not calibrated")
    section = tail_section([replace(_judged("WEINCE", 0.9), exceedances=found, fit=fit)])
    assert "calibrated" not in Report("t", "s", [section]).html()


def test_one_seed_makes_no_claim_of_an_interval(tiny):
    _, page = tiny
    assert "One encoder seed, so there is no interval" in page


def test_finished_trainings_are_reused(tiny, capsys):
    out, _ = tiny
    weights = {path: path.stat().st_mtime_ns for path in out.glob("*/encoder.safetensors")}
    assert len(weights) == 2
    pretrain_all(out, seeds=(0,), num_epochs=1)
    assert capsys.readouterr().out.count("already trained, reused") == 2
    assert {path: path.stat().st_mtime_ns for path in weights} == weights


def test_other_settings_in_the_same_folder_are_refused(tiny):
    out, _ = tiny
    with pytest.raises(ValueError, match="holds a run with another configuration"):
        run_demo(out, seeds=(0,), num_epochs=2)


def test_a_folder_that_is_not_a_demos_is_refused_before_anything_is_trained(tmp_path):
    (tmp_path / "report.html").write_text("my own")
    with pytest.raises(ValueError, match="holds files that `anchorwise demo` did not write"):
        run_demo(tmp_path, seeds=(0,), num_epochs=1)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_both_objectives_differ_in_the_objective_alone():
    info_nce, weince = (demo_config(name, seed=3, num_epochs=None) for name in ("InfoNCE", "WEINCE"))
    assert info_nce.whole_objective().hyperparameters == weince.whole_objective().hyperparameters
    assert info_nce.model_copy(update={"objective": weince.objective}) == weince


def test_a_run_is_embedded_and_judged_from_the_command_line(tiny, tmp_path):
    out, _ = tiny
    run, runner = str(out / "weince-seed0"), CliRunner()
    settings = ["--set", "split_seeds=[0, 1]", "--set", "penalties=[0.1]", "--device", "cpu"]
    judged = runner.invoke(app, ["evaluate", run, "--out", str(tmp_path / "a.json"), *settings])
    assert judged.exit_code == 0, judged.output
    embedded = runner.invoke(app, ["embed", run, "--out", str(tmp_path / "features"), "--device", "cpu"])
    assert embedded.exit_code == 0, embedded.output
    files = [str(tmp_path / "features" / "train.npz"), str(tmp_path / "features" / "test.npz")]
    again = runner.invoke(app, ["evaluate", *files, "--out", str(tmp_path / "b.json"), *settings])
    assert again.exit_code == 0, again.output
    assert Evaluation.load(tmp_path / "a.json") == Evaluation.load(tmp_path / "b.json")


@pytest.mark.usefixtures("unrendered")
@pytest.mark.parametrize("file", ["", "checkpoint.safetensors"])
def test_a_run_is_diagnosed_by_its_folder_or_its_checkpoint(tiny, tmp_path, file):
    out, _ = tiny
    arguments = ["--out", str(tmp_path), "--device", "cpu", "--set", "num_anchors=300", "--set", "batch_size=64"]
    result = CliRunner().invoke(app, ["diagnose", str(out / "weince-seed0" / file), *arguments])
    assert result.exit_code == 0, result.output
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "How the tail moved in training" in page
    assert page.count("data:image/png") == 12 * 6  # Anchors near the ceiling and their hardest negatives.
    assert "1,347, 2 views of width" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "a.npz", "b.npz", "--set", "split_seed=[0]"], "did you mean 'split_seeds'"),
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
    assert (tmp_path / "report.html").resolve().as_uri() in result.output
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    cells = re.search(r"kNN, k = 20, %</th>(.*?)</tr>", page).group(1)
    info_nce, weince, untrained, _ = map(float, re.findall(r"<td>([\d.]+)</td>", cells))
    assert min(info_nce, weince) > untrained + 5
