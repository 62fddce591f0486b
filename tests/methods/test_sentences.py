"""SimCSE and ESimCSE: values of their sources' formulas, and what goes where."""

import math

import pytest
import torch
from torch import Tensor, nn

from anchorwise.methods import METHODS
from anchorwise.methods.outlook import Clock
from anchorwise.modalities.encoder import Encoder
from anchorwise.modalities.samples import Batch
from anchorwise.models import HeadConfig
from anchorwise.objectives import build

NO_HEAD = HeadConfig(num_layers=0)
CLOCK = Clock(0, 10, 5)


def rows(number: int, shift: float) -> Tensor:
    i, j = torch.arange(number, dtype=torch.float64)[:, None], torch.arange(3, dtype=torch.float64)
    made = torch.sin(1 + 3 * i + 7 * j + 0.5 * i * j + shift)
    return made / made.norm(dim=1, keepdim=True)


class Scaled(nn.Module):
    """Leaves directions as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, view: Tensor) -> Tensor:
        return self.scale * view


def method_of(name: str, log_weight: float = 0.0, **settings):
    make = METHODS[name]
    objective = build({**make.own_objective, "hard_negative_log_weight": log_weight})
    return make(Encoder(Scaled(), num_features=3), objective, make.Config(head=NO_HEAD, **settings)).double()


def batch(first: int = 0) -> Batch:
    return Batch(torch.zeros(4, 1), torch.arange(first, first + 4))


def test_simcse_has_the_values_of_its_formulas():
    two = method_of("simcse")([rows(4, 0), rows(4, 0.3)], batch())
    assert two.outcome.loss.item() == pytest.approx(0.0188151474, abs=1e-10)
    method = method_of("simcse", num_negatives=1)
    assert method.plan.total == 3
    three = method([rows(4, 0), rows(4, 0.3), rows(4, 0.6)], batch())
    assert three.outcome.loss.item() == pytest.approx(0.2399703767, abs=1e-10)


def test_a_samples_own_hard_negative_counts_as_much_as_the_source_says():
    views = [rows(4, 0), rows(4, 0.3), rows(4, 0.6)]
    weighed = method_of("simcse", num_negatives=1, log_weight=math.log(2))(views, batch()).outcome
    assert weighed.loss.item() == pytest.approx(0.3452289444, abs=1e-10)
    # Weighed with 0 it is no negative of its own sample, and one of all others.
    logits = torch.cat([views[0] @ views[1].T, views[0] @ views[2].T], dim=1) / 0.05
    logits[torch.arange(4), 4 + torch.arange(4)] = -torch.inf
    only_others = nn.functional.cross_entropy(logits, torch.arange(4))
    without = method_of("simcse", num_negatives=1, log_weight=-100.0)(views, batch()).outcome
    assert without.loss.item() == pytest.approx(only_others.item(), abs=1e-10)


def test_of_several_hard_negatives_each_is_its_own_samples():
    first, second, third, fourth = (rows(4, shift) for shift in (0, 0.3, 0.6, 0.9))
    method = method_of("simcse", num_negatives=2, log_weight=1.5)
    logits = torch.cat([first @ other.T for other in (second, third, fourth)], dim=1) / 0.05
    own = torch.arange(4)
    logits[own, 4 + own] += 1.5
    logits[own, 8 + own] += 1.5
    expected = nn.functional.cross_entropy(logits, own)
    assert method([first, second, third, fourth], batch()).outcome.loss.item() == pytest.approx(expected.item())


def test_hidden_words_of_what_is_no_text_are_refused():
    with pytest.raises(ValueError, match=r"method.hidden_weight is for encoders of texts, got Encoder; leave it out"):
        method_of("simcse", hidden_weight=0.1)


def test_a_weight_of_hard_negatives_that_are_not_there_is_refused():
    with pytest.raises(ValueError, match=r"hard_negatives must be given where hard_negative_log_weight says"):
        method_of("simcse", log_weight=1.0)([rows(4, 0), rows(4, 1)], batch())


def test_esimcse_has_the_value_of_its_formula_and_that_of_simcse_before_there_are_keys():
    method = method_of("esimcse", num_queued=6)
    assert method([rows(4, 0), rows(4, 0.3)], batch()).outcome.loss.item() == pytest.approx(0.0188151474, abs=1e-10)
    method.queue.rows.copy_(rows(6, 5))
    method.queue.ids.copy_(torch.arange(10, 16))
    loss = method([rows(4, 0), rows(4, 0.3)], batch()).outcome.loss
    assert loss.item() == pytest.approx(0.0224207314, abs=1e-10)


def test_esimcse_queues_first_views_by_an_average_of_the_weights_before_the_step_without_dropout():
    make = METHODS["esimcse"]
    encoder = Encoder(nn.Sequential(nn.Linear(3, 5), nn.Dropout(0.5)), num_features=5)
    method = make(encoder, build(dict(make.own_objective)), make.Config(head=NO_HEAD, num_queued=8, momentum=0.5))
    method.train()
    start = [parameter.clone() for parameter in method.twin.parameters()]
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(1.0)
    method.before_step(CLOCK)
    for before, after in zip(start, method.twin.parameters(), strict=True):
        torch.testing.assert_close(after, before + 0.5)
    views = [rows(4, 0).float(), rows(4, 0.3).float()]
    method(views, batch())
    expected = nn.functional.normalize(method.twin.network.backbone[0](views[0]))
    torch.testing.assert_close(method.queue.rows[:4], expected)
    assert method.queue.ids.tolist() == [0, 1, 2, 3, -1, -1, -1, -1]


def test_a_sentence_that_stands_in_the_queue_is_no_negative_of_itself():
    method = method_of("esimcse", num_queued=4)
    method([rows(4, 0), rows(4, 0.3)], batch())
    again = method([rows(4, 0), rows(4, 0.3)], batch())
    alone = method_of("simcse")([rows(4, 0), rows(4, 0.3)], batch())
    # Keys of the other sentences count, its own does not: at cosine 1 it would cost at least log 2.
    assert float(alone.outcome.per_anchor.max()) < float(again.outcome.per_anchor.max()) < 0.5


def test_hard_negatives_want_an_objective_that_takes_them():
    make = METHODS["simcse"]
    with pytest.raises(ValueError, match=r"method.num_negatives must be 0 for DHEL, which takes no hard negatives"):
        make(Encoder(Scaled(), num_features=3), build({"name": "dhel"}), make.Config(num_negatives=1))


@pytest.mark.parametrize("name", ["info_nce", "weince", "weibit", "dcl"])
def test_hard_negatives_of_a_sample_are_negatives_of_all_rows_of_any_objective_that_takes_them(name: str):
    make, views = METHODS["simcse"], [rows(4, shift) for shift in (0, 0.3, 0.6)]
    objective = build({"name": name})
    method = make(Encoder(Scaled(), num_features=3), objective, make.Config(num_negatives=1, head=NO_HEAD)).double()
    found = method(views, batch()).outcome.loss
    assert found.item() == pytest.approx(build({"name": name})(*views[:2], hard_negatives=views[2:]).item(), rel=1e-12)
    assert found > build({"name": name})(*views[:2])


def cocosoda(temperature: float = 0.07, **settings):
    make = METHODS["cocosoda"]
    objective = build({**make.own_objective, "temperature": temperature})
    return make(Encoder(Scaled(), num_features=3), objective, make.Config(head=NO_HEAD, **settings)).double()


@pytest.mark.parametrize(
    ("temperature", "inner_terms", "expected"),
    [
        (0.07, False, 0.3606780503),
        (0.07, True, 0.2789313164),
        (0.07 / 20, False, 0.3377464688),
        (0.07 / 20, True, 0.2251643127),
    ],
)
def test_cocosoda_has_the_values_of_its_formulas(temperature: float, inner_terms: bool, expected: float):
    method = cocosoda(temperature, inner_terms=inner_terms, num_queued=4)
    for number, queue in enumerate(method.queues):
        queue.rows.copy_(rows(4, 5 + number))
        queue.ids.copy_(torch.arange(10, 14))
    views = [rows(4, shift) for shift in (0, 0.3, 0.1, 0.4)]
    outcome = method(views, batch()).outcome
    assert outcome.loss.item() == pytest.approx(expected, abs=1e-10)
    assert len(outcome.per_anchor) == (24 if inner_terms else 16)
    for queue, view in zip(method.queues, views, strict=True):
        torch.testing.assert_close(queue.rows, view)
        assert queue.ids.tolist() == [0, 1, 2, 3]


def test_cocosoda_without_softening_and_queues_is_the_cross_view_loss_of_both_directions():
    first, second = rows(4, 0), rows(4, 0.3)
    method = cocosoda(num_queued=4)
    loss = method([first, second, first, second], batch()).outcome.loss
    expected = build({"name": "cross_view", "temperature": 0.07})(first, second)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-12)


def test_cocosoda_queues_plain_rows_of_the_encoder_and_softened_ones_of_its_copy():
    make = METHODS["cocosoda"]
    encoder = Encoder(nn.Linear(3, 5), num_features=5)
    method = make(encoder, build(dict(make.own_objective)), make.Config(head=NO_HEAD, num_queued=4, momentum=0.5))
    with torch.no_grad():
        encoder.backbone.bias.add_(2.0)
    method.before_step(CLOCK)
    views = [rows(4, shift).float() for shift in (0, 0.3, 0.1, 0.4)]
    outcome = method(views, batch()).outcome
    outcome.loss.backward()
    for number, queue in enumerate(method.queues):
        network = method.online if number < 2 else method.twin
        torch.testing.assert_close(queue.rows, nn.functional.normalize(network(views[number])).detach())
    torch.testing.assert_close(method.twin.network.encoder.backbone.bias, (encoder.backbone.bias - 1.0).detach())
