import json
import sys

import torch

from anchorwise.reporting.environment import command, environment


def test_the_environment_is_text_that_json_can_keep():
    facts = environment()
    assert json.loads(json.dumps(facts)) == facts
    assert all(facts.values())
    assert facts["torch"].split("+")[0] == torch.__version__.split("+")[0]


def test_the_command_is_ready_to_be_typed_again(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/anchorwise", "pretrain", "--set", "a.b=[1, 2]"])
    assert command() == "anchorwise pretrain --set 'a.b=[1, 2]'"
