"""How views of a signal differ, by name: which changes, how often and how strong."""

from typing import TYPE_CHECKING, Annotated, Literal, final

from pydantic import AfterValidator, Field

from anchorwise._config import Named, chosen_by_name

Chance = Annotated[float, Field(ge=0, le=1)]
Sigma = Annotated[float, Field(ge=0, le=100)]


def _ascending(shares: tuple[float, float]) -> tuple[float, float]:
    if shares[0] > shares[1]:
        raise ValueError(f"must have its lower number first, got {shares!r}")
    return shares


Shares = Annotated[
    tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]], AfterValidator(_ascending)
]


class SeriesViews(Named):
    """What is done to every view. Changes come in the order of the settings, each by a chance of its own.

    Attributes:
        pairs: "segment": all views are of one segment. "participant": every view is another segment of the same
            participant, drawn anew in every epoch; of the only one there is, it is that one.
        standardise: Before anything else: "segment" brings every channel of a segment to mean 0 and variance 1, "set"
            does it with one mean and one deviation of each channel of all training signals, which keeps how large a
            signal is; "none" takes signals as they are.
        cutout: Chance that a stretch of time is set to 0.
        cutout_share: Of the signal's steps, the lowest and the highest.
        magnitude_warp: Chance that a channel is multiplied with a smooth curve around 1, each with its own.
        magnitude_sigma: Standard deviation of the curve's knots.
        time_warp: Chance that time runs faster and slower, by a smooth curve; the ends stay.
        time_sigma: Standard deviation of the speed at its knots.
        crop: Chance that a stretch of time is drawn out to the whole length.
        crop_share: Of the signal's steps, the lowest and the highest.
        scaling: Chance that every channel is multiplied with a number.
        scaling_sigma: Standard deviation of that number around 1.
        noise: Chance of white noise.
        noise_sigma: Its standard deviation, on the scale of what was standardised.
        permutation: Chance that channels change their places.
    """

    pairs: Literal["segment", "participant"] = "segment"
    standardise: Literal["segment", "set", "none"] = "segment"
    cutout: Chance = 0.0
    cutout_share: Shares = (0.3, 0.5)
    magnitude_warp: Chance = 0.0
    magnitude_sigma: Sigma = 0.2
    time_warp: Chance = 0.0
    time_sigma: Sigma = 0.1
    crop: Chance = 0.0
    crop_share: Shares = (0.5, 1.0)
    scaling: Chance = 0.0
    scaling_sigma: Sigma = 0.1
    noise: Chance = 0.0
    noise_sigma: Sigma = 0.1
    permutation: Chance = 0.0


@final
class PPGViews(SeriesViews):
    """Those of the wearables' PPG, which has four optical channels; the noise's strength is ours.

    Source: Abbaspourazad et al. 2024, https://arxiv.org/abs/2312.05409, and the code released later with it.
    """

    name: Literal["ppg"] = "ppg"
    cutout: Chance = 0.4
    magnitude_warp: Chance = 0.25
    time_warp: Chance = 0.15
    noise: Chance = 0.25
    permutation: Chance = 0.25


@final
class ECGViews(SeriesViews):
    """Those of its ECG, of one channel, as public re-implementations have them; likewise."""

    name: Literal["ecg"] = "ecg"
    cutout: Chance = 0.8
    magnitude_warp: Chance = 0.5
    time_warp: Chance = 0.3
    noise: Chance = 0.5


@final
class PlainViews(SeriesViews):
    """Nothing is changed unless it is set: the start of a policy of one's own, and what two segments need least."""

    name: Literal["none"] = "none"


if TYPE_CHECKING:
    AnySeriesViews = SeriesViews
else:
    AnySeriesViews = chosen_by_name([PPGViews, ECGViews, PlainViews])
