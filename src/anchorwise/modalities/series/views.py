"""Views of signals: of one segment, or of several of one participant, each changed at random on the device."""

from typing import cast, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise.modalities.draws import HostDraws, noise
from anchorwise.modalities.samples import Batch, Samples, View
from anchorwise.modalities.sequences import LENGTHS, SIGNALS, signals_of, steps_there
from anchorwise.modalities.series.changes import (
    NUM_KNOTS,
    cut_out,
    gaussian,
    knot_curves,
    permuted,
    resampled,
    smooth,
    warped_places,
)
from anchorwise.modalities.series.policies import SeriesViews
from anchorwise.modalities.series.samples import SeriesSamples, as_series
from anchorwise.modalities.series.standardise import Standardisation, channel_statistics
from anchorwise.modalities.views import ViewMaker, ViewPlan

# b = samples of a batch, v = views, r = views of samples: those of the first view, then those of the second, and so on,
# c = channels, t = time steps, d = numbers that are drawn


class ChangedSignals(ViewMaker):
    """Views of one segment each. What is drawn depends on seed, segment and view alone.

    Args:
        policy: What is changed, how often and how much.
        plan: How many views the method takes.
        channels: Names of the signals' channels.
        rate_hz: Of the signals; None where nothing says.
        standardisation: Comes first.

    Raises:
        ValueError: If the method asks for what signals do not have.
    """

    is_capturable = True
    curves: Tensor

    def __init__(
        self,
        policy: SeriesViews,
        plan: ViewPlan,
        channels: tuple[str, ...],
        rate_hz: float | None,
        standardisation: Standardisation,
    ) -> None:
        super().__init__()
        plan.check_whole("signals")
        self.policy, self.num_views, self.standardisation = policy, plan.num_views, standardisation
        self.channels, self.rate_hz = channels, rate_hz
        self.register_buffer("curves", knot_curves(), persistent=False)
        # By name: how many numbers. The order decides which number is whose, so new ones come last.
        self.counts = {
            "is": 7,
            "cutout": 2,
            "magnitude": len(channels) * NUM_KNOTS,
            "time": NUM_KNOTS,
            "crop": 2,
            "scaling": len(channels),
            "permutation": len(channels),
        }

    def forward(self, batch: Batch, *, seed: int | Int64[Tensor, ""]) -> tuple[View, ...]:
        """Return the views."""
        signals, lengths = self._of_views(cast(View, batch.raw))
        num_views, num_rows, num_channels, num_steps = signals.shape
        rows = signals.reshape(num_views * num_rows, num_channels, num_steps)
        known = None if lengths is None else lengths.reshape(-1)
        made = self._changed(self.standardisation.scaled(rows, known), known, batch.drawn_by, seed)
        views = made.split(num_rows)
        if lengths is None:
            return views
        return tuple({SIGNALS: view, LENGTHS: of_view} for view, of_view in zip(views, lengths, strict=True))

    def plain(self, raw: View) -> View:
        """Return signals standardised."""
        return self.standardisation(raw)

    def _of_views(self, raw: View) -> tuple[Float[Tensor, "v b c t"], Int64[Tensor, "v b"] | None]:
        """Return the signals that each view is made of."""
        signals, lengths = signals_of(raw)
        views = None if lengths is None else lengths.expand(self.num_views, -1)
        return signals.expand(self.num_views, -1, -1, -1), views

    def _changed(
        self,
        rows: Float[Tensor, "r c t"],
        known: Int64[Tensor, " r"] | None,
        ids: Int64[Tensor, " b"],
        seed: int | Int64[Tensor, ""],
    ) -> Float[Tensor, "r c t"]:
        policy, (num_rows, num_channels, num_steps) = self.policy, rows.shape
        lengths = torch.full((num_rows,), num_steps, device=rows.device) if known is None else known
        of_noise = num_channels * num_steps if policy.noise else 0
        # Numbers before views and steps before channels: how far a batch is padded changes none of the earlier ones.
        drawn = noise(ids, seed, (sum(self.counts.values()) + of_noise, self.num_views)).permute(2, 0, 1)
        sizes = [*self.counts.values(), of_noise]
        parts = drawn.flatten(end_dim=1).split(sizes, dim=1)
        named = dict(zip([*self.counts, "noise"], parts, strict=True))
        chances = (
            policy.cutout,
            policy.magnitude_warp,
            policy.time_warp,
            policy.crop,
            policy.scaling,
            policy.noise,
            policy.permutation,
        )
        is_cut, is_warped, is_bent, is_cropped, is_scaled, is_noisy, is_permuted = (
            named["is"][:, place] < chance for place, chance in enumerate(chances)
        )
        if policy.cutout:
            share, place = named["cutout"].unbind(dim=1)
            rows = cut_out(rows, is_cut * _within(policy.cutout_share, share), place, lengths)
        if policy.magnitude_warp:
            knots = gaussian(named["magnitude"]).unflatten(1, (num_channels, NUM_KNOTS))
            curve = smooth(policy.magnitude_sigma * knots, self.curves, num_steps, lengths)
            rows = rows * (1.0 + curve * is_warped[:, None, None])
        if policy.time_warp or policy.crop:
            rows = resampled(rows, self._places(named, is_bent, is_cropped, lengths, num_steps))
        if policy.scaling:
            rows = rows * (1.0 + policy.scaling_sigma * is_scaled[:, None] * gaussian(named["scaling"])).unsqueeze(2)
        if policy.noise:
            white = gaussian(named["noise"]).unflatten(1, (num_steps, num_channels)).transpose(1, 2)
            rows = rows + policy.noise_sigma * is_noisy[:, None, None] * white
        if policy.permutation:
            rows = permuted(rows, named["permutation"], is_permuted)
        return rows if known is None else rows * steps_there(known, num_steps).unsqueeze(1)

    def _places(
        self,
        named: dict[str, Tensor],
        is_bent: Tensor,
        is_cropped: Tensor,
        lengths: Int64[Tensor, " r"],
        num_steps: int,
    ) -> Float[Tensor, "r t"]:
        """Return where in its signal every step of a view is taken from."""
        policy = self.policy
        places = torch.arange(num_steps, device=lengths.device).expand(len(lengths), -1).float()
        if policy.time_warp:
            knots = policy.time_sigma * gaussian(named["time"]).unsqueeze(1)
            speed = 1.0 + smooth(knots, self.curves, num_steps, lengths).squeeze(1)
            places = torch.where(is_bent.unsqueeze(1), warped_places(speed, lengths), places)
        if policy.crop:
            share = torch.where(is_cropped, _within(policy.crop_share, named["crop"][:, 0]), 1.0)
            first = named["crop"][:, 1] * (1.0 - share) * (lengths - 1)
            places = first.unsqueeze(1) + share.unsqueeze(1) * places
        return places


@final
class SegmentViews(ChangedSignals):
    """Views of one segment."""


@final
class ParticipantViews(ChangedSignals):
    """Every view but the first is another segment of the participant whom a segment is of, drawn by seed and segment.

    Source of the pairs: Abbaspourazad et al. 2024, section 3.1, https://arxiv.org/abs/2312.05409.
    """

    def __init__(
        self,
        policy: SeriesViews,
        plan: ViewPlan,
        channels: tuple[str, ...],
        rate_hz: float | None,
        standardisation: Standardisation,
    ) -> None:
        super().__init__(policy, plan, channels, rate_hz, standardisation)
        self.which = HostDraws(range(1, plan.num_views), [0])
        self._known = tuple[tuple[Samples, SeriesSamples], ...]()  # Those that were collected last.

    def collect(self, samples: Samples, ids: Int64[Tensor, " b"], *, seed: int) -> Batch:
        """Return segments with those of the other views behind them."""
        there = self._series(samples)
        members, num_views = there.members, self.num_views
        of, own = members.of[ids], members.place[ids]
        others = members.counts[of] - 1
        drawn = (self.which(ids, seed)[0] * others).long()
        places = torch.where(others > 0, drawn + (drawn >= own), own)
        chosen = torch.cat([ids.unsqueeze(0), members.numbers[of, places]])
        taken = there.take(chosen.T.flatten())
        if isinstance(taken, Tensor):
            return samples.batch(ids, taken.unflatten(0, (-1, num_views)))
        return samples.batch(ids, {name: part.unflatten(0, (-1, num_views)) for name, part in taken.items()})

    def _series(self, samples: Samples) -> SeriesSamples:
        if not self._known or self._known[0][0] is not samples:
            self._known = ((samples, as_series(samples)),)
        return self._known[0][1]

    def _of_views(self, raw: View) -> tuple[Float[Tensor, "v b c t"], Int64[Tensor, "v b"] | None]:
        signals, lengths = signals_of(raw)
        return signals.transpose(0, 1), None if lengths is None else lengths.T


def view_maker_of(policy: SeriesViews, plan: ViewPlan, samples: Samples) -> ChangedSignals:
    """Return what makes views of such samples.

    Raises:
        ValueError: If there are no such views of them.
    """
    there = as_series(samples)
    mean, std = channel_statistics(there.sequences)
    make = SegmentViews
    if policy.pairs == "participant":
        if int(there.members.counts.max()) < 2:
            raise ValueError(
                "views.pairs=participant needs participants with two segments or more, got one of each; cut recordings "
                "into segments (data.segment_steps), name the column that says whose they are (data.participant), or "
                "set views.pairs=segment"
            )
        make = ParticipantViews
    standardisation = Standardisation(policy.standardise, mean, std)
    return make(policy, plan, there.channels, there.rate_hz, standardisation)


def _within(shares: tuple[float, float], drawn: Tensor) -> Tensor:
    return shares[0] + (shares[1] - shares[0]) * drawn
