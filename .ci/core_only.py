"""What the library does with its core dependencies alone; run by an environment that holds nothing else."""

import platform
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch

import anchorwise

assert find_spec("pydantic") is None, "an extra is installed, so this shows nothing"
view0, view1 = torch.randn(64, 16, requires_grad=True), torch.randn(64, 16)
for objective in (anchorwise.WEINCE(), anchorwise.Weibit(), anchorwise.InfoNCE(temperature=0.1), anchorwise.DCL()):
    objective(view0, view1).backward()
assert view0.grad is not None
assert view0.grad.isfinite().all()
assert (Path(anchorwise.__file__).parent / "py.typed").is_file()

program = Path(sys.executable).parent / "anchorwise"
said = subprocess.run([program, "objectives"], capture_output=True, text=True, check=False)
assert said.returncode == 1, said.stdout
assert 'pip install "anchorwise[' in said.stderr, said.stderr
print(f"Python {platform.python_version()}, torch {torch.__version__}: anchorwise {version('anchorwise')} works alone")
