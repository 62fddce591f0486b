"""The judge of neighbours under attack: how much of kNN is left where a small change of pixels moves an embedding most.

The attack needs no labels and no probe: within a ball around every test image it lowers the cosine of its embedding to
that of the image as it is, by gradient steps with momentum. It begins at a random place of the ball, as the cosine to
oneself has no gradient. Then the neighbours among clean training rows vote. Only this attack was tried: compare numbers
of the same attack alone.

Source of the attack: Dong et al. 2017, "Boosting Adversarial Attacks with Momentum", https://arxiv.org/abs/1710.06081,
there on a classifier's loss; on embeddings it is this library's.
"""

from typing import ClassVar, Literal, final

from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise._config import Count, Seed
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.attacking import Attacker, JudgingAttack, evenly_spread
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import origin_of
from anchorwise.evaluation.knn import knn_predictions
from anchorwise.evaluation.rows import labelled_rows
from anchorwise.pairs import unit_rows

# b = samples that are attacked at a time, d = features


class MomentumAttack(JudgingAttack):
    """MI-FGSM: an attack whose steps keep the direction of those before them.

    Attributes:
        decay: Share of the earlier steps' direction that stays; None follows each gradient alone.
    """

    decay: float | None = 1.0


@final
class EmbeddingAttack(Judge):
    """Accuracy of kNN on test images whose embedding was moved; it needs the encoder."""

    class Config(JudgeConfig):
        """How images are attacked, and who votes.

        Attributes:
            attack: 20 steps of 2/255 in a ball of 8/255 around each pixel, with momentum, from a random place of it.
            num_samples: Test images, evenly spread, that are attacked; all where there are fewer.
            num_neighbors: Neighbours that vote.
            seed: Decides where attacks begin.
        """

        name: Literal["embedding_attack"] = "embedding_attack"
        attack: MomentumAttack = MomentumAttack()
        num_samples: Count = 1000
        num_neighbors: Count = 20
        seed: Seed = 0

    primary: ClassVar[str] = "knn_attacked"
    needs_origin: ClassVar[bool] = True
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy on attacked images and on the same ones as they are, and how far embeddings were moved."""
        attack, k = self.config.attack, self.config.num_neighbors
        about = f"{attack.num_steps} steps of {255 * attack.step_size:g}/255 within {255 * attack.radius:g}/255"
        return (
            Metric("knn_attacked", f"kNN ({k}), attacked", "%", about=about),
            Metric("knn_before_attack", f"kNN ({k}), the same images, clean", "%"),
            Metric(
                "attacked_cosine",
                "cosine after the attack",
                digits=3,
                about="to the embedding before it",
                bounds=(-1.0, 1.0),
            ),
        )

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Attack test images and let neighbours vote.

        Raises:
            ValueError: If labels are missing, there are fewer training rows than neighbours, there are rows only,
                without their samples, or nobody knows where the pixels of these lie.
        """
        fitted, scored, _ = labelled_rows(train, test, self.device)
        if self.config.num_neighbors > len(fitted):
            raise ValueError(
                f"judges.embedding_attack.num_neighbors must be at most the {len(fitted)} training rows, got "
                f"{self.config.num_neighbors}"
            )
        name = self.config.name
        samples, frozen = origin_of(test, name)
        chosen = evenly_spread(len(scored), self.config.num_samples)
        places = chosen.to(scored.rows.device)
        clean = unit_rows(scored.rows)

        def loss_of(features: Float[Tensor, "b d"], ids: Int64[Tensor, " b"]) -> Tensor:
            return -(unit_rows(features) * clean[ids.to(clean.device)]).sum()

        attacker = Attacker(frozen, samples, name, device=self.device, work=self.work)
        rows = attacker.rows(chosen, loss_of, self.config.attack, seed=self.config.seed)
        cosines = (unit_rows(rows) * clean[places]).sum(dim=1).double()
        votes = {"knn_attacked": rows, "knn_before_attack": scored.rows[places]}
        numbers = {
            which: (float((self._voted(fitted.rows, fitted.labels, each) == scored.labels[places]).double().mean()),)
            for which, each in votes.items()
        }
        errors: dict[str, float | None] = dict.fromkeys(numbers)
        numbers["attacked_cosine"] = (float(cosines.mean()),)
        errors["attacked_cosine"] = float(cosines.std()) / len(cosines) ** 0.5
        return Judgement(numbers, errors, dict.fromkeys(numbers, len(chosen)))

    def _voted(self, rows: Tensor, labels: Tensor, asked: Tensor) -> Tensor:
        return knn_predictions(rows, labels, asked, max_neighbors=self.config.num_neighbors)[:, -1]
