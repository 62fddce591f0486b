"""Which samples a run uses: facts that tell whether they are the same ones later, or on another machine."""

import hashlib

import torch
from torch import Tensor

from anchorwise._config import Section

_LENGTH = 16  # Hexadecimal digits: 64 bits.


class Fingerprint(Section):
    """What identifies a set of samples.

    Attributes:
        what: Their number and form, in words.
        content: Beginning of the SHA-256 of the samples.
        labels: The same of all labels; None if there are none.
    """

    what: str
    content: str
    labels: str | None

    def differences(self, here: "Fingerprint") -> list[str]:
        """Say in what the samples here differ from those of this fingerprint; nothing if they are the same."""
        if self.what != here.what:
            return [f"{self.what} then, {here.what} now"]
        if self == here:
            return []
        return [f"{self.what} as then, but other {'content' if self.content != here.content else 'labels'}"]


class DataFacts(Section):
    """What identifies the samples of a training; test samples do not belong to it.

    Attributes:
        pretrain: The samples that are trained on.
        train: The labelled ones that accuracy is watched on; often the same.
    """

    pretrain: Fingerprint
    train: Fingerprint

    def differences(self, here: "DataFacts") -> list[str]:
        """Say in what the samples here differ from these; nothing if they are the same."""
        both = [*self.pretrain.differences(here.pretrain), *self.train.differences(here.train)]
        return list(dict.fromkeys(both))


def digest(*tensors: Tensor | None) -> str:
    """Return the beginning of the SHA-256 of the tensors' bytes, one after the other."""
    hashed = hashlib.sha256()
    for tensor in tensors:
        # As bytes, since NumPy has no bfloat16.
        hashed.update(b"none" if tensor is None else tensor.reshape(-1).contiguous().view(torch.uint8).numpy().data)
    return hashed.hexdigest()[:_LENGTH]
