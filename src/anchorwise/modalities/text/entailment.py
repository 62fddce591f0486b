"""What follows from a sentence and what contradicts it: triples for training with hard negatives.

Source: Bowman et al. 2015, "A large annotated corpus for learning natural language inference" (SNLI),
https://arxiv.org/abs/1508.05326; the triples: Gao, Yao and Chen 2021, "SimCSE", section 4,
https://arxiv.org/abs/2104.08821. The layout is SentEval's: `s1.PART`, `s2.PART` and `labels.PART`, line by line.
"""

from collections import defaultdict
from pathlib import Path

from anchorwise import _checks, _files
from anchorwise.modalities.text.tables import Texts

LABELS = "labels."
_FOLLOWS, _CONTRADICTS, _SAYS_NOTHING = "entailment", "contradiction", "neutral"


def read_entailment(folder: Path) -> dict[str, Texts]:
    """Return the triples of every part: a premise, what follows from it, and what contradicts it.

    A premise with several of either gives a triple for each pair of them; one without gives none.

    Raises:
        UnusableFileError: If a file is missing, or damaged.
    """
    return {path.name.removeprefix(LABELS): _part(path) for path in sorted(folder.glob(f"{LABELS}*"))}


def _part(labels: Path) -> Texts:
    part = labels.name.removeprefix(LABELS)
    said = defaultdict[str, dict[str, list[str]]](lambda: {_FOLLOWS: [], _CONTRADICTS: [], _SAYS_NOTHING: []})
    with _files.reading(labels):
        columns = [_files.read_lines(labels.parent / name) for name in (f"s1.{part}", f"s2.{part}")]
        answers = _files.read_lines(labels)
        if {len(column) for column in columns} != {len(answers)}:
            raise ValueError(f"s1.{part}, s2.{part} and {labels.name} must have as many lines as each other")
        for premise, hypothesis, answer in zip(*columns, answers, strict=True):
            kinds = said[premise.strip()]
            kinds[_checks.one_of("a label", answer.strip(), kinds)].append(hypothesis.strip())
    rows = [
        (premise, follows, contradicts)
        for premise, kinds in said.items()
        for follows in kinds[_FOLLOWS]
        for contradicts in kinds[_CONTRADICTS]
        if premise and follows and contradicts
    ]
    distinct = tuple(dict.fromkeys(rows))
    return Texts(distinct, names=tuple(f"{part}:{number}" for number in range(len(distinct))))
