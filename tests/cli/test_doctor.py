import re

import pytest
import torch
from typer.testing import CliRunner

from anchorwise import doctor
from anchorwise.cli.app import app


@pytest.fixture
def untrained(monkeypatch):
    """The checks without the training, which every other test does."""
    monkeypatch.setattr(doctor, "_train", lambda: "")


@pytest.mark.usefixtures("untrained")
def test_the_doctor_says_what_there_is_and_finds_it_right():
    said = CliRunner().invoke(app, ["doctor"])
    assert said.exit_code == 0, said.output
    assert f"torch: {torch.__version__.partition('+')[0]}" in said.output
    assert re.search("^backends: dense, tiled", said.output, re.MULTILINE)
    assert re.search(r"^right: loss and gradient, tiled on cpu \(\d+\.\d s\)$", said.output, re.MULTILINE)


@pytest.mark.usefixtures("untrained")
def test_a_wrong_loss_is_told_and_is_status_1(monkeypatch):
    monkeypatch.setattr(doctor, "InfoNCE", lambda temperature: lambda a, b: (a - b).square().mean())
    said = CliRunner().invoke(app, ["doctor"])
    assert said.exit_code == 1
    assert re.search(r"^the loss is \d\.\d+, not \d\.\d+: loss and gradient, dense", said.output, re.MULTILINE)


def test_what_a_check_raises_is_its_trouble():
    finding = doctor._checked("look-up", lambda: dict[str, str]()["loss"])
    assert finding.trouble == "KeyError: 'loss'"


@pytest.mark.whole
def test_the_doctor_trains_two_steps():
    assert doctor._train() == ""
