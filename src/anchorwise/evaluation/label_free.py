"""The judge without labels: RankMe, alpha-ReQ and LiDAR (`anchorwise.evaluation.spectra`).

They are said to foretell what a linear probe will give. What each was worth on this library's own runs is in
`benchmarks/results` (label-free numbers): look there before you choose an encoder by one of them.
"""

from typing import ClassVar, Literal, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from anchorwise._config import Seed
from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.base import Choices, Judge, JudgeConfig, Judgement, Metric
from anchorwise.evaluation.embed import EmbeddedSamples, evaluation_mode, on_device
from anchorwise.evaluation.geometry import effective_rank
from anchorwise.evaluation.rows import judged_rows
from anchorwise.evaluation.spectra import alpha_req, lidar
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.samples import Samples
from anchorwise.modalities.seeds import mixed_seed
from anchorwise.modalities.views import ViewPlan

# s = samples, q = views of a sample, f = features

_AT_ONCE = 512  # Views encoded at a time.
_NO_VIEWS = (
    "LiDAR is left out: it needs random views of the samples, which features alone and own networks do not have."
)


@final
class LabelFree(Judge):
    """Numbers of the test rows that need no label; LiDAR where the encoder says how views of its samples are made."""

    class Config(JudgeConfig):
        """How LiDAR looks.

        Attributes:
            num_samples: Test samples, evenly spread, of which views are made; all where there are fewer.
            num_views: Views of each.
            seed: Decides the views.
        """

        name: Literal["label_free"] = "label_free"
        num_samples: int = Field(default=1000, ge=2, le=10**9)
        num_views: int = Field(default=10, ge=2, le=1000)
        seed: Seed = 0

    primary: ClassVar[str] = "rankme"
    config: Config

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Neither end of any is a merit by itself."""
        return (
            Metric("rankme", "RankMe", higher_is_better=None, digits=1),
            Metric("alpha_req", "alpha-ReQ", higher_is_better=None, digits=3, about="near 1 is said to be best"),
            Metric("lidar", "LiDAR", higher_is_better=None, digits=1),
        )

    def judge(self, train: Embeddings, test: Embeddings, choices: Choices) -> Judgement:
        """Measure the test rows, and views of some test samples.

        Raises:
            ValueError: If a row is not finite.
        """
        rows = judged_rows(test, self.device)
        numbers: dict[str, float | None] = {"rankme": effective_rank(rows), "alpha_req": alpha_req(rows)}
        views = None
        if isinstance(test, EmbeddedSamples) and test.frozen is not None and test.samples is not None:
            views = self._views(test.frozen, test.samples)
        numbers["lidar"] = None if views is None else lidar(views)
        notes = (_NO_VIEWS,) if views is None else ()
        return Judgement({name: (value,) for name, value in numbers.items() if value is not None}, notes=notes)

    def _views(self, frozen: FrozenEncoder, samples: Samples) -> Float[Tensor, "s q f"] | None:
        config = self.config
        maker = frozen.view_maker(ViewPlan(num_views=config.num_views))
        if maker is None:
            return None
        maker = maker.to(self.device)
        num_samples = min(config.num_samples, len(samples))
        chosen = torch.linspace(0, len(samples) - 1, num_samples, dtype=torch.float64).round().long()
        found = []
        with evaluation_mode(on_device(frozen.encoder, self.device)) as encoder:
            parts = chosen.split(max(1, _AT_ONCE // config.num_views))
            for ids in self.work.through(parts, "LiDAR, views"):
                seed = mixed_seed(config.seed, int(ids[0]))
                batch = maker.collect(samples, ids, seed=seed).to(self.device)
                found.append(torch.stack([encoder(view).float() for view in maker(batch, seed=seed)], dim=1))
        return torch.cat(found)
