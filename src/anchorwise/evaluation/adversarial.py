"""The judge of robust accuracy: the linear probe of clean images on test images that were attacked.

The probe's penalty is chosen, and the probe fitted, on clean training rows. Then every test image is changed within a
ball, pixel by pixel at most `radius`, so that the cross-entropy of encoder and probe together rises (PGD). Only this
attack was tried: accuracy under a stronger one may be lower, and an encoder whose gradients vanish looks better than it
is. Compare numbers of the same attack alone.

Source: Madry et al. 2017, "Towards Deep Learning Models Resistant to Adversarial Attacks",
https://arxiv.org/abs/1706.06083. The probe on a frozen encoder is what papers on adversarial contrastive learning call
standard linear finetuning (SLF).
"""

from typing import ClassVar, Literal, cast, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int64
from torch import Tensor

from anchorwise._config import Count
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, Judgement, Metric
from anchorwise.evaluation.clean_probe import CLEAN, CleanProbeConfig, choose_clean_probe
from anchorwise.evaluation.embed import evaluation_mode, on_device, origin_of
from anchorwise.evaluation.linear import LinearProbe, fit_probe
from anchorwise.evaluation.rows import labelled_rows
from anchorwise.modalities.attack import AttackConfig, attacked
from anchorwise.modalities.draws import noise
from anchorwise.modalities.encoder import Encoder, FrozenEncoder
from anchorwise.modalities.samples import Samples, moved

# m = attacked samples

_AT_ONCE = 256  # Images attacked at a time.


class JudgingAttack(AttackConfig):
    """PGD-20: an attack within a ball around every image; lengths are on the scale where pixels lie in [0, 1].

    Attributes:
        num_steps: Gradients taken.
    """

    num_steps: Count = 20


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
        samples, frozen = origin_of(test, self.config.name)
        fitted, scored, _ = labelled_rows(train, test, self.device)
        (penalty,) = choices.chosen[CLEAN.name]
        probe = fit_probe(fitted.rows, fitted.labels, penalty=penalty)
        right = probe.predict(scored.rows) == scored.labels
        num = min(self.config.num_samples, len(scored))
        chosen = torch.linspace(0, len(scored) - 1, num, dtype=torch.float64).round().long()
        survived = self._survived(frozen, samples, probe, scored.labels.cpu(), chosen)
        shares = {"robust": survived, "before_attack": right[chosen.to(right.device)], CLEAN.name: right}
        numbers = {name: (float(which.double().mean()),) for name, which in shares.items()}
        return Judgement(numbers, dict.fromkeys(numbers), {"robust": num, "before_attack": num})

    def _survived(
        self, frozen: FrozenEncoder, samples: Samples, probe: LinearProbe, labels: Tensor, chosen: Int64[Tensor, " m"]
    ) -> Bool[Tensor, " m"]:
        """Return which of the chosen samples the probe knows after the attack."""
        pixel_range = frozen.pixel_range()
        if pixel_range is None:
            raise ValueError(
                "judge 'adversarial' changes pixels, and has to know where they lie; this encoder, of views of your "
                "own or of no images, does not say: give images of bytes and a network that takes them scaled to [0, 1]"
            )
        pixel_range = pixel_range.to(self.device)
        found = list[Tensor]()
        with evaluation_mode(on_device(frozen.encoder, self.device)) as network:
            for ids in self.work.through(chosen.split(_AT_ONCE), "Attacking"):
                view = cast(Tensor, frozen.plain(moved(samples.take(ids), self.device)))
                truth = labels[ids].to(self.device)
                start = 2.0 * noise(ids.to(self.device), self.config.seed, view.shape[1:]) - 1.0

                def loss_of(changed: Tensor, truth: Tensor = truth) -> Tensor:
                    scores = probe.logits(cast(Encoder, network)(changed).float())
                    # A class that no training row has cannot be known: its images are wrong before the attack.
                    column = torch.searchsorted(probe.classes, truth).clamp_max(len(probe.classes) - 1)
                    return F.cross_entropy(scores, column, reduction="sum")

                changed = attacked(view, loss_of, self.config.attack, pixel_range, start=start)
                found.append(probe.predict(network(changed).float()) == truth)
        return torch.cat(found).cpu()
