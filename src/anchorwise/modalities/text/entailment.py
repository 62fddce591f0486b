"""What follows from a sentence and what contradicts it: triples for training with hard negatives.

Source: Bowman et al. 2015, "A large annotated corpus for learning natural language inference" (SNLI),
https://arxiv.org/abs/1508.05326; the triples: Gao, Yao and Chen 2021, "SimCSE", section 4,
https://arxiv.org/abs/2104.08821. The layout is SentEval's: `s1.PART`, `s2.PART` and `labels.PART`, line by line.
"""

from collections import defaultdict
from pathlib import Path

from anchorwise import _checks, _files
from anchorwise.modalities.samples import Skipped
from anchorwise.modalities.text.tables import Texts

LABELS = "labels."
_KINDS = _FOLLOWS, _CONTRADICTS, _SAYS_NOTHING = "entailment", "contradiction", "neutral"


def read_entailment(folder: Path) -> dict[str, Texts]:
    """Return the triples of every part: a premise, what follows from it, and what contradicts it.

    A premise with several of either gives a triple for each pair of them; one without gives none.

    Raises:
        UnusableFileError: If a file is missing, or damaged.
    """
    return {path.name.removeprefix(LABELS): _part(path) for path in sorted(folder.glob(f"{LABELS}*"))}


def _part(labels: Path) -> Texts:
    part = labels.name.removeprefix(LABELS)
    said = defaultdict[str, dict[str, list[str]]](lambda: {kind: [] for kind in _KINDS})
    skipped = list[Skipped]()
    with _files.reading(labels):
        columns = [_files.read_lines(labels.parent / name) for name in (f"s1.{part}", f"s2.{part}")]
        answers = _files.read_lines(labels)
        if {len(column) for column in columns} != {len(answers)}:
            raise ValueError(f"s1.{part}, s2.{part} and {labels.name} must have as many lines as each other")
        for number, (premise, hypothesis, answer) in enumerate(zip(*columns, answers, strict=True), start=1):
            kind = _checks.one_of("a label", answer.strip(), _KINDS)
            if premise.strip() and hypothesis.strip():
                said[premise.strip()][kind].append(hypothesis.strip())
            else:
                skipped.append(Skipped(f"{part}:{number}", "one of its sentences is empty"))
    rows = [
        (premise, follows, contradicts)
        for premise, kinds in said.items()
        for follows in kinds[_FOLLOWS]
        for contradicts in kinds[_CONTRADICTS]
    ]
    distinct = tuple(dict.fromkeys(rows))
    names = tuple(f"{part}:{number}" for number in range(len(distinct)))
    return Texts(distinct, names=names, skipped=tuple(skipped))
