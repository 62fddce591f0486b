"""How good are the tail estimators? Simulated scores of known laws, from 32 to 3277 tail points.

    OMP_NUM_THREADS=1 python benchmarks/tail_calibration.py --hardware 2-core-epyc

Every tail is the hardest tenth of its row. Writes `benchmarks/results/tail-calibration_HARDWARE_DATE` as Markdown and
JSON; `tail_calibration_tables.py` makes the Markdown. `--scale 0.1` runs a tenth of the rows.
"""

import argparse
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from scipy import stats
from tail_calibration_tables import markdown
from torch import Tensor

from anchorwise import _files, synthetic, tails
from anchorwise.links import MIN_SHORTFALL
from anchorwise.reporting.environment import environment

RESULTS = Path(__file__).parent / "results"
NUM_ROWS = {32: 3000, 102: 3000, 327: 2000, 1024: 1000, 3277: 800}
NUM_NULL_ROWS = {32: 20_000, 102: 20_000, 327: 20_000, 1024: 10_000, 3277: 5000}
SCIPY_ROWS = 8
CHUNK_SCORES = 4_000_000
DIMENSIONS = (3, 8, 32, 128, 512)
CLUSTERED_SETS = {102: 50, 327: 50}
CLUSTER_ANCHORS = 8
CLUSTER_DIMENSION = 16
RESAMPLES = 200

Draw = Callable[..., Tensor]
Row = dict[str, Any]


@dataclass(frozen=True)
class Law:
    """A law of scores and what is true of its tail.

    Attributes:
        name: With its scales.
        draw: Takes a shape and a generator.
        shape: Of the generalised Pareto law: at every depth if `exact`, otherwise in the limit.
        exact: Whether the excess over any threshold is generalised Pareto.
        endpoint: Where scores end; None where they do not.
        exponent: Of the shortfall from 1; None where the law is none such.
    """

    name: str
    draw: Draw
    shape: float
    exact: bool
    endpoint: float | None = None
    exponent: float | None = None


def laws() -> Iterator[Law]:
    """Yield all laws of independent scores."""
    yield Law("exponential, mean 0.1 from -0.5", synthetic.exponential_scores, 0.0, exact=True)
    yield Law("Gaussian, deviation 0.1", synthetic.gaussian_scores, 0.0, exact=False)
    yield Law("Student, 4 degrees, scale 0.03", synthetic.student_scores, 0.25, exact=False)
    for exponent in (0.5, 1.0, 2.0, 2.5, 3.0, 4.0, 8.0, 16.0):
        draw = partial(synthetic.shortfall_scores, exponent=exponent)
        name = f"shortfall power {exponent:g}, width 1.5"
        yield Law(name, draw, -1.0 / exponent, exact=True, endpoint=1.0, exponent=exponent)
    for endpoint, exponent in ((0.7, 3.0), (0.9, 8.0)):
        draw = partial(synthetic.shortfall_scores, exponent=exponent, endpoint=endpoint, width=1.2)
        name = f"power {exponent:g} ending at {endpoint:g}, width 1.2"
        yield Law(name, draw, -1.0 / exponent, exact=True, endpoint=endpoint)
    for dimension in DIMENSIONS:
        draw = partial(synthetic.sphere_scores, dimension=dimension)
        exponent = (dimension - 1) / 2.0
        # In three dimensions cosines are uniform: a power of the shortfall at every depth.
        yield Law(
            f"sphere, dimension {dimension}", draw, -1.0 / exponent, exact=dimension == 3, endpoint=1.0,
            exponent=exponent,
        )  # fmt: skip


def measured(top: Tensor, num_tail: int) -> dict[str, Tensor]:
    """Return all estimates of rows of their largest scores."""
    found: dict[str, Tensor] = {}
    for method in ("likelihood", "moments", "weighted_moments"):
        law = tails.pareto_estimate(top, num_tail=num_tail, method=method)
        found |= {f"{method}.{part}": getattr(law, part) for part in ("shape", "low", "high", "log_likelihood")}
    end = tails.endpoint_estimate(top, num_tail=num_tail, cap=None)
    found |= {f"end.{part}": getattr(end, part) for part in ("endpoint", "low", "high")}
    hill, laws_aic = tails.hill_estimate(top, num_tail=num_tail), tails.law_comparison(top, num_tail=num_tail)
    found |= {f"hill.{part}": getattr(hill, part) for part in ("exponent", "low", "high")}
    found |= {f"aic.{part}": getattr(laws_aic, part) for part in ("exponential", "shortfall", "pareto")}
    return found | evidence(top, num_tail)


def evidence(top: Tensor, num_tail: int) -> dict[str, Tensor]:
    """Return what speaks for the shortfall law, calibrated and as published."""
    likelihood = tails.likelihood_evidence(top, num_tail=num_tail)
    published = tails.published_evidence(top, num_tail=num_tail)
    return {
        "delta_aic": likelihood.delta_aic,
        "pvalue": likelihood.pvalue,
        "published_delta_aic": published.delta_aic,
    }


def simulate(
    law: Law, num_tail: int, num_rows: int, measure: Callable[[Tensor, int], dict[str, Tensor]], seed: int
) -> tuple[dict[str, Tensor], Tensor]:
    """Return the measurements of all rows, and the largest scores of the first few."""
    generator = torch.Generator().manual_seed(seed)
    chunk = max(1, CHUNK_SCORES // (10 * num_tail))
    parts, first = [], torch.empty(0)
    for start in range(0, num_rows, chunk):
        scores = law.draw((min(chunk, num_rows - start), 10 * num_tail), generator=generator)
        # A few more than the tail, since what lies at the cap is left out of it.
        top = scores.topk(num_tail + 1 + max(50, num_tail // 20), dim=1).values
        first = top[:SCIPY_ROWS] if start == 0 else first
        parts.append(measure(top, num_tail))
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}, first


def calibrate(law: Law, num_tail: int, num_rows: int, seed: int) -> Row:
    """Return one row of the report."""
    found, first = simulate(law, num_tail, num_rows, measured, seed)
    row: Row = {"law": law.name, "num_tail": num_tail, "num_rows": num_rows, "truth": law.shape, "exact": law.exact}
    row |= {"endpoint": law.endpoint, "exponent": law.exponent, **evidence_summary(found)}
    for method in ("likelihood", "moments", "weighted_moments"):
        row[method] = {**spread(found[f"{method}.shape"], law.shape), **coverage(found, method, law.shape)}
    truth = math.inf if law.endpoint is None else law.endpoint
    row["end"] = {**coverage(found, "end", truth), "median": median(found["end.endpoint"])}
    row["end"]["no_upper_end"] = share(found["end.high"] == math.inf)
    if law.exponent is not None:
        row["hill"] = {**spread(found["hill.exponent"], law.exponent), **coverage(found, "hill", law.exponent)}
    row["scipy_lead"] = scipy_lead(first, found["likelihood.log_likelihood"], num_tail)
    return row


def evidence_summary(found: dict[str, Tensor]) -> Row:
    """Return how often each test and each criterion speaks for the shortfall law."""
    summary: Row = {"rejected": share(found["pvalue"] < 0.05)}
    for name in ("delta_aic", "published_delta_aic"):
        summary[f"{name}_median"], summary[f"{name}_above_2"] = median(found[name]), share(found[name] > 2.0)
    if "aic.pareto" in found:
        table = torch.stack([found[f"aic.{name}"] for name in ("exponential", "shortfall", "pareto")])
        best = table.nan_to_num(nan=math.inf).argmin(dim=0)
        summary["least_aic"] = [share(best == index) for index in range(3)]
    return summary


def scipy_lead(tops: Tensor, ours: Tensor, num_tail: int) -> float:
    """Return by how much scipy's log-likelihood exceeds ours at most, over the first rows.

    Fits that scipy carries to shapes of -1 or less, where the likelihood has no maximum, and rows without one are no
    comparison.
    """
    leads = [-math.inf]
    for top, own in zip(tops, ours, strict=False):
        usable = top[top < 1.0 - MIN_SHORTFALL]
        y = (usable[:num_tail] - usable[num_tail]).numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            start = (1.0 - y.mean() ** 2 / y.var()) / 2.0
            scale = max(y.mean() * (1.0 - start), -1.01 * start * y.max())
            shape, _, scale = stats.genpareto.fit(y, start, floc=0.0, scale=scale)
            theirs = float(stats.genpareto.logpdf(y, shape, scale=scale).sum())
        if shape > -1.0 and bool(own.isfinite()):
            leads.append(theirs - float(own))
    return max(leads)


def spread(values: Tensor, truth: float) -> Row:
    """Return bias and standard deviation of the rows that have an estimate, and the share of those that have none."""
    known = values[values.isfinite()]
    return {"bias": float(known.mean()) - truth, "deviation": float(known.std()), "missing": share(~values.isfinite())}


def coverage(found: dict[str, Tensor], name: str, truth: float) -> Row:
    """Return the share of intervals that hold the truth; those that are not there do not."""
    return {"covered": share((found[f"{name}.low"] <= truth) & (truth <= found[f"{name}.high"]))}


def share(marks: Tensor) -> float:
    """Return the share of marked rows."""
    return float(marks.double().mean())


def median(values: Tensor) -> float:
    """Return the median of the rows that have a value."""
    return float(values.nanmedian())


def clustered(num_tail: int, num_sets: int, spread_in_clusters: float, truth: float) -> Row:
    """Return what happens to intervals and tests where the negatives of an anchor come in clusters of ten.

    Every cosine alone has the law of a uniform point, whose exponent at this depth is the truth. For the test the
    cosines are carried over to exponential scores, rank by rank.
    """
    generator = torch.Generator().manual_seed(2000)
    law = stats.beta((CLUSTER_DIMENSION - 1) / 2, (CLUSTER_DIMENSION - 1) / 2, loc=-1, scale=2)
    parts = []
    for _ in range(num_sets):
        clusters = synthetic.clustered_points(
            num_tail, 10, dimension=CLUSTER_DIMENSION, spread=spread_in_clusters, generator=generator
        )
        anchors = synthetic.sphere_points(CLUSTER_ANCHORS, dimension=CLUSTER_DIMENSION, generator=generator)
        scores = anchors @ clusters.points.T
        hill = tails.hill_estimate(scores, num_tail=num_tail)
        blocked = tails.block_bootstrap(
            lambda s: tails.hill_estimate(s, num_tail=num_tail).exponent,
            scores,
            blocks=clusters.cluster_ids,
            num_resamples=RESAMPLES,
            generator=generator,
        )
        exponential = -0.5 - 0.1 * torch.from_numpy(law.logsf(scores.numpy()))
        parts.append(
            {
                "hill.exponent": hill.exponent,
                "hill.low": hill.low,
                "hill.high": hill.high,
                "blocked.low": blocked.low,
                "blocked.high": blocked.high,
                **evidence(exponential, num_tail),
            }
        )
    found = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return {
        "num_tail": num_tail,
        "num_sets": num_sets,
        "spread": spread_in_clusters,
        "truth": truth,
        "hill": {**spread(found["hill.exponent"], truth), **coverage(found, "hill", truth)},
        "blocked": coverage(found, "blocked", truth),
        "stated_error": truth / math.sqrt(num_tail),
        **evidence_summary(found),
    }


def run(scale: float) -> dict[str, Any]:
    """Return all rows of the report, telling each on the terminal as it is done."""
    started = time.monotonic()

    def told(row: Row) -> Row:
        print(f"{time.monotonic() - started:6.0f} s  {row.get('law', 'clusters')}, {row['num_tail']}", flush=True)
        return row

    def sized(number: int) -> int:
        return max(round(scale * number), 2)

    rows = [told(calibrate(law, m, sized(n), seed)) for seed, law in enumerate(laws()) for m, n in NUM_ROWS.items()]
    null_law = next(laws())
    null = []
    for m, n in NUM_NULL_ROWS.items():
        found, _ = simulate(null_law, m, sized(n), evidence, seed=1000)
        null.append(told({"law": "null", "num_tail": m, "num_rows": sized(n), **evidence_summary(found)}))
    generator = torch.Generator().manual_seed(3000)
    many = synthetic.sphere_scores((1, 4_000_000), dimension=CLUSTER_DIMENSION, generator=generator)
    truth = float(tails.hill_estimate(many, num_tail=400_000).exponent)
    clusters = [
        told(clustered(m, sized(n), spread_in_clusters, truth))
        for spread_in_clusters in (0.5, 1.0, 4.0)
        for m, n in CLUSTERED_SETS.items()
    ]
    spent = {"wall_time_s": time.monotonic() - started, "cpu_time_s": time.process_time()}
    return {"rows": rows, "null": null, "clusters": clusters, **spent}


def main() -> None:
    """Run the calibration and write its report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hardware", required=True, help="short name of the machine, for the file name")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows to simulate")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    where = environment()
    report = {"environment": where, **run(arguments.scale)}
    stem = f"tail-calibration_{arguments.hardware}_{where['date'][:10]}"
    _files.write_text(arguments.out / f"{stem}.json", json.dumps(report, indent=1) + "\n")
    _files.write_text(arguments.out / f"{stem}.md", markdown(report))


if __name__ == "__main__":
    main()
