"""What an extra of the package brings, and the words where it is missing."""

from importlib.util import find_spec

# Modules by the extra that brings them, where it is not `cli`.
_OF_EXTRAS = {
    **dict.fromkeys(("transformers", "tokenizers"), "text"),
    **dict.fromkeys(("sklearn", "tensorboard"), "train"),
    **dict.fromkeys(("torchvision", "timm"), "vision"),
    **dict.fromkeys(("onnx", "onnxruntime", "onnxscript"), "onnx"),
    "pyarrow": "parquet",
    "wandb": "wandb",
    "ray": "ray",
    "huggingface_hub": "hub",
}


def needed(module: str) -> None:
    """Refuse to go on without a module that the library alone does not bring.

    Raises:
        ModuleNotFoundError: With what to install.
    """
    if not is_installed(module):
        raise ModuleNotFoundError(missing(module), name=module)


def is_installed(module: str) -> bool:
    """Return whether a module can be imported; a folder of its name, as wandb leaves one, is none."""
    found = find_spec(module)
    return found is not None and found.origin is not None


def installed() -> dict[str, bool]:
    """Return for every extra whether all of its modules are there."""
    modules = {"pydantic": "cli", **_OF_EXTRAS}
    names = sorted({*modules.values()})
    return {name: all(is_installed(each) for each, extra in modules.items() if extra == name) for name in names}


def missing(module: str) -> str:
    """Return what to say of a module that is not there."""
    return f"{module.partition('.')[0]} is not installed: {install(module)}"


def install(module: str) -> str:
    """Return the command that brings a module, wherever the library itself was installed from."""
    extra = _OF_EXTRAS.get(module.partition(".")[0])
    if extra is not None:
        return f'pip install "anchorwise[{extra}]"'
    return 'pip install "anchorwise[vision]", or "anchorwise[cli]" for embeddings alone'
