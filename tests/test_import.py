import re
import subprocess
import sys

import pytest

import anchorwise
from anchorwise import _extras
from anchorwise.diagnostics.diagnosis import diagnose
from anchorwise.evaluation.evaluate import evaluate

HEAVY = [
    "triton",
    "scipy",
    "sklearn",
    "matplotlib",
    "torchvision",
    "timm",
    "pydantic",
    "typer",
    "rich",
    "safetensors",
]


def _loaded(program: str) -> list[str]:
    program = f"import sys; {program}; print(*[name for name in {['torch', *HEAVY]} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return result.stdout.split()


@pytest.mark.whole
def test_importing_the_package_pulls_nothing_and_its_first_use_torch_alone():
    assert _loaded("import anchorwise") == []
    assert _loaded("import anchorwise; anchorwise.WEINCE") == ["torch"]


def test_every_public_name_is_there_and_no_other():
    for name in anchorwise.__all__:
        assert getattr(anchorwise, name) is not None
    assert set(anchorwise.__all__) <= set(dir(anchorwise))
    with pytest.raises(AttributeError, match="module 'anchorwise' has no attribute 'WEINZE'"):
        getattr(anchorwise, "WEINZE")  # noqa: B009


@pytest.mark.parametrize("arguments", [["--version"], ["pretrian"]])
def test_what_needs_no_command_is_answered_before_torch_is_imported(arguments):
    program = [sys.executable, "-X", "importtime", "-m", "anchorwise", *arguments]
    result = subprocess.run(program, capture_output=True, text=True)
    assert "anchorwise 0" in result.stdout or "Did you mean 'pretrain'" in result.stderr
    assert not re.search(r"\| +torch$", result.stderr, re.MULTILINE)


def test_diagnose_and_evaluate_are_one_import_away():
    assert anchorwise.diagnose is diagnose
    assert anchorwise.evaluate is evaluate
    assert {"diagnose", "evaluate"} <= set(dir(anchorwise))


@pytest.mark.parametrize(("name", "package"), [("diagnose", "diagnostics"), ("evaluate", "evaluation")])
def test_without_their_extra_the_error_says_what_to_install(name, package, monkeypatch):
    monkeypatch.delitem(vars(anchorwise), name, raising=False)
    for module in [one for one in sys.modules if one.startswith(f"anchorwise.{package}")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(ModuleNotFoundError, match=r'pydantic is not installed: pip install "anchorwise\[vision\]"'):
        getattr(anchorwise, name)


@pytest.mark.whole
def test_embeddings_are_read_with_the_library_alone():
    assert set(_loaded("import anchorwise; anchorwise.embeddings.as_embeddings([[1.0], [2.0]])")) == {"torch"}


def test_a_folder_of_a_packages_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "wandb_of_mine").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="wandb_of_mine is not installed: pip install"):
        _extras.needed("wandb_of_mine")
