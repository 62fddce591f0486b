"""The judge of robust accuracy: the linear probe of clean images on test images that were attacked.

The probe's penalty is chosen, and the probe fitted, on clean training rows. Then every test image is changed within a
ball, pixel by pixel at most `radius`, so that the cross-entropy of encoder and probe together rises (PGD). Only this
attack was tried: accuracy under a stronger one may be lower, and an encoder whose gradients vanish looks better than it
is. Compare numbers of the same attack alone.

Source: Madry et al. 2017, "Towards Deep Learning Models Resistant to Adversarial Attacks",
https://arxiv.org/abs/1706.06083. The probe on a frozen encoder is what papers on adversarial contrastive learning call
standard linear finetuning (SLF).
"""

from typing import ClassVar, Literal, final

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise._config import Count
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.attacking import Attacker, JudgingAttack, evenly_spread
from anchorwise.evaluation.base import Choices, Judge, Judgement, Metric
from anchorwise.evaluation.clean_probe import CLEAN, CleanProbeConfig, choose_clean_probe
from anchorwise.evaluation.embed import origin_of
from anchorwise.evaluation.linear import fit_probe
from anchorwise.evaluation.rows import labelled_rows

# b = samples that are attacked at a time, d = features


@final
class Adversarial(Judge):
    """Accuracy of the clean-trained linear probe on attacked test images; it needs the encoder."""

    class Config(CleanProbeConfig):
        """How images are attacked.

        Attributes:
            attack: 20 steps of 2/255 in a ball of 8/255 around each pixel (PGD-20), from a random place of it.
            num_samples: Test images, evenly spread, that are attacked; all where there are fewer.
        """

        name: Literal["adversarial"] = "adversarial"
        attack: JudgingAttack = JudgingAttack()
        num_samples: Count = 1000

    primary: ClassVar[str] = "robust"
    needs_origin: ClassVar[bool] = True
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Accuracy on attacked images, on the same ones as they are, and on all clean ones."""
        attack = self.config.attack
        about = f"{attack.num_steps} steps of {255 * attack.step_size:g}/255 within {255 * attack.radius:g}/255"
        return (
            Metric("robust", "linear probe, attacked", "%", about=about),
            Metric("before_attack", "the same images, clean", "%"),
            CLEAN,
        )

    def choose(self, train: Embeddings) -> Choices:
        """Choose the penalty of the probe.

        Raises:
            ValueError: If labels are missing or no class has two rows, of two groups where there are groups.
        """
        return choose_clean_probe(train, self.config, self.device)

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Attack and score test images.

        Raises:
            ValueError: If there are rows only, without their samples, or nobody knows where the pixels of these lie.
        """
        fitted, scored, _ = labelled_rows(train, test, self.device)
        (penalty,) = choices.chosen[CLEAN.name]
        probe = fit_probe(fitted.rows, fitted.labels, penalty=penalty)
        labels = scored.labels

        def loss_of(features: Float[Tensor, "b d"], ids: Int64[Tensor, " b"]) -> Tensor:
            truth = labels[ids.to(labels.device)]
            # A class that no training row has cannot be known: its images are wrong before the attack.
            column = torch.searchsorted(probe.classes, truth).clamp_max(len(probe.classes) - 1)
            return F.cross_entropy(probe.logits(features), column, reduction="sum")

        name = self.config.name
        samples, frozen = origin_of(test, name)
        chosen = evenly_spread(len(scored), self.config.num_samples)
        attacker = Attacker(frozen, samples, name, device=self.device, work=self.work)
        rows = attacker.rows(chosen, loss_of, self.config.attack, seed=self.config.seed)
        places = chosen.to(labels.device)
        right = probe.predict(scored.rows) == labels
        shares = {"robust": probe.predict(rows) == labels[places], "before_attack": right[places], CLEAN.name: right}
        numbers = {name: (float(which.double().mean()),) for name, which in shares.items()}
        return Judgement(numbers, dict.fromkeys(numbers), {"robust": len(chosen), "before_attack": len(chosen)})
