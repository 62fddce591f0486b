"""What the systems on texts, and on images with texts, learn in minutes, beside counted words and beside each other.

    python -m benchmarks.language captions sentences --data text/ --out language.json

trains every row of these tables for every seed on one thread, judges it, and prints the tables in Markdown: means over
seeds with 95 % intervals (Student's t), and the differences from one row, seed by seed. A seed decides first weights,
batches and views and, where the data bring no test part, which are held out. The folder holds `flickr8k` (captions and
split files), `snli` and `stsb-en`; docstrings and glyphs need none. Runs are kept in the folder beside the JSON file,
so that the same call goes on after a stop; `--rows` names a few.
"""

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

import numpy as np
import torch

from anchorwise import _files
from anchorwise._config import Section
from anchorwise.evaluation.evaluate import judged_samples
from anchorwise.evaluation.pair_judge import TF_IDF
from anchorwise.evaluation.registry import settings_of
from anchorwise.evaluation.reranking import Reranking
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.evaluation.sts import spearman
from anchorwise.modalities.counted_words import counted_words
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.image_text.config import ImageTextData
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.samples import Samples, Splits
from anchorwise.modalities.text.captions import read_captions
from anchorwise.modalities.text.config import TextData
from anchorwise.modalities.text.tables import Texts, read_texts
from anchorwise.training import RunConfig, apply_overrides, pretrain, recipe
from anchorwise.training.state import initial_state
from benchmarks.over_seeds import Kept, interval, measured

QUIET = ("train.device=cpu", "train.log_to=[]", "train.knn_every_epochs=0")
LAST = ("loss", "matching_accuracy")  # Mean over the last quarter of the logged steps.
SENTENCES = "sentences.txt"  # Those of STS-B's training part, one a line.
LINES = "captions.txt"  # Those of Flickr8k's training photographs, likewise.


@dataclass(frozen=True)
class Row:
    """What is trained, and on what else than its own test part it is judged.

    Attributes:
        recipe: To start from.
        settings: What is changed of it; `{data}` and `{runs}` are folders, `{start}` is the run of another row.
        start: That row; it is trained first, with the same seed.
        steps: Trained so many; 0 is the encoder as it begins, None as the recipe has it.
        sts: Whether the pairs of STS-B's development part are judged as well.
    """

    recipe: str
    settings: Sequence[str] = ()
    start: str | None = None
    steps: int | None = None
    sts: bool = False


@dataclass(frozen=True)
class Table:
    """Rows that are compared.

    Attributes:
        rows: Their names.
        shown: Numbers.
        against: The row that the others' first number is compared with.
        words: Whether counted words are asked the same.
    """

    rows: Sequence[str]
    shown: Sequence[str]
    against: str
    words: bool = True


CAPTIONS, DOCSTRINGS, SNLI = "data.source={data}/flickr8k", "data.source=docstrings", "data.source={data}/snli"
STS = "sts_spearman_all"
_WARM = (
    f"data.source={{runs}}/{SENTENCES}",
    "encoder.path={start}/transformer",
    "data.tokenizer={start}/transformer",
    "encoder.pooling=mean",
    "method.head.num_layers=0",
    "optimizer.peak_lr=1e-4",
)
_PRETRAINED = (
    f"data.source={{runs}}/{SENTENCES}",
    "encoder.path={data}/all-MiniLM-L6-v2",
    "data.tokenizer={data}/all-MiniLM-L6-v2",
    "encoder.pooling=mean",
    "method.head.num_layers=0",
)
_RANDOM = (
    f"data.source={{runs}}/{LINES}",
    "encoder.name=bert-small",
    "encoder.num_layers=1",
    "encoder.pooling=mean",
    "method.head.num_layers=0",
    "optimizer.peak_lr=1e-3",
    "train.batch_size=256",
)
_ESIMCSE = ("method.name=esimcse", "views.repetition=0.32", "method.head.num_layers=0")
_READ = (
    "encoder.path={start}/transformer",
    "data.tokenizer={start}/transformer",
    "judges.reranking.search_weight=20.0",  # The best of nine on development photographs.
)
# Contrast over a list against classification of each, and the gradient's weight of the one in the other's direction.
_READERS: Mapping[str, Sequence[str]] = {
    "reranker-small": (),
    "reranker, direction of classification": ("objective.direction=difference",),
    "reranker by classification": ("objective.name=pointwise_ranking", "judges.reranking.score=difference"),
    "reranker by classification, direction of contrast": (
        "objective.name=pointwise_ranking",
        "objective.direction=yes",
    ),
}
_BEHIND = (
    "encoder.name=transformers",
    "encoder.path={start}/transformer",
    "data.tokenizer={start}/transformer",
    "optimizer.peak_lr=2e-4",
)
# One layer of fusion behind trained towers.
_FUSED = (
    "method.num_layers=1",
    "method.num_queued=1024",
    "encoder.image.pretrained={start}/image",
    "encoder.text.name=transformers",
    "encoder.text.path={start}/text/transformer",
    "data.tokenizer={start}/text/transformer",
    "train.batch_size=64",
)
_GUIDED = ("data.tokenizer={start}/transformer", "method.name=gist_embed", "method.guide={start}")

# Objectives in batches of 32; FastCLIP cannot leave out negatives, so CLIP is there without leaving them out too.
_SMALL: Mapping[str, Sequence[str]] = {
    "clip": (),
    "siglip": ("objective.name=siglip",),
    "clip, same names as negatives": ("train.exclude_groups=false",),
    "fast_clip, same names as negatives": (
        "objective.name=fast_clip",
        "objective.num_samples=22117",
        "train.exclude_groups=false",
    ),
}


def _glyphs(*settings: str, **given: int | str) -> Row:
    return Row("glyphs-clip", settings, **({"steps": 43} | given))  # pyright: ignore[reportArgumentType]


ROWS: Mapping[str, Row] = {
    "captions, untrained": Row("captions-small", [CAPTIONS], steps=0, sts=True),
    "captions-small": Row("captions-small", [CAPTIONS], sts=True),
    "captions, GISTEmbed": Row("captions-small", [CAPTIONS, *_GUIDED], start="captions-small", sts=True),
    "docstrings, untrained": Row("docstrings-small", steps=0),
    "docstrings-small": Row("docstrings-small"),
    "docstrings, CoCoSoDa": Row("docstrings-small", ["method.name=cocosoda"]),
    "pairs behind docstrings-small": Row("docstrings-small", _BEHIND, start="docstrings-small", steps=90),
    "CoCoSoDa behind docstrings-small": Row(
        "docstrings-small", ["method.name=cocosoda", *_BEHIND], start="docstrings-small", steps=90
    ),
    "snli, untrained": Row("snli-small", [SNLI], steps=0, sts=True),
    "snli-small": Row("snli-small", [SNLI], sts=True),
    "SimCSE behind captions-small": Row("simcse", _WARM, start="captions-small", sts=True),
    "ESimCSE behind captions-small": Row("simcse", [*_WARM, *_ESIMCSE], start="captions-small", sts=True),
    "SimCSE with hidden words behind captions-small": Row(
        "simcse", [*_WARM, "method.hidden_weight=0.1"], start="captions-small", sts=True
    ),
    "random weights": Row("simcse", _RANDOM, steps=0, sts=True),
    "SimCSE from random weights": Row("simcse", _RANDOM, steps=60, sts=True),
    "SimCSE with repetition from random weights": Row(
        "simcse", [*_RANDOM, "views.repetition=0.32"], steps=60, sts=True
    ),
    "ESimCSE from random weights": Row("simcse", [*_RANDOM, *_ESIMCSE, "method.num_queued=640"], steps=60, sts=True),
    "all-MiniLM-L6-v2": Row("simcse", _PRETRAINED, steps=0, sts=True),
    "SimCSE behind all-MiniLM-L6-v2": Row("simcse", _PRETRAINED, sts=True),
    "ESimCSE behind all-MiniLM-L6-v2": Row("simcse", [*_PRETRAINED, *_ESIMCSE], sts=True),
    "glyphs, untrained": _glyphs(steps=0),
    "glyphs, clip": _glyphs(),
    "glyphs, clip in batches of 32": _glyphs("train.batch_size=32"),
    "glyphs, clip_rocket": _glyphs("method.name=clip_rocket", "views.word_dropout=0.3"),
    "glyphs, msd": _glyphs("method.name=msd"),
    "glyphs, dcd": _glyphs("method.name=dcd"),
    "glyphs, astrea": _glyphs("method.name=astrea", "method.align_epochs=0.25"),
    "glyphs, albef": _glyphs("method.name=albef"),
    "longer, clip": Row("glyphs-clip"),
    "longer, msd": Row("glyphs-clip", ["method.name=msd", "method.momentum=0.95"]),
    "longer, astrea": Row("glyphs-clip", ["method.name=astrea", "method.momentum=0.95", "method.align_epochs=0.5"]),
    "longer, albef behind clip": _glyphs("method.name=albef", *_FUSED, start="longer, clip", steps=700),
    **{f"{name}, 32 a step": _glyphs("train.batch_size=32", *settings, steps=344) for name, settings in _SMALL.items()},
    "captions, two layers": Row("captions-small", [CAPTIONS, "encoder.num_layers=2", "encoder.dropout=0.0"], steps=100),
    **{
        name: Row("reranker-small", [CAPTIONS, *_READ, *settings], start="captions, two layers")
        for name, settings in _READERS.items()
    },
}
_RETRIEVAL = ("recall_at_1", "recall_at_5", "mrr")
_SEARCHED = ("mrr", "recall_at_1", "recall_at_10")
_BOTH_WAYS = ("recall_at_1", "reverse_recall_at_1", "recall_at_10", "mrr")
_RERANKED = ("reranked_mrr", "reranked_recall_at_1", "reranked_recall_at_5")
TABLES: Mapping[str, Table] = {
    "captions": Table(
        ("captions, untrained", "captions-small", "captions, GISTEmbed"), (*_RETRIEVAL, STS), "captions-small"
    ),
    "docstrings": Table(
        (
            "docstrings, untrained",
            "docstrings-small",
            "docstrings, CoCoSoDa",
            "pairs behind docstrings-small",
            "CoCoSoDa behind docstrings-small",
        ),
        _SEARCHED,
        "docstrings-small",
    ),
    "sentences": Table(("snli, untrained", "snli-small", "captions-small"), (STS,), "snli, untrained"),
    "warmed": Table(
        ("captions-small", *(name for name in ROWS if name.endswith("CSE behind captions-small") or "hidden" in name)),
        (STS,),
        "captions-small",
    ),
    "random weights": Table([name for name in ROWS if name.endswith("random weights")], (STS,), "random weights"),
    "pretrained": Table([name for name in ROWS if name.endswith("MiniLM-L6-v2")], (STS,), "all-MiniLM-L6-v2"),
    "glyphs": Table([name for name in ROWS if name.startswith("glyphs")], _BOTH_WAYS, "glyphs, clip", words=False),
    "longer": Table([name for name in ROWS if name.startswith("longer")], _BOTH_WAYS, "longer, clip", words=False),
    "small batches": Table([f"{name}, 32 a step" for name in _SMALL], _BOTH_WAYS, "clip, 32 a step", words=False),
    "reranking": Table(("captions, two layers", *_READERS), _RERANKED, "reranker-small"),
}


@dataclass(frozen=True)
class Bench:
    """Where data lie and runs go; what was read stays in memory, as many rows have the same."""

    data: Path
    runs: Path
    read: dict[str, Splits[Samples]] = field(default_factory=dict)

    def folder(self, name: str, seed: int) -> Path:
        """Return where the run of a row goes."""
        return self.runs / f"{name}, seed {seed}".replace(":", "")

    def config(self, name: str, seed: int) -> RunConfig:
        """Return what is trained."""
        row = ROWS[name]
        folders = {"data": self.data, "runs": self.runs}
        if row.start is not None:
            folders["start"] = self.folder(row.start, seed)
        seeds = [f"train.seed={seed}", f"data.seed={seed}"]
        steps = [f"train.num_steps={row.steps}"] if row.steps else []
        settings = [each.format(**folders) for each in row.settings]
        return apply_overrides(recipe(row.recipe), [*QUIET, *seeds, *steps, *settings])

    def measure(self, name: str, seed: int) -> dict[str, float]:
        """Return the numbers of a row: of its own test part, of STS-B's pairs, and what the training took."""
        row = ROWS[name]
        if row.start is not None and not (self.folder(row.start, seed) / "summary.json").is_file():
            self.measure(row.start, seed)
        if row.recipe == "simcse":
            self.write_sentences()
        config = self.config(name, seed)
        splits = self.splits(config.data)
        frozen, numbers = self.trained(name, seed, config, splits)
        judges = frozen.judged_by or modality_of(config.modality).judges_of(splits)
        if splits.test is not None:
            asked = settings_of(judges, like=config.judges)
            if frozen.encoder.reads_pairs and not frozen.judged_by:
                asked += (Reranking.Config(num_candidates=10),)
            numbers |= judged_samples(frozen, splits, EvaluationConfig(judges=asked)).numbers
        if row.sts:
            pairs = frozen.adapted(self.splits(TextData(source=str(self.data / "stsb-en" / "dev.csv"))).train)
            there = EvaluationConfig(judges=settings_of(["sts", "alignment"]))
            numbers |= judged_samples(frozen, Splits(pairs, pairs, pairs), there).numbers
        return numbers

    def trained(
        self, name: str, seed: int, config: RunConfig, splits: Splits[Samples]
    ) -> tuple[FrozenEncoder, dict[str, float]]:
        """Return an encoder, and what its training took where there was one."""
        if ROWS[name].steps == 0:
            frozen = initial_state(config, splits.pretrain, torch.device("cpu")).frozen()
            frozen.encoder.eval()
            return frozen, {}
        began = time.process_time()
        run = pretrain(config, self.folder(name, seed), splits=splits, show_progress=False)
        took = {"cpu_s": time.process_time() - began, "steps": run.summary()["num_steps"]}
        steps = [line for line in run.log() if line["kind"] == "step"]
        last = steps[-(len(steps) // 4 or 1) :]
        return run.encoder(), took | {key: fmean(line[key] for line in last) for key in LAST if key in last[-1]}

    def splits(self, data: Section) -> Splits[Samples]:
        """Return samples, read once."""
        key = data.model_dump_json()
        if key not in self.read:
            name = "image_text" if isinstance(data, ImageTextData) else "text"
            self.read[key] = modality_of(name).load(data)
        return self.read[key]

    def write_sentences(self) -> None:
        """Write the sentences of STS-B's training part and the captions of Flickr8k's, each once."""
        captions = read_captions(self.data / "flickr8k")[0]
        for name, found in ((SENTENCES, stsb(self.data, "train")), (LINES, captions)):
            texts = dict.fromkeys(text for row in found.rows for text in row)
            _files.write_text(self.runs / name, "\n".join(texts) + "\n")


def stsb(data: Path, part: str) -> Texts:
    """Return scored pairs of STS-B."""
    return read_texts(data / "stsb-en" / f"{part}.csv", None)


def words_alone(data: Path) -> float:
    """Return Spearman's correlation of TF-IDF fitted on STS-B's training part, on its development part."""
    known, asked = stsb(data, "train"), stsb(data, "dev")
    counted = counted_words([text for row in known.rows for text in row])
    first, second = (counted.transform([row[side] for row in asked.rows]) for side in range(2))
    cosines = torch.from_numpy(np.asarray(first.multiply(second).sum(axis=1)).ravel())
    return spearman(cosines, torch.tensor(asked.scores))


def lines_of(table: Table, found: Kept) -> list[str]:
    """Return a table in Markdown, with a column of differences from one row, seed by seed."""
    first, known = table.shown[0], found.get(table.against, {})
    lines = [f"| | {' | '.join(table.shown)} | {first} less that of {table.against} | CPU s |"]
    lines.append(f"|---|{'---|' * (len(table.shown) + 2)}")
    rows = {name: found[name] for name in table.rows if name in found}
    if table.words:
        rows = {"TF-IDF": {seed: _of_words(numbers) for seed, numbers in known.items()}} | rows
    for name, seeds in rows.items():
        cells = [
            _interval(number, [each[number] for each in seeds.values() if number in each]) for number in table.shown
        ]
        pairs = [(numbers, known[seed]) for seed, numbers in seeds.items() if seed in known and name != table.against]
        cells.append(_interval(first, [one[first] - other[first] for one, other in pairs if first in one], sign="+"))
        took = [numbers["cpu_s"] for numbers in seeds.values() if "cpu_s" in numbers]
        lines.append(f"| {name} | {' | '.join(cells)} | {f'{sum(took) / len(took):.0f}' if took else ''} |")
    return lines


def _of_words(numbers: Mapping[str, float]) -> dict[str, float]:
    """Return what counted words came to on the same samples, by the names of the encoder's numbers."""
    found = {name.removeprefix(TF_IDF): value for name, value in numbers.items() if name.startswith(TF_IDF)}
    return found | {f"reranked_{name}": value for name, value in found.items()}


def _interval(number: str, values: Sequence[float], *, sign: str = "") -> str:
    return interval(values, digits=1 if "recall" in number else 3, sign=sign) if values else ""


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", choices=[*TABLES], metavar="table", help=", ".join(TABLES))
    parser.add_argument("--data", type=Path, default=Path("text"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3], help="none prints what is there")
    parser.add_argument("--rows", nargs="+", choices=[*ROWS], metavar="row")
    given = parser.parse_args()
    torch.set_num_threads(1)
    bench = Bench(given.data, given.out.parent / f"{given.out.stem}-runs")
    rows = dict.fromkeys(name for table in given.tables for name in TABLES[table].rows)
    chosen = [name for name in rows if given.rows is None or name in given.rows]
    found = measured(chosen, given.seeds, bench.measure, given.out)
    if "sentences" in given.tables:
        print(f"TF-IDF fitted on STS-B's training part: {words_alone(given.data):.4f}")
    for table in given.tables:
        print("\n".join([f"\n{table}", "", *lines_of(TABLES[table], found)]))


if __name__ == "__main__":
    main()
