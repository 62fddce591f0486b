"""DCD: what is distilled beside its slow twin, and what it is where the teacher says nothing new."""

import math
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch
from torch import nn

from anchorwise.methods.dcd import distilled
from anchorwise.methods.teacher import Teacher
from anchorwise.modalities.encoder import FrozenEncoder
from anchorwise.modalities.views import ViewMaker
from tests.methods.test_albef import of_rows
from tests.methods.test_sentences import batch, rows


def slow(students, teachers, ids, scale: float, num_hardest: int) -> float:
    """The formula anchor by anchor; rows have length 1."""

    def dot(a, b) -> float:
        return math.fsum(x * y for x, y in zip(a, b, strict=True))

    total = 0.0
    for side in (0, 1):
        for i in range(len(ids)):
            others = [j for j in range(len(ids)) if ids[j] != ids[i]]
            hard = sorted(others, key=lambda j: -dot(teachers[side][i], teachers[1 - side][j]))[:num_hardest]
            logits = [
                [scale * dot(part[side][i], part[1 - side][j]) for j in (i, *hard)] for part in (teachers, students)
            ]
            logs = [[x - math.log(math.fsum(map(math.exp, of))) for x in of] for of in logits]
            p = [math.exp(x) for x in logs[0]]
            entropy = -math.fsum(x * y for x, y in zip(p, logs[0], strict=True))
            divergence = math.fsum(x * (y - z) for x, y, z in zip(p, *logs, strict=True))
            total += (1 - entropy / math.log(num_hardest + 1)) * divergence
    return total / (2 * len(ids))


@pytest.mark.parametrize("num_hardest", [1, 2, 5])
def test_what_is_distilled_is_that_of_the_slow_twin(num_hardest: int):
    students, teachers = (rows(6, 0), rows(6, 0.3)), (rows(6, 1.0), rows(6, 1.1))
    found = distilled(students, teachers, torch.arange(6), scale=4.0, num_hardest=num_hardest)
    lists = [[part.tolist() for part in side] for side in (students, teachers)]
    assert found.loss.item() == pytest.approx(slow(*lists, list(range(6)), 4.0, num_hardest), rel=1e-4)


def test_pairs_of_one_id_are_no_keys_of_each_other():
    students, teachers = (rows(6, 0), rows(6, 0.3)), (rows(6, 1.0), rows(6, 1.1))
    ids = torch.tensor([0, 0, 1, 2, 3, 4])
    found = distilled(students, teachers, ids, scale=4.0, num_hardest=2)
    lists = [[part.tolist() for part in side] for side in (students, teachers)]
    assert found.loss.item() == pytest.approx(slow(*lists, ids.tolist(), 4.0, 2), rel=1e-4)
    assert bool(distilled(students, teachers, ids * 0, scale=4.0, num_hardest=5).loss.isfinite())


def test_a_teacher_that_finds_what_the_student_finds_adds_nothing_and_nor_does_a_weight_of_none():
    views = [rows(4, 0), rows(4, 0.3)]
    clip = of_rows("clip")(views, batch()).outcome.loss.item()
    assert of_rows("dcd")(views, batch()).outcome.loss.item() == pytest.approx(clip, rel=1e-6)  # Its own average.
    method = of_rows("dcd", distillation=0.0)
    with torch.no_grad():
        method.teacher.twin.network.encoder.backbone.scale.fill_(-1.0)
    assert method(views, batch()).outcome.loss.item() == pytest.approx(clip, rel=1e-12)


def test_a_teacher_sees_images_as_its_own_samples_were_normalised_and_no_text_beyond_its_places():
    teacher, tokenizer = Teacher(None, nn.Identity(), momentum=0.5), MagicMock()
    teacher.frozen = MagicMock(spec=FrozenEncoder)
    teacher.frozen.text = SimpleNamespace(tokenizer=tokenizer, max_tokens=8)
    teacher.frozen.image = SimpleNamespace(spec=SimpleNamespace(mean=(0.2,), std=(0.5,)))
    views = MagicMock(spec=ViewMaker)
    views.tokenizer, views.max_tokens = tokenizer, 8
    views.images = SimpleNamespace(normalisation=SimpleNamespace(mean=torch.tensor([0.6]), std=torch.tensor([0.1])))
    teacher.meet(views, "method.teacher", "images with texts")
    pixels = torch.rand(2, 1, 3, 3)
    torch.testing.assert_close(teacher((pixels - 0.6) / 0.1), (pixels - 0.2) / 0.5)
    views.max_tokens = 9
    with pytest.raises(ValueError, match=r"reads texts of 8 tokens, got some of up to 9; set data\.max_tokens=8"):
        teacher.meet(views, "method.teacher", "images with texts")
