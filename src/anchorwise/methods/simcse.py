"""SimCSE: a sentence and itself under other dropout, or a pair with a hard negative.

Source: Gao, Yao and Chen 2021, "SimCSE: Simple Contrastive Learning of Sentence Embeddings", Eq. 4 and 5,
https://arxiv.org/abs/2104.08821, and its released code.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast, final

from pydantic import Field
from torch import Tensor

from anchorwise.methods.base import Method, MethodConfig, Step, together, with_term
from anchorwise.methods.hidden_words import hidden_words
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.text.columns import HIDDEN, IS_HIDDEN, TOKENS, as_written
from anchorwise.modalities.views import ViewPlan
from anchorwise.models import HeadConfig
from anchorwise.models.hidden_words import HiddenWords, first_places
from anchorwise.objectives import Objective, Outcome


@final
class SimCSE(Method):
    """Views and hard negatives in one pass; the hard negatives of all samples are negatives of every anchor.

    What an anchor's own count for is the objective's to say: `hard_negative_log_weight`, in the source 0.

    Like the release's unsupervised models, the head is thrown away after the training; its supervised ones keep it.
    """

    gives = Method.gives | {"hard_negatives"}
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "cross_view", "temperature": 0.05, "both_directions": False}

    class Config(MethodConfig):
        """Settings of SimCSE.

        Attributes:
            num_negatives: Hard negatives of every sample: its columns of text behind the positive.
            hidden_weight: Weight of finding the hidden words of a sample's first text, in a further pass, so that
                states of tokens are not forgotten; the source's option has 0.1. None leaves it out.
            hidden_share: Chance of a token to be hidden.
        """

        name: Literal["simcse"] = "simcse"
        head: HeadConfig = HeadConfig(num_layers=1, output_width=None, tanh=True)
        num_negatives: int = Field(default=0, ge=0, le=64)
        hidden_weight: float | None = Field(default=None, gt=0, le=1e6)
        hidden_share: float = Field(default=0.15, gt=0, lt=1)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        self.num_negatives = config.num_negatives
        self.adds_losses = config.num_negatives > 0
        if config.num_negatives and "hard_negatives" not in objective.inputs.takes:
            raise ValueError(
                f"method.num_negatives must be 0 for {type(objective).__name__}, which takes no hard negatives; "
                "cross_view, info_nce, weince, weibit and dcl do"
            )
        self.hidden_weight, self.hidden_share, self.hidden_words = config.hidden_weight, config.hidden_share, None
        if config.hidden_weight is not None:
            words = getattr(encoder, "words", None)
            if words is None:
                raise ValueError(
                    f"method.hidden_weight is for encoders of texts, got {type(encoder).__name__}; leave it out"
                )
            self.adds_losses = True
            self.hidden_words = HiddenWords(words.shape[1], len(words))

    @property
    def plan(self) -> ViewPlan:
        """Two views, and the hard negatives."""
        hidden = 0.0 if self.hidden_words is None else self.hidden_share
        return ViewPlan(num_negatives=self.num_negatives, masked_tokens=hidden)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the loss of the pairs, with the hard negatives."""
        read = views if self.hidden_words is None else [as_written(cast(Mapping[str, Tensor], view)) for view in views]
        first, second, *hard = together(self.online, read)
        there = {"hard_negatives": hard} if hard else {}
        outcome = self.loss(first, second, batch=batch, **there)
        if self.hidden_words is not None and self.hidden_weight is not None:
            term = self._hidden(self.hidden_words, cast(Mapping[str, Tensor], views[0]))
            outcome = with_term(outcome, term, weight=self.hidden_weight)
        return Step(outcome, (first.detach(), second.detach()))

    def _hidden(self, head: HiddenWords, view: Mapping[str, Tensor]) -> Outcome:
        encoder, places = cast(Any, self.encoder), first_places(view[IS_HIDDEN], self.hidden_share)
        states = encoder.with_states({**as_written(view), TOKENS: view[HIDDEN]})[1]
        return hidden_words(head(states, places, encoder.words), places, view[TOKENS], view[IS_HIDDEN])
