import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from anchorwise.training import RunConfig, pretrain
from anchorwise.training import loop as loop_module
from anchorwise.training import progress as progress_module
from anchorwise.training.progress import RunProgress

NUMBERS = {
    "loss": 4.411,
    "above_chance": -0.433,
    "lambda": 0.21,
    "exponent": 3.0,
    "hardest_score": 0.885,
    "knn_accuracy": 0.891,
    "images_per_s": 12_375.0,
}
WORDS = ["loss 4.411", "chance -0.433", "lambda 0.21", "exponent 3.0", "hardest 0.885", "kNN 89.1%", "12375 images/s"]


def test_in_80_columns_nothing_of_a_run_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=80)
    monkeypatch.setattr(progress_module, "Console", lambda **_: terminal)
    with RunProgress(num_steps=2400, done=48, heading="pretraining with x\x1b]0;y", show=True) as progress:
        progress.step(600, NUMBERS)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue())
    assert r"pretraining with x\x1b]0;y" in text
    last = text[text.rindex("600/2400") - 10 :]
    assert "━" in last
    assert re.search(r"\d:\d\d:\d\d|-:--:--", last)
    assert all(word in " ".join(last.split()) for word in WORDS)


def test_a_run_says_what_begins_and_ends_with_its_last_evaluation(tiny: RunConfig, tmp_path: Path, capsys):
    pretrain(tiny, tmp_path / "run", show_progress=True)
    first, second, *_, last = capsys.readouterr().out.splitlines()
    assert first == "pretraining with weince temperature=0.2: 60 images of 8 px, batches of 16 on cpu"
    assert second == f"3 epochs, 12 steps, into {tmp_path / 'run'}"
    assert re.match(r"step 12/12  loss .*  lambda .*  kNN \d+\.\d%  .* 0 s left", last)


def test_a_run_that_goes_on_says_from_where(tiny: RunConfig, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    real_step = loop_module.train_step

    def failing_step(state, *given):
        if state.step == 6:
            raise RuntimeError("broken")
        return real_step(state, *given)

    with monkeypatch.context() as patched:
        patched.setattr(loop_module, "train_step", failing_step)
        with pytest.raises(RuntimeError, match="broken"):
            pretrain(tiny, tmp_path, show_progress=False)
    pretrain(tiny, tmp_path, show_progress=True)
    assert capsys.readouterr().out.splitlines()[2] == "goes on from step 4"
