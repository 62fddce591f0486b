"""ALBEF and what is built of its parts: the contrast's values, hard negatives, hidden tokens."""

import math
from dataclasses import replace

import pytest
import torch

from anchorwise import SoftTargets
from anchorwise.methods import METHODS
from anchorwise.methods.albef import drawn_negatives
from anchorwise.methods.outlook import Clock
from anchorwise.modalities.encoder import Encoder
from anchorwise.models.hidden_words import first_places
from anchorwise.objectives import build
from anchorwise.pairs import unit_rows
from tests.methods.test_sentences import Scaled, batch, rows
from tests.methods.training import method_of, optimizer_of, train, views_of_step


def soft(keys, queues=None, **settings):
    return SoftTargets(**settings)(rows(4, 0), rows(4, 0.3), keys=keys, queues=queues).item()


def test_the_contrast_has_the_values_of_its_formula():
    keys, queues = (rows(4, 0.05), rows(4, 0.35)), (rows(4, 5), rows(4, 6))
    assert soft(keys, queues, alpha=0.0) == pytest.approx(0.4482971647, abs=1e-10)
    assert soft(keys, queues, alpha=0.4) == pytest.approx(0.4752633353, abs=1e-10)


def test_the_sum_is_of_contrast_matching_and_hidden_tokens():
    method = method_of("albef", momentum=0.0)
    train(method, optimizer_of(method), range(2))
    views, given = views_of_step(method, 2)
    queues = (method.image_queue.rows.clone(), method.text_queue.rows.clone())
    image, text = method.encoder(views[0]), method.encoder(views[1])
    keys = (method.twin(views[0]), method.twin(views[1]))
    contrast = SoftTargets()(image, text, keys=keys, queues=queues, logit_scale=method.scale())
    outcome = method(views, given).outcome
    beside = outcome.loss.item() - contrast.item()
    # Two guesses among two, or about, and one among twelve tokens, none of them learnt yet.
    assert 0.2 * math.log(2.0) < beside < 3.0 * (math.log(2.0) + math.log(12.0))
    assert 0.0 <= outcome.stats["matching_accuracy"].min() <= outcome.stats["matching_accuracy"].max() <= 1.0
    assert set(given.ids.tolist()) <= set(method.image_queue.ids.tolist())


def test_matching_is_that_of_a_loop_over_pairs():
    method = method_of("albef").eval()
    views, given = views_of_step(method, 0)
    cells, states = method.encoder.image_states(views[0])[1], method.encoder.text_states(views[1])[1]
    mask = views[1]["attention_mask"]
    logits = of_texts, of_images = (5.0 * torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(0))).unbind()
    drawn = method.draws(given.ids, method.turn)[:, 0]
    total = 0.0
    for n in range(6):
        rest = [m for m in range(6) if m != n]
        other = []
        for number, by in enumerate((of_texts[n], of_images[n])):
            shares = torch.softmax(torch.stack([by[m] for m in rest]).float(), dim=0).cumsum(0)
            other.append(rest[min(int((shares <= drawn[number, n]).sum()), 4)])
        for label, (t, i) in zip((1, 0, 0), ((n, n), (n, other[0]), (other[1], n)), strict=True):
            said = method.reader(states[t : t + 1], mask[t : t + 1], cells[i : i + 1])[0]
            total += (said.logsumexp(0) - said[label]).item() / 18
    found = method._matching(states, mask, cells, logits, given)
    assert found.loss.item() == pytest.approx(total, rel=1e-5)


def test_negatives_are_drawn_by_the_scores_with_the_copies_rows():
    method = method_of("albef", momentum=1.0)
    train(method, optimizer_of(method), range(3))
    views, given = views_of_step(method, 3)
    image, text = (unit_rows(method.encoder(view)) for view in views)
    image_key, text_key = (unit_rows(method.twin(view)) for view in views)
    seen, matching = [], method._matching
    method._matching = lambda *asked: seen.extend(asked[3]) or matching(*asked)
    method(views, given)
    expected = [method.scale() * rows @ keys.T for rows, keys in ((text, image_key), (image, text_key))]
    assert all(torch.allclose(*pair, rtol=1e-5, atol=1e-6) for pair in zip(seen, expected, strict=True))
    assert not torch.allclose(seen[0], seen[1].T, atol=1e-3)


def test_the_temperature_stays_in_the_range_of_the_source():
    method = method_of("albef")
    for log_scale, held in ((-5.0, 2.0), (9.0, 1000.0), (3.0, math.exp(3.0))):
        method.scale.log_scale.data.fill_(log_scale)
        method.after_step(Clock(0, 40, 4))
        assert method.scale().item() == pytest.approx(held)


def test_negatives_follow_the_softmax_and_are_never_of_the_own_group():
    logits = torch.tensor([[9.0, 0.0, math.log(3.0), 9.0]]).repeat(4, 1)
    is_same = torch.tensor([[True, False, False, True]]).repeat(4, 1)
    assert drawn_negatives(logits, is_same, torch.tensor([0.0, 0.24, 0.26, 0.999])).tolist() == [1, 1, 2, 2]
    confident = torch.tensor([[1000.0, -1000.0]])
    assert drawn_negatives(confident, torch.tensor([[True, False]]), torch.tensor([0.5])).tolist() == [1]
    all_same = torch.ones(1, 3, dtype=torch.bool)
    assert drawn_negatives(torch.zeros(1, 3), all_same, torch.tensor([0.5])).tolist() == [1]


def test_hidden_places_come_first():
    is_hidden = torch.tensor([[False, True, False, True, False, False]])
    assert first_places(is_hidden, 0.15)[0, :2].tolist() == [1, 3]


@pytest.mark.parametrize("alpha", [0.0, 0.4])
def test_hidden_tokens_are_those_of_a_loop_over_tokens(alpha: float):
    method = method_of("albef", momentum=1.0, alpha=alpha, hidden_share=0.9)
    train(method, optimizer_of(method), range(3))
    method.eval()
    views, _ = views_of_step(method, 3)
    table = views[1]
    copies = method.twin.network.encoder
    cells, copied_cells = (towers.image_states(views[0])[1] for towers in (method.encoder, copies))
    seen = {"input_ids": table["hidden_ids"], "attention_mask": table["attention_mask"]}
    method.rise.fill_(0.5)

    def said_by(towers, cells, n: int):
        """What towers say at every place of a text."""
        words, head = towers.towers.text.words, towers.reader.hidden_words
        states = towers.text_states(seen)[1][n : n + 1]
        fused = towers.reader.fusion(states, table["attention_mask"][n : n + 1], cells[n : n + 1])[0]
        return head.transform(fused) @ words.T + head.bias

    losses = []
    for n in range(6):
        said, guess = said_by(method.encoder, cells, n), said_by(copies, copied_cells, n).softmax(dim=1)
        for place in table["is_hidden"][n].nonzero().flatten().tolist():
            logs, token = said[place].log_softmax(0), table["input_ids"][n, place]
            right, guessed = -logs[token], -sum(share * log for share, log in zip(guess[place], logs, strict=True))
            losses.append(((1 - 0.5 * alpha) * right + 0.5 * alpha * guessed).item())
    found = method._hidden(table, cells, copied_cells)
    assert found.loss.item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert found.per_anchor.mean().item() == pytest.approx(found.loss.item())


def test_what_the_copies_find_counts_more_and_more_in_the_first_epoch():
    method = method_of("albef", rise_epochs=2.0)
    risen = []
    for step in (0, 2, 8, 30):
        method.before_step(Clock(step, 40, 4))
        risen.append(method.rise.item())
    assert risen == [0.0, 0.25, 1.0, 1.0]
    at_once = method_of("albef", rise_epochs=0.0)
    at_once.before_step(Clock(0, 40, 4))
    assert at_once.rise.item() == 1.0
    views = [rows(4, 0), rows(4, 0.3)]
    keys = (rows(4, 0.1), rows(4, 0.2))
    half = SoftTargets(alpha=0.4)(*views, keys=keys, alpha_factor=torch.tensor(0.5))
    assert half.item() == pytest.approx(SoftTargets(alpha=0.2)(*views, keys=keys).item(), rel=1e-12)


def test_an_encoder_without_two_towers_is_refused():
    make = METHODS["albef"]
    with pytest.raises(ValueError, match="needs the two towers of modality=image_text, got Encoder"):
        make(Encoder(Scaled(), num_features=3), build({"name": "soft_targets"}), make.Config())


def of_rows(name, **settings):
    make = METHODS[name]
    return make(Encoder(Scaled(), num_features=3), build(dict(make.own_objective)), make.Config(**settings)).double()


def test_msd_in_one_part_is_the_contrast_of_albef_without_its_queues():
    views = [rows(4, 0), rows(4, 0.3)]
    found = of_rows("msd", num_parts=1)(views, batch()).outcome.loss.item()
    assert found == pytest.approx(soft((views[0], views[1]), alpha=0.4), rel=1e-6)


def test_msd_has_the_averages_rows_of_earlier_parts_as_further_negatives():
    views = [rows(4, 0), rows(4, 0.3)]
    first = SoftTargets()(views[0][:2], views[1][:2], keys=(views[0][:2], views[1][:2]))
    earlier = (views[0][:2], views[1][:2])
    second = SoftTargets()(views[0][2:], views[1][2:], keys=(views[0][2:], views[1][2:]), queues=earlier)
    outcome = of_rows("msd", num_parts=2)(views, batch()).outcome
    assert outcome.loss.item() == pytest.approx((first.item() + second.item()) / 2, rel=1e-6)
    uneven = of_rows("msd", num_parts=3)(views, batch()).outcome
    assert uneven.loss.item() == pytest.approx(uneven.per_anchor.mean().item(), rel=1e-6)


def test_what_is_known_to_be_the_same_is_a_target_in_the_queue_and_in_earlier_parts_too():
    views, ids = [rows(4, 0), rows(4, 0.3)], torch.tensor([7, 3, 7, 3])
    known = replace(batch(), groups=ids)
    targets = {"keys": (views[0], views[1]), "ids": ids}
    whole = of_rows("msd", num_parts=1)(views, known).outcome.loss.item()
    assert whole == pytest.approx(SoftTargets()(*views, **targets).item(), rel=1e-6)
    first = SoftTargets()(views[0][:2], views[1][:2], keys=(views[0][:2], views[1][:2]), ids=ids[:2])
    beside = {"queues": (views[0][:2], views[1][:2]), "queue_ids": (ids[:2], ids[:2])}
    second = SoftTargets()(views[0][2:], views[1][2:], keys=(views[0][2:], views[1][2:]), ids=ids[2:], **beside)
    parts = of_rows("msd", num_parts=2)(views, known).outcome.loss.item()
    assert parts == pytest.approx((first.item() + second.item()) / 2, rel=1e-6)

    method = method_of("albef", momentum=0.0)
    train(method, optimizer_of(method), range(2))
    given = replace(views_of_step(method, 2)[1], groups=torch.arange(6) % 3)
    queues = {"queues": (method.image_queue.rows.clone(), method.text_queue.rows.clone())}
    there = {"ids": given.groups, "queue_ids": (method.image_queue.ids.clone(), method.text_queue.ids.clone())}
    seen, detail = {}, method.objective.detail
    method.objective.detail = lambda *views, **asked: seen.update(asked) or detail(*views, **asked)
    method(views_of_step(method, 2)[0], given)
    assert torch.equal(seen["ids"], there["ids"])
    assert all(torch.equal(*pair) for pair in zip(seen["queue_ids"], there["queue_ids"], strict=True))
    assert all(torch.equal(*pair) for pair in zip(seen["queues"], queues["queues"], strict=True))


def test_ids_of_keys_must_stand_beside_each_other():
    views, queue = [rows(4, 0), rows(4, 0.3)], (rows(4, 5), rows(4, 6))
    with pytest.raises(ValueError, match="ids need queue_ids beside them where there are queues"):
        SoftTargets()(*views, keys=tuple(views), queues=queue, ids=torch.arange(4))
    with pytest.raises(ValueError, match="queue_ids need ids beside them"):
        SoftTargets()(*views, keys=tuple(views), queues=queue, queue_ids=(torch.arange(4), torch.arange(4)))


@pytest.mark.parametrize(("sums", "expected"), [(False, 0.7137279150), (True, 1.4274558299)])
def test_the_improved_baselines_have_the_values_of_their_formula(sums: bool, expected: float):
    views = [rows(4, shift) for shift in (0, 0.3, 0.1, 0.4, 0.2, 0.5)]
    method = of_rows("clip_rocket", sums=sums, local_head={"num_layers": 0})
    assert method.plan.total == 6
    assert method(views, batch()).outcome.loss.item() == pytest.approx(expected, rel=1e-6)


def test_without_local_views_the_improved_baseline_is_clip():
    method = of_rows("clip_rocket", num_local=0)
    assert method.plan.total == 2
    loss = method([rows(4, 0), rows(4, 0.3)], batch()).outcome.loss
    assert loss.item() == pytest.approx(0.0362571588, abs=1e-8)
