"""What an extra of the package brings, and the words where it is missing."""

from importlib.util import find_spec

# What no other extra brings.
_OF_EXTRAS = {"transformers": "text", "tokenizers": "text", "pyarrow": "parquet"}


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
    package = module.partition(".")[0]
    if package in _OF_EXTRAS:
        return f'{package} is not installed: pip install "anchorwise[{_OF_EXTRAS[package]}]"'
    return f'{package} is not installed: pip install "anchorwise[vision]", or "anchorwise[cli]" for embeddings alone'
