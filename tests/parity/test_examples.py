"""The examples run as users run them, and what they train learns."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from tests.parity.peers import marks, peer

pytestmark = marks
EXAMPLES = Path(__file__).parents[2] / "examples"


def _example(name: str) -> Any:
    specification = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("lightning_simclr", "lightning"),
        ("hf_trainer", "transformers"),
        ("open_clip_loop", "open_clip"),
        ("sentence_transformers_trainer", "sentence_transformers"),
    ],
)
def test_an_example_trains(name: str, library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    peer(library)
    monkeypatch.chdir(tmp_path)
    history = _example(name).main()
    first, last = history[:4], history[-4:]
    assert sum(last) < 0.8 * sum(first)
    assert not list(tmp_path.iterdir())


def test_the_reward_of_what_a_model_writes_rises():
    peer("transformers")
    history = _example("grace").main()
    assert sum(history[-10:]) > sum(history[:10]) + 10.0


def test_every_example_is_tested():
    names = ["grace", "hf_trainer", "lightning_simclr", "open_clip_loop", "sentence_transformers_trainer"]
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == names
