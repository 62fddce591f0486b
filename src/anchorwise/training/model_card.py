"""A model card: what an exported encoder was trained on and how, what it scores, and where that comes from.

Source: Mitchell et al. 2019, "Model Cards for Model Reporting", https://arxiv.org/abs/1810.03993; the lines at the top
are those that Hugging Face's hub reads.
"""

import inspect
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from anchorwise import _files
from anchorwise._config import read_section
from anchorwise._own_code import has_own, is_own
from anchorwise.evaluation.results import Evaluation
from anchorwise.methods import METHODS
from anchorwise.modalities.base import Exported
from anchorwise.modalities.fingerprint import DataFacts
from anchorwise.training.config import RunConfig
from anchorwise.training.run_directory import RunDirectory

CARD_FILE, EVALUATION_FILE = "README.md", "evaluation.json"
_SOURCE = re.compile(r"^Source: (.*?)(?:\n\n|\Z)", re.DOTALL | re.MULTILINE)


def model_card(run: RunDirectory, exported: Exported) -> str:
    """Return the card of a finished run as Markdown; scores are those of the run's own evaluation, if it has one.

    Raises:
        FileNotFoundError: If the run is not done.
        UnusableFileError: If a file of it is damaged.
    """
    summary, name = run.summary(), run.path.resolve().name
    parts = [
        "---",
        f"library_name: {exported.loads_in}",
        "tags: [anchorwise, contrastive-learning, feature-extraction]",
        "---",
        f"# {name}",
        f"An encoder pretrained by contrast: {_trained(run)}, with anchorwise {_version(run)}.",
        f"```python\n{exported.imports}\n\n{exported.how_to_load}\n```",
        "## Training",
        _table(("setting", "value"), _settings(run, summary)),
        "## Scores",
        *_scores(run.path / EVALUATION_FILE),
        "## Sources",
        "\n".join(f"- {source}" for source in _sources(run)),
    ]
    return "\n".join(parts[:4]) + "\n\n" + "\n\n".join(parts[4:]) + "\n"


def _trained(run: RunDirectory) -> str:
    config = run.config()
    return f"method `{_own(config).get('method', config.method.name)}` on {_samples(run)}"


def _own(config: RunConfig) -> dict[str, str]:
    """Return what was given in Python, in words: the configuration's own sections of these did not count."""
    return config.own or {}


def _samples(run: RunDirectory) -> str:
    return read_section(DataFacts, run.data_file).pretrain.what


def _version(run: RunDirectory) -> str:
    path = run.path / "environment.json"
    if not path.is_file():
        return "of an unknown version"
    with _files.reading(path):
        return str(json.loads(path.read_text(encoding="utf-8"))["anchorwise"])


def _settings(run: RunDirectory, summary: dict[str, Any]) -> Iterable[tuple[str, str]]:
    config, own = run.config(), _own(run.config())
    # A path says where a file lay, and with it whose it was; the card keeps its name.
    yield "data", f"{Path(config.data.source).name}: {_samples(run)}"
    objective = config.objective.model_dump() if config.objective is not None else {}
    encoder = config.encoder.model_dump(exclude_defaults=True, exclude_none=True) | {"name": config.encoder_name}
    for name, settings in (
        ("objective", objective),
        ("method", config.method.model_dump(exclude={"head"}, exclude_none=True)),
        ("encoder", encoder),
    ):
        yield name, f"`{own[name]}`" if name in own else _said(settings)
    yield "optimiser", _said(config.optimizer.model_dump(exclude_none=True))
    yield "length", f"{summary['num_steps']:,} steps of {config.train.batch_size} samples, seed {config.train.seed}"


def _said(settings: dict[str, Any]) -> str:
    name, rest = settings.get("name"), {key: value for key, value in settings.items() if key != "name"}
    shown = {key: value.name if isinstance(value, Path) else value for key, value in rest.items()}
    return ", ".join([f"`{name}`", *(f"{key}={value}" for key, value in shown.items())])


def _scores(path: Path) -> list[str]:
    if not path.is_file():
        return [
            "No scores lie with the run: `anchorwise evaluate RUN` (without `--out`) writes them there, and the next "
            "export has them."
        ]
    found = Evaluation.load(path)
    notes = [note for judge in found.judged.values() for note in judge.notes]
    table = _table(("number", "value", "interval"), found.rows())
    return [table, "\n".join([*notes, found.what_intervals_cover()])]


def _sources(run: RunDirectory) -> list[str]:
    """Return what the modules of method and objective name as their sources."""
    config, own = run.config(), _own(run.config())
    method, objective = config.method.name, config.objective
    kinds: list[type] = [] if "method" in own or is_own(method) else [METHODS[method]]
    if objective is not None and "objective" not in own and not has_own(objective.model_dump()):
        kinds.append(type(objective.build()))
    found = [_SOURCE.search(inspect.getmodule(kind).__doc__ or "") for kind in kinds]
    return list(dict.fromkeys(" ".join(match[1].split()) for match in found if match))


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', ' ') for cell in line)} |" for line in lines)
