"""Runs that get a signal at a step."""

import os
import signal
from pathlib import Path

from anchorwise.training import RunConfig, pretrain
from anchorwise.training import loop as loop_module
from anchorwise.training.state import RunState


def send_at_step(step: int, number: signal.Signals, monkeypatch) -> None:
    """Let the process get the signal as it begins the step, counted from 0; steps that it resumes at send nothing."""
    real_step, sent = loop_module.train_step, []

    def step_with_signal(state: RunState, *arguments):
        if state.step == step and not sent:
            sent.append(step)
            os.kill(os.getpid(), number)
        return real_step(state, *arguments)

    monkeypatch.setattr(loop_module, "train_step", step_with_signal)


class _Setting:
    """What a process of its own needs of monkeypatch: it ends, so nothing has to be set back."""

    setattr = staticmethod(setattr)


def run_killed_at(step: int, config: RunConfig, out: Path) -> None:
    """Run in a process of its own until it is killed."""
    send_at_step(step, signal.SIGKILL, _Setting)
    pretrain(config, out, show_progress=False)
