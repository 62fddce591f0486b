import pytest

from anchorwise.comparison import Contender, Study
from anchorwise.evaluation.classification import Classification
from anchorwise.evaluation.geometry_judge import GeometryJudge
from anchorwise.methods import SimCLR
from anchorwise.modalities.images import EncoderConfig
from anchorwise.modalities.images.config import DataConfig
from anchorwise.models import HeadConfig
from anchorwise.training import AdamW, ObjectiveConfig, TrainConfig


def tempered(name: str, *temperatures: float) -> Contender:
    grid = tuple({"objective.temperature": temperature} for temperature in temperatures)
    return Contender(objective=ObjectiveConfig(name=name), grid=grid)


def tiny_study() -> Study:
    """Three objectives on 60 digits, two steps a training: 10 runs in a few seconds."""
    return Study(
        name="tiny",
        data_sets={"digits": DataConfig(source="digits", num_train_images=60, num_test_images=40)},
        encoder=EncoderConfig(name="small", width=8),
        method=SimCLR.Config(head=HeadConfig(output_width=8)),
        optimizer=AdamW(peak_lr=2e-3, warmup_epochs=0),
        train=TrainConfig(num_epochs=1, batch_size=30, log_every_steps=1, knn_every_epochs=1, device="cpu"),
        objectives={
            "info_nce": tempered("info_nce", 0.2, 0.5),
            "dcl": tempered("dcl", 0.2, 0.5),
            "arctanh": Contender(label="arctanh link", objective=ObjectiveConfig(name="arctanh")),
        },
        baseline="info_nce",
        seeds=(1, 2),
        judges=(
            Classification.Config(split_seeds=(0, 1), penalties=(0.1,), knn_max_neighbors=5),
            GeometryJudge.Config(),
        ),
    )


@pytest.fixture
def study() -> Study:
    return tiny_study()
