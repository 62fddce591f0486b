"""One encoder on several data sets: a table, and a set that fails does not lose the others."""

import pytest
import torch
from rich.console import Console

from anchorwise.evaluation.classification import Classification
from anchorwise.evaluation.few_shot import FewShot
from anchorwise.evaluation.geometry_judge import GeometryJudge
from anchorwise.evaluation.results import EvaluationConfig
from anchorwise.evaluation.table import evaluation_table
from anchorwise.evaluation.transfer import Transfer, transfer
from anchorwise.evaluation.work import Work
from anchorwise.modalities.images.channels import with_channels
from anchorwise.modalities.images.encoders import EncoderConfig, build_encoder
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.storage import EncoderSpec, StoredEncoder
from anchorwise.modalities.samples import Samples, Splits

CONFIG = EvaluationConfig(judges=(Classification.Config(split_seeds=(0,), penalties=(0.1,), knn_max_neighbors=3),))
GEOMETRY = EvaluationConfig(judges=(GeometryJudge.Config(),))


@pytest.fixture
def frozen() -> StoredEncoder:
    torch.manual_seed(0)
    config = EncoderConfig(width=8)
    encoder = build_encoder(config, num_channels=3, image_size_px=8).eval()
    return StoredEncoder(
        encoder, EncoderSpec(encoder=config, num_channels=3, image_size_px=8, mean=(0.5,) * 3, std=(0.2,) * 3)
    )


def splits(num_channels: int, seed: int = 0) -> Splits[Samples]:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (36, num_channels, 8, 8), dtype=torch.uint8, generator=generator)
    whole = ImageSet(pixels, torch.arange(36) % 3, ("a", "b", "c"), tuple(map(str, range(36))))
    train = whole.subset(torch.arange(24))
    return Splits(train, train, whole.subset(torch.arange(24, 36)))


def first_half(samples: Samples) -> Samples:
    return samples.subset(torch.arange(len(samples) // 2))


def absent() -> Splits[Samples]:
    raise FileNotFoundError("nothing is there")


def test_grey_and_coloured_sets_stand_in_one_table_beside_what_failed(frozen, tmp_path):
    said: list[str] = []
    sets = {"coloured": lambda: splits(3), "gone": absent, "four": lambda: splits(4), "grey": lambda: splits(1)}
    result = transfer(frozen, sets, CONFIG, say=said.append)
    assert list(result.results) == ["coloured", "grey"]
    assert result.failures["gone"] == "nothing is there"
    assert "images of 3 channels, got 4" in result.failures["four"]
    assert [line for line in said if "failed" not in line][-1] == "grey: 4 of 4 data sets"
    assert result.columns() == ["data set", "train", "test", "linear probe %", "kNN %", "recall@1 %"]
    assert [row[:3] for row in result.rows()] == [["coloured", "24", "12"], ["grey", "24", "12"]]
    cell = result._repr_html_()
    assert "<th>data set</th>" in cell
    assert all(name in cell for name in (*result.results, *result.failures))
    result.save(tmp_path / "transfer.json")
    assert Transfer.load(tmp_path / "transfer.json") == result


def test_the_samples_of_each_set_may_decide_who_is_asked(frozen):
    sets = {"all": lambda: splits(3), "few": lambda: splits(3).changed(first_half)}
    result = transfer(frozen, sets, lambda asked: GEOMETRY if len(asked.train) < 24 else CONFIG)
    assert [list(one.judged) for one in result.results.values()] == [["classification"], ["geometry"]]
    assert [judge.name for judge in result.config.judges] == ["classification", "geometry"]


def test_below_the_table_stands_what_each_kind_of_interval_is_over(frozen):
    few_shot = FewShot.Config(num_ways=2, num_shots=(1,), num_queries=2, num_episodes=4)
    config = EvaluationConfig(judges=(*CONFIG.judges, few_shot), interval_level=0.9)
    result = transfer(frozen, {"coloured": lambda: splits(3), "grey": lambda: splits(1)}, config)
    console = Console(width=200, no_color=True)
    with console.capture() as shown:
        console.print(evaluation_table("run", result))
    assert [line.strip() for line in shown.get().splitlines()[-3:]] == [
        "[ ]: 90 % interval over test rows.",
        "[ ] of nearest centroid, logistic regression: 90 % interval over episodes, drawn from the same test rows.",
        "No interval covers another training of the encoder.",
    ]


def test_a_stopped_table_goes_on_with_what_is_kept_and_other_samples_are_others(frozen, tmp_path, monkeypatch):
    work = Work(kept=tmp_path)
    first = transfer(frozen, {"a": lambda: splits(3)}, CONFIG, work=work)
    monkeypatch.setattr("anchorwise.evaluation.transfer.judged_samples", None)
    assert transfer(frozen, {"a": lambda: splits(3)}, CONFIG, work=work) == first
    with pytest.raises(TypeError):
        transfer(frozen, {"a": lambda: splits(3, seed=1)}, CONFIG, work=work)


def test_colour_becomes_grey_as_television_does_it_and_grey_is_repeated_without_memory():
    colours = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]], dtype=torch.uint8).view(4, 3, 1, 1)
    assert with_channels(colours, 1).flatten().tolist() == [76, 150, 29, 255]
    grey = torch.arange(4, dtype=torch.uint8).view(1, 1, 2, 2)
    assert with_channels(grey, 3).stride(1) == 0
    assert torch.equal(with_channels(grey, 3)[0, 2], grey[0, 0])
