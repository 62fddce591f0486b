"""ALBEF: image and text aligned by contrast with a momentum encoder, then read together.

Source: Li et al. 2021, "Align before Fuse: Vision and Language Representation Learning with Momentum Distillation",
https://arxiv.org/abs/2107.07651, and its released code for pretraining.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast, final

import torch
from jaxtyping import Bool, Float, Int64
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from anchorwise._precision import products
from anchorwise._ranks import gather_rows
from anchorwise.methods.base import Method, MethodConfig, Step, with_term
from anchorwise.methods.clip import learnt_scale, scale_of
from anchorwise.methods.hidden_words import hidden_words
from anchorwise.methods.outlook import Clock, Outlook
from anchorwise.modalities.draws import Draws
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.image_text.encoders import TwoTowers
from anchorwise.modalities.image_text.reader import Reader, ReaderConfig
from anchorwise.modalities.samples import Batch, View
from anchorwise.modalities.views import ViewPlan
from anchorwise.models import HeadConfig
from anchorwise.models.hidden_words import first_places
from anchorwise.models.momentum import MomentumTwin
from anchorwise.models.queue import Queue
from anchorwise.objectives import Objective, Outcome
from anchorwise.objectives.objective import mean_outcome
from anchorwise.pairs import unit_rows

# b = pairs of this rank's batch, s = tokens, p = places, k = columns

_LEAST_SCALE = 2.0  # One over 0.5, above which the source lets no temperature go.
_IMAGE, _TEXT = 4010, 4011  # What is drawn: the image that does not match, and the text; numbers that no view has.


@final
class ALBEF(Method):
    """Contrast with momentum copies and queues of their rows; matching with hard negatives; hidden words.

    The sum of the three is unweighted, as in the source. Hard negatives are drawn within a rank's own batch, by the
    softmax of their logits with the copies' rows; here those of the pair's group are never drawn, and a confident row
    cannot be left without one (the source adds a small number inside its softmax, where it does nothing). With
    `train.exclude_groups` targets of the contrast are shared out among the keys of a group, in the queues too, as in
    the source's fine-tuning for retrieval. Deviations: the fusion layers lie behind the text tower and are new, where
    the source splits one BERT; copies are averaged before the step.
    """

    turn: Tensor
    rise: Tensor
    gives = Method.gives | {"keys", "queues", "queue_ids", "logit_scale", "alpha_factor"}
    hands_over = frozenset({"keys", "queues"})
    own_objective: ClassVar[Mapping[str, Any]] = {"name": "soft_targets"}
    adds_losses = True

    class Config(MethodConfig):
        """Settings of ALBEF.

        Attributes:
            momentum: Of the copies.
            num_queued: Rows in each of the two queues; the source has 65,536 of 4 to 14 million pairs.
            num_layers: Layers of the fusion; the source has 6.
            num_heads: Heads of each of its attentions; they divide the width of the text tower.
            dropout: In these layers.
            hidden_share: Chance of a token to be hidden.
            alpha: Share of the copy's own guess in the target of a hidden token, as in the contrast's.
            rise_epochs: In which both shares rise from 0; 0 has them whole from the first step on.
            max_scale: Of the learnt scale; the source keeps the temperature within 0.001 and 0.5.
        """

        name: Literal["albef"] = "albef"
        head: HeadConfig = HeadConfig(num_layers=0)
        momentum: float = Field(default=0.995, ge=0, le=1)
        num_queued: int = Field(default=2048, ge=1, le=10_000_000)
        num_layers: int = Field(default=2, ge=1, le=100)
        num_heads: int = Field(default=4, ge=1, le=1024)
        dropout: float = Field(default=0.1, ge=0, lt=1)
        hidden_share: float = Field(default=0.15, gt=0, lt=1)
        alpha: float = Field(default=0.4, ge=0, le=1)
        rise_epochs: float = Field(default=1.0, ge=0, le=1e6)
        max_scale: float = Field(default=1000.0, ge=_LEAST_SCALE, le=1e6)

    def __init__(self, encoder: Encoder, objective: Objective, config: Config) -> None:
        super().__init__(encoder, objective, config)
        sizes = {"num_layers": config.num_layers, "num_heads": config.num_heads, "dropout": config.dropout}
        two_towers(encoder, "ALBEF").read_by(ReaderConfig(**sizes))
        self.twin = MomentumTwin(self.online)
        width = encoder.num_features
        self.image_queue, self.text_queue = (Queue(config.num_queued, width, random=True) for _ in range(2))
        self.scale = learnt_scale(objective, most=config.max_scale, least=_LEAST_SCALE)
        self.draws = Draws([0], [_IMAGE, _TEXT])
        self.register_buffer("turn", torch.zeros((), dtype=torch.int64), persistent=False)
        self.register_buffer("rise", torch.ones(()), persistent=False)
        self.momentum, self.hidden_share, self.alpha = config.momentum, config.hidden_share, config.alpha
        self.rise_epochs = config.rise_epochs

    @property
    def reader(self) -> Reader:
        """What reads both; it belongs to the encoder, and is stored with it."""
        return cast(Reader, cast(TwoTowers, self.online.encoder).reader)

    @property
    def plan(self) -> ViewPlan:
        """An image and its text, once as it is and once with hidden tokens."""
        return ViewPlan(masked_tokens=self.hidden_share)

    def check(self, outlook: Outlook) -> None:
        """Refuse queues that do not hold a batch."""
        outlook.check_queue(len(self.image_queue.rows))

    def before_step(self, clock: Clock) -> None:
        """Let the copies follow, and note the step, by which negatives are drawn and the copies' share rises."""
        self.turn.fill_(clock.step)
        self.rise.fill_(min(1.0, clock.epoch / self.rise_epochs) if self.rise_epochs else 1.0)
        self.twin.follow(self.online, self.momentum)

    def forward(self, views: Sequence[View], batch: Batch) -> Step:
        """Return the sum of the three losses, then put the copies' rows in the queues."""
        towers, copies = (cast(TwoTowers, part.encoder) for part in (self.online, cast(Any, self.twin.network)))
        (image, cells), (text, states) = towers.image_states(views[0]), towers.text_states(views[1])
        with torch.no_grad():
            (image_key, copied_cells), text_key = copies.image_states(views[0]), copies(views[1])
        queues = (self.image_queue.rows.clone(), self.text_queue.rows.clone())
        queue_ids = (self.image_queue.ids.clone(), self.text_queue.ids.clone())
        scale = scale_of(self.scale)
        given = {"keys": (image_key, text_key), "queues": queues, "alpha_factor": self.rise}
        if batch.shared_ids is not None:
            given["queue_ids"] = queue_ids
        outcome = self.loss(image, text, batch=batch, **given, **scale)
        mask = cast(Mapping[str, Tensor], views[1])["attention_mask"]
        factor = scale.get("logit_scale", 1.0 / cast(Any, self.objective).temperature)
        logits = [
            factor * products(unit_rows(rows.detach()), unit_rows(keys))
            for rows, keys in ((text, image_key), (image, text_key))
        ]
        outcome = with_term(outcome, self._matching(states, mask, cells, logits, batch))
        outcome = with_term(outcome, self._hidden(views[1], cells, copied_cells))
        self.image_queue.push(image_key, batch.excluded_ids)
        self.text_queue.push(text_key, batch.excluded_ids)
        return Step(outcome, (image.detach(), text.detach()))

    def after_step(self, clock: Clock) -> None:
        """Keep the scale in its range."""
        if self.scale is not None:
            self.scale.hold()

    def _matching(
        self,
        states: Float[Tensor, "b s d"],
        mask: Int64[Tensor, "b s"],
        cells: Float[Tensor, "b p _"],
        logits: Sequence[Float[Tensor, "b b"]],
        batch: Batch,
    ) -> Outcome:
        """Return the cross-entropy of pairs, of texts with another image, and of images with another text.

        Logits are those of texts with all images, and of images with all texts.
        """
        drawn = self.draws(batch.drawn_by, self.turn)[:, 0]
        is_same = batch.excluded_ids.unsqueeze(0) == batch.excluded_ids.unsqueeze(1)
        other_image, other_text = (
            drawn_negatives(each, is_same, numbers) for each, numbers in zip(logits, drawn, strict=True)
        )
        texts, masks = torch.cat([states, states, states[other_text]]), torch.cat([mask, mask, mask[other_text]])
        found = self.reader(texts, masks, torch.cat([cells, cells[other_image], cells])).float()
        labels = torch.zeros_like(found[:, 0], dtype=torch.int64)
        labels[: len(states)] = 1
        losses = functional.cross_entropy(found, labels, reduction="none").view(3, -1).mean(dim=0)
        accuracy = (found.argmax(dim=1) == labels).float().view(3, -1).mean(dim=0)
        return mean_outcome(gather_rows(losses), {"matching_accuracy": gather_rows(accuracy)})

    def _hidden(self, view: View, cells: Float[Tensor, "b p _"], copied_cells: Float[Tensor, "b p _"]) -> Outcome:
        """Return the cross-entropy of hidden tokens with what they are and what the copies guess, mean over tokens."""
        table = cast(Mapping[str, Tensor], view)
        mask, is_hidden = table["attention_mask"], table["is_hidden"]
        places = first_places(is_hidden, self.hidden_share)
        seen = {"input_ids": table["hidden_ids"], "attention_mask": mask}
        towers, copies = (cast(TwoTowers, part.encoder) for part in (self.online, cast(Any, self.twin.network)))
        said = self.reader.said(
            towers.text_states(seen)[1], mask, cells, places, cast(Tensor, towers.towers.text.words)
        )
        with torch.no_grad():
            words = cast(Tensor, copies.towers.text.words)
            copy = cast(Reader, copies.reader)
            guess = copy.said(copies.text_states(seen)[1], mask, copied_cells, places, words).float().softmax(dim=2)
        return hidden_words(said, places, table["input_ids"], is_hidden, guess=guess, alpha=self.alpha * self.rise)


def two_towers(encoder: Encoder, who: str) -> TwoTowers:
    """Return an encoder that has two towers.

    Raises:
        ValueError: If it has not.
    """
    if not isinstance(encoder, TwoTowers):
        raise ValueError(
            f"{who} reads images and texts together and needs the two towers of modality=image_text, got "
            f"{type(encoder).__name__}"
        )
    return encoder


@torch.no_grad()
def drawn_negatives(
    logits: Float[Tensor, "b k"], is_same: Bool[Tensor, "b k"], drawn: Float[Tensor, " b"]
) -> Int64[Tensor, " b"]:
    """Return for every row a column that is not of its own, drawn by the softmax of its logits.

    Args:
        logits: Of a row with every column.
        is_same: Columns that are never drawn. A row with no other draws any.
        drawn: A number in [0, 1) for every row.
    """
    alone = is_same.all(dim=1, keepdim=True)
    shares = logits.float().masked_fill(is_same & ~alone, -torch.inf).softmax(dim=1).cumsum(dim=1)
    # Shares that are 0 are passed over: a column begins where the sum of those before it ends.
    return (shares <= drawn.unsqueeze(1) * shares[:, -1:]).sum(dim=1).clamp_max(logits.shape[1] - 1)
