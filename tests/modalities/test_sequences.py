"""Sequences: stretches of one array, taken in one form whichever are taken."""

import torch

from anchorwise.modalities.sequences import LENGTHS, SIGNALS, Sequences, joined


def test_sequences_of_one_length_are_a_tensor_of_channels_over_time_and_may_overlap():
    flat = torch.arange(10.0)[:, None] * torch.tensor([1.0, 100.0])
    windows = Sequences(flat, torch.tensor([0, 2, 6]), torch.tensor([4, 4, 4]))
    taken = windows.taken(torch.tensor([2, 0]))
    assert taken.shape == (2, 2, 4)
    assert taken[0].tolist() == [[6, 7, 8, 9], [600, 700, 800, 900]]
    assert taken[1].tolist() == [[0, 1, 2, 3], [0, 100, 200, 300]]


def test_sequences_of_several_lengths_are_padded_with_zeros_and_say_their_lengths_always():
    parts = [torch.ones(3, 1), 2.0 * torch.ones(5, 1), 3.0 * torch.ones(3, 1)]
    sequences = joined(parts)
    taken = sequences.taken(torch.tensor([0, 1]))
    assert taken[SIGNALS].tolist() == [[[1, 1, 1, 0, 0]], [[2, 2, 2, 2, 2]]]
    assert taken[LENGTHS].tolist() == [3, 5]
    short = sequences.taken(torch.tensor([2, 0]))
    assert short[SIGNALS].shape == (2, 1, 3)
    assert torch.equal(sequences.of(1), parts[1])
    assert torch.equal(sequences.some(torch.tensor([2])).taken(torch.tensor([0])), 3.0 * torch.ones(1, 1, 3))
