"""What a caller brings to a run in place of what its configuration says."""

import copy
import hashlib
from dataclasses import dataclass, field
from typing import Any

from anchorwise.methods import Method, MethodConfig
from anchorwise.modalities.base import Modality
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.own.encoder import text_of
from anchorwise.modalities.registry import modality_of
from anchorwise.objectives import Objective
from anchorwise.training.config import RunConfig

_MAX_LETTERS = 160


@dataclass(frozen=True)
class OwnParts:
    """Parts of a run that stand in no configuration; what is None is made as the configuration says.

    Attributes:
        modality: Samples, network and views.
        method: The class of the method.
        method_config: Its settings.
        objective: What is minimised.
        words: Every own part in words, by the name of the section that it replaces.
    """

    modality: Modality | None = None
    method: type[Method] | None = None
    method_config: MethodConfig | None = None
    objective: Objective | None = None
    words: dict[str, str] = field(default_factory=dict)

    def modality_of(self, config: RunConfig) -> Modality:
        """Return what knows the samples."""
        return self.modality or modality_of(config.modality)

    def noted_in(self, config: RunConfig) -> RunConfig:
        """Return the configuration with every own part in words.

        Raises:
            ValueError: If it is that of a run whose own parts are not given.
        """
        if config.own and not self.words:
            raise ValueError(
                f"this run was made in Python with its own {', '.join(config.own)}, which no configuration holds; call "
                "anchorwise.pretrain with them as before"
            )
        return config.model_copy(update={"own": self.words or None})

    def method_of(self, config: RunConfig, encoder: Encoder) -> Method:
        """Return the method with its objective; the caller's own objective stays as it is."""
        objective = config.whole_objective().build() if self.objective is None else copy.deepcopy(self.objective)
        if self.method is None:
            kind, settings = config.method_and_settings()
            return kind(encoder, objective, settings)
        return self.method(encoder, objective, self.method_config or self.method.Config())


def in_words(part: Any) -> str:
    """Return what tells a part from others in a line: the beginning of its text form, and a digest of the whole."""
    text = " ".join(text_of(part).split())
    if len(text) <= _MAX_LETTERS:
        return text
    return f"{text[:_MAX_LETTERS]}... ({hashlib.sha256(text.encode()).hexdigest()[:8]})"


NO_PARTS = OwnParts()
