import pytest
import torch

from anchorwise.modalities.draws import Draws, noise

MASK = (1 << 64) - 1


def splitmix64(seed: int, count: int) -> list[int]:
    """Java's generator, one output after the other."""
    found, state = [], seed & MASK
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
        found.append(mixed ^ (mixed >> 31))
    return found


def test_the_generator_in_plain_python_is_the_published_one():
    # First outputs for the seed 1234567, as the reference code in C prints them.
    assert splitmix64(1234567, 2) == [6457827717110365317, 3203168211198807973]


@pytest.mark.parametrize("seed", [0, 1234567, (1 << 63) + 5, (1 << 64) - 1])
def test_the_numbers_of_sample_0_are_the_generators_outputs_in_order(seed: int):
    purposes = list(range(12))
    drawn = Draws([0], purposes)(torch.tensor([0]), seed)
    # The n-th purpose has the n-th state; the generator steps before it gives its first output.
    expected = [(number >> 40) / 2**24 for number in splitmix64(seed - 0x9E3779B97F4A7C15, 12)]
    assert drawn.flatten().tolist() == expected


def test_a_number_depends_on_seed_sample_view_and_purpose_alone():
    ids = torch.tensor([7, 3, 10**9, 0])
    whole = Draws([0, 1, 5], [2, 3, 40])(ids, 11)
    assert whole.shape == (3, 3, 4)
    assert torch.equal(Draws([0, 1, 5], [2, 3, 40])(ids.flip(0), 11), whole.flip(2))
    assert torch.equal(Draws([5], [40])(ids[1:2], 11), whole[2:, 2:, 1:2])
    assert len(whole.unique()) == whole.numel()
    assert not torch.isin(Draws([0, 1, 5], [2, 3, 40])(ids, 12), whole).any()


def test_a_seed_on_the_device_draws_as_one_on_the_host():
    draws, ids = Draws([0, 1], [0, 1, 2]), torch.arange(5)
    for seed in (3, (1 << 63) - 1):
        assert torch.equal(draws(ids, torch.tensor(seed)), draws(ids, seed))


def test_numbers_are_even_and_neighbours_in_every_direction_are_unrelated():
    drawn = Draws(range(4), range(16))(torch.arange(2000), 0).double()
    # 128,000 numbers: the standard error of the mean is 0.0008, of a sixteenth's share 0.0007.
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.003)
    shares = torch.histc(drawn, 16, 0.0, 1.0) / drawn.numel()
    assert (shares - 1 / 16).abs().max() < 0.003
    centred = drawn - 0.5
    for axis in range(3):
        first, second = (centred.narrow(axis, start, centred.shape[axis] - 1) for start in (0, 1))
        assert abs(float((first * second).mean()) * 12) < 0.015  # A correlation; its standard error is 0.003.


def test_noise_is_a_generator_of_its_own_for_every_sample():
    ids = torch.tensor([7, 3, 10**9])
    found = noise(ids, 11, (2, 5))
    assert found.shape == (3, 2, 5)
    assert torch.equal(noise(ids.flip(0), torch.tensor(11), (2, 5)), found.flip(0))
    assert len(found.unique()) == found.numel()
    # What a generator seeded by the hash of sample and seed gives.
    (seed,) = splitmix64((7 - 1) * 0x9E3779B97F4A7C15 + 11, 1)
    expected = [(number >> 40) / 2**24 for number in splitmix64(seed - 0x9E3779B97F4A7C15, 10)]
    assert found[0].flatten().tolist() == expected
    many = noise(torch.arange(100), 5, (1000,))
    assert float(many.mean()) == pytest.approx(0.5, abs=0.005)
    assert float(many.var()) == pytest.approx(1 / 12, rel=0.01)
