import pytest
import torch

from anchorwise.generation import MomentumDecoding
from anchorwise.generation.momentum_decoding import repeat_lengths

TEXT = [1, 2, 3, 7, 8, 2, 3]


def slow_length(text: list[int], candidate: int, longest: int) -> int:
    """The longest end of the text with the candidate that is an n-gram of the text."""
    after = [*text, candidate]
    for length in range(longest, 0, -1):
        end = after[-length:]
        if len(end) == length and any(text[start : start + length] == end for start in range(len(text) - length + 1)):
            return length
    return 0


def test_the_length_of_a_repetition_by_hand():
    assert repeat_lengths(torch.tensor([TEXT]), torch.tensor([[7, 8, 2, 9]])).tolist() == [[3, 1, 1, 0]]
    # Round the circle once more; ends are compared up to a length.
    assert repeat_lengths(torch.tensor([[4, 5, 4, 5, 4]]), torch.tensor([[5]])).tolist() == [[4]]
    assert repeat_lengths(torch.tensor([[4, 5, 4, 5, 4]]), torch.tensor([[5]]), longest=2).tolist() == [[2]]


def test_lengths_are_those_of_the_slow_twin_with_any_padding():
    generator = torch.Generator().manual_seed(0)
    for num_tokens in (1, 2, 5, 40):
        tokens = torch.randint(1, 4, (6, num_tokens), generator=generator)
        candidates = torch.tensor([[1, 2, 3, 0]]).expand(6, 4)
        for longest in (1, 3, 5):
            expected = [[slow_length(row.tolist(), v, longest) for v in (1, 2, 3, 0)] for row in tokens]
            assert repeat_lengths(tokens, candidates, longest=longest).tolist() == expected
            # Padding of a token that the texts have as well.
            padded = torch.cat([torch.ones(6, 3, dtype=torch.int64), tokens], dim=1)
            mask = torch.cat([torch.zeros(6, 3, dtype=torch.int64), torch.ones_like(tokens)], dim=1)
            assert repeat_lengths(padded, candidates, longest=longest, attention_mask=mask).tolist() == expected


def test_the_processor_takes_what_a_repetition_costs_off_the_probability():
    logits = torch.full((1, 12), -50.0)
    logits[0, [7, 8, 2, 9]] = torch.tensor([0.5, 0.2, 0.2, 0.1]).log()
    scores = MomentumDecoding(top_k=4)(torch.tensor([TEXT]), logits)
    expected = torch.tensor([0.5 - 0.6, 0.2 - 0.2, 0.2 - 0.2, 0.1])
    torch.testing.assert_close(scores[0, [7, 8, 2, 9]], expected, atol=1e-6, rtol=0)
    assert scores.argmax() == 9
    assert scores.isinf().sum() == 8
    assert MomentumDecoding(penalty=0.0)(torch.tensor([TEXT]), logits).argmax() == 7
    # A table of the release lets anything pass that is no repeated 4-gram.
    assert MomentumDecoding(resistance=(0, 0, 0, 0, 5, 5))(torch.tensor([TEXT]), logits).argmax() == 7


def test_tokens_that_pad_a_text_repeat_nothing():
    logits = torch.tensor([[0.6, 0.4]]).log()
    padded = torch.tensor([[0, 0, 0, 1]])
    # With padding taken for text, 0 is a token that it has; 1 it has in any case.
    assert MomentumDecoding(penalty=0.5)(padded, logits).argmax() == 0
    assert MomentumDecoding(penalty=0.5, pad_token_id=0)(padded, logits)[0].tolist() == pytest.approx([0.6, -0.1])


def test_what_is_out_of_range_is_refused():
    for given, words in (({"top_k": 0}, "top_k"), ({"penalty": -1.0}, "penalty"), ({"resistance": (1.0,)}, "l = 1")):
        with pytest.raises(ValueError, match=words):
            MomentumDecoding(**given)
