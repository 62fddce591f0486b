import importlib
import json
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import typer

import anchorwise
from anchorwise import cli
from anchorwise.cli import app


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["anchorwise", *arguments])
    with pytest.raises(SystemExit) as ended:
        app.main()
    return ended.value.code if isinstance(ended.value.code, int) else 0


def test_the_version_is_the_packages(monkeypatch, capsys):
    assert _run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"anchorwise {anchorwise.__version__}\n"


def test_help_names_every_command(monkeypatch, capsys):
    assert _run(monkeypatch, "--help") == 0
    page = capsys.readouterr().out
    assert all(command in page for command in ("demo", "pretrain", "embed", "evaluate", "diagnose", "export"))


@pytest.mark.parametrize("command", [command.__name__ for command in app.COMMANDS])
def test_the_help_of_every_command_ends_with_an_example_that_it_takes(monkeypatch, capsys, command: str):
    monkeypatch.setenv("COLUMNS", "200")
    assert _run(monkeypatch, command, "--help") == 0
    example = re.search(r"Example: (anchorwise .+)", capsys.readouterr().out)
    assert example, "it has none"
    program, name, *arguments = shlex.split(example[1])
    assert (program, name) == ("anchorwise", command)
    typer.main.get_command(app.app).commands[command].make_context(command, arguments)  # Refuses what is no option.


def test_help_breaks_no_line_where_the_code_does(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    assert _run(monkeypatch, "compare", "--help") == 0
    assert "the chosen ones are judged on test samples with fresh seeds" in capsys.readouterr().out


def test_the_configuration_that_would_run_is_shown_and_nothing_runs(monkeypatch, capsys, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    settings = ["--set", "train.num_epochs=3", "--data", "photos/", "--show-config"]
    assert _run(monkeypatch, "pretrain", "folder", *settings) == 0
    config = json.loads(capsys.readouterr().out)
    assert (config["train"]["num_epochs"], config["data"]["source"]) == (3, "photos/")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pretrain", "digit"], "error: recipe must be one of 'digits', .*; did you mean 'digits'"),
        (["objectives", "WEINCE"], "error: objective must be one of .*; did you mean 'weince'"),
        (["pretrain", "nowhere.json"], "error: nowhere.json: No such file or directory$"),
        (
            ["pretrain", "a-run"],
            "error: recipe must be a name .*, got the folder of a run, a-run; its own is a-run/conf",
        ),
        (["pretrain", "--set", "objective.name=MoCoV3"], "error: .*; did you mean 'moco_v3'"),
        (
            ["pretrain", "--set", "views.name=simclr"],
            "error: views.name must be one of 'digits', 'glyphs', 'cifar', .*'none', got 'simc",
        ),
        (["pretrain", "--set", "encoder=resnet18"], "error: encoder: .*, such as encoder.name=resnet18"),
        (["compare", "--set", "seeds=1"], r"error: seeds: .*; write a list: seeds=\[1\]"),
        (["pretrain", "--set", "train.epoch=1"], "error: unknown setting 'train.epoch'; here: num_steps, num_epochs"),
        (["pretrain", "folder", "--data", "nowhere"], "error: .*nowhere"),
        (["pretrain", "folder", "--data", ""], r"error: data\.source must be a data set's name or a path, got nothing"),
        (["evaluate", "nowhere"], "error: .*nowhere"),
        (["diagnose", "nowhere.npy"], "error: nowhere.npy is not a file"),
        (["plan", "9" * 23], "error: num_rows must be a whole number from 1 to 1000000000000, got 999"),
        (["plan", "9", "--dim", "9" * 11], "error: dim must be a whole number from 1 to 65536, got 999"),
        (["export", "nowhere", "--out", "there"], "error: nowhere holds no encoder.json"),
        (["export", "now\x1b]0;here", "--out", "there"], r"error: now\\x1b\]0;here holds no encoder.json"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(monkeypatch, capsys, tmp_path: Path, arguments, message: str):
    monkeypatch.chdir(tmp_path)
    for run in ("a-run", "folder"):  # One is called as a recipe is, which it does not stand in the way of.
        Path(run).mkdir()
        Path(run, "config.json").write_text("{}")
    assert _run(monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.match(message, error), error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RecursionError("maximum recursion depth exceeded"), "error: maximum recursion depth exceeded"),
        (OverflowError("int too large to convert to float"), "error: int too large"),
        (MemoryError(), "error: MemoryError"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 400 bytes.\nframe #0"),
            "error: not enough memory for these settings: DefaultCPUAllocator: .*400 bytes.\n$",
        ),
    ],
)
def test_what_is_too_large_for_the_machine_is_one_line_too(monkeypatch, capsys, error: Exception, message: str):
    def too_much() -> None:
        raise error

    monkeypatch.setattr(app, "app", too_much)
    assert _run(monkeypatch) == 2
    assert re.match(message, capsys.readouterr().err)


def test_a_fault_of_the_program_itself_keeps_its_traceback(monkeypatch):
    def broken() -> None:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(app, "app", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        app.main()


@pytest.mark.parametrize("package", ["comparison", "modalities", "diagnostics", "evaluation", "models", "training"])
def test_a_package_that_an_extra_is_needed_for_says_which(monkeypatch, package: str):
    module = importlib.import_module(f"anchorwise.{package}")
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(ModuleNotFoundError, match=r'pydantic is not installed: pip install "anchorwise\[vision\]"'):
        importlib.reload(module)


@pytest.mark.whole
def test_embeddings_are_diagnosed_without_what_only_images_and_training_need(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(200, 8)).astype("float32"))
    absent = ["sklearn", "tensorboard", "timm", "torchvision"]
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({absent})); from anchorwise.cli import main; "
        "sys.argv = ['anchorwise', 'diagnose', 'x.npy', '--set', 'num_draws=2', '--out', 'out']; main()"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "out" / "report.html").is_file()


def test_without_its_extra_the_program_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "anchorwise.cli.app", None)  # What an import of it then raises names it.
    with pytest.raises(ModuleNotFoundError):
        cli.main()
    monkeypatch.delitem(sys.modules, "anchorwise.cli.app")
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit, match=r"error: typer is not installed: pip install \"anchorwise\[vision\]\", or"):
        cli.main()


def test_a_warning_is_one_line_of_words_and_no_line_of_code(monkeypatch, capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        monkeypatch.setattr(app, "app", lambda: warnings.warn("3 images are skipped: \x1b]0;a.png", stacklevel=2))
        app.main()
    assert capsys.readouterr().err == "warning: 3 images are skipped: \\x1b]0;a.png\n"
