import subprocess
import sys

HEAVY = [
    "triton",
    "scipy",
    "sklearn",
    "matplotlib",
    "torchvision",
    "timm",
    "kornia",
    "pydantic",
    "typer",
    "rich",
    "safetensors",
]


def test_importing_the_package_pulls_torch_and_nothing_heavier():
    program = f"import sys, anchorwise; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
