"""Parts of a network that a training leaves as they are."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn


def hold_still(network: nn.Module, patterns: Sequence[str]) -> tuple[str, ...]:
    """Take the gradient from parts of a network.

    Args:
        network: Changed in place.
        patterns: Names of parts or of single parameters, as the network has them; `*`, `?` and `[...]` stand for
            characters as in file names. What lies inside a part belongs to it.

    Returns:
        The modules that are held: whoever trains the rest keeps them in evaluation mode, so that batch normalisation
        neither looks at the batch there nor moves its statistics.

    Raises:
        ValueError: If a pattern matches no parameter.
    """
    for pattern in patterns:
        if not any(_matches(name, [pattern]) for name, _ in network.named_parameters()):
            parts = dict.fromkeys(name.partition(".")[0] for name, _ in network.named_parameters())
            raise ValueError(
                f"encoder.freeze must name parts of the encoder, got {pattern!r}, which matches none; there are "
                f"{', '.join(parts)}, and what they are made of as in '{_deepest(network)}'"
            )
    for name, weight in network.named_parameters():
        if _matches(name, patterns):
            weight.requires_grad_(False)
    return tuple(name for name, _ in network.named_modules() if _matches(name, patterns))


def parts_without_gradient(network: nn.Module) -> list[str]:
    """Return the names of parts that have parameters, none of which takes a gradient."""
    parts = {name: [weight.requires_grad for weight in part.parameters()] for name, part in network.named_modules()}
    return [name for name, wanted in parts.items() if name and wanted and not any(wanted)]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    parts = name.split(".")
    around = [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return any(fnmatchcase(part, pattern) for part in around for pattern in patterns)


def _deepest(network: nn.Module) -> str:
    return max((name for name, _ in network.named_parameters()), key=lambda name: name.count("."))
