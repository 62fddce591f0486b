"""What an extra of the package brings, and the words where it is missing."""

from importlib.util import find_spec

# What no other extra brings.
_OF_EXTRAS = {
    **dict.fromkeys(("transformers", "tokenizers"), "text"),
    **dict.fromkeys(("torchvision", "timm", "sklearn", "tensorboard"), "vision"),
    **dict.fromkeys(("onnx", "onnxruntime"), "onnx"),
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


def missing(module: str) -> str:
    """Return what to say of a module that is not there."""
    return f"{module.partition('.')[0]} is not installed: {install(module)}"


def install(module: str) -> str:
    """Return the command that brings a module, wherever the library itself was installed from."""
    extra = _OF_EXTRAS.get(module.partition(".")[0])
    if extra is not None:
        return f'pip install "anchorwise[{extra}]"'
    return 'pip install "anchorwise[vision]", or "anchorwise[cli]" for embeddings alone'
