"""Contrastive search: its choice by hand, and whole texts against a twin without cache, batch and padding."""

import math

import pytest
import torch

from anchorwise.generation import MomentumDecoding, contrastive_search
from anchorwise.generation.contrastive_search import contrastive_choice


def rows(number: int, shift: float) -> torch.Tensor:
    """Unit rows of width 3."""
    made = [[math.sin(1 + 3 * i + 7 * j + 0.5 * i * j + shift) for j in range(3)] for i in range(number)]
    return torch.nn.functional.normalize(torch.tensor(made, dtype=torch.float64), dim=1)


def test_a_candidate_pays_for_its_nearest_state_by_hand():
    context, candidates = rows(3, 0), rows(2, 4)
    nearest = (candidates @ context.T).amax(dim=1)
    assert nearest.tolist() == pytest.approx([0.941139, 0.908221], abs=1e-6)
    is_token = torch.ones(1, 3, dtype=torch.bool)
    for p, penalty, chosen in (([0.6, 0.4], 0.6, 0), ([0.52, 0.48], 0.6, 1), ([0.52, 0.48], 0.0, 0)):
        given = (torch.tensor([p], dtype=torch.float64), candidates[None], context[None], is_token)
        assert contrastive_choice(*given, penalty=penalty).tolist() == [chosen]


def test_no_candidate_meets_padding():
    context = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    candidates = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    even = torch.tensor([[0.5, 0.5]])
    assert contrastive_choice(even, candidates, context, torch.tensor([[False, True]])).tolist() == [0]
    assert contrastive_choice(even, candidates, context, torch.tensor([[True, False]])).tolist() == [1]


transformers = pytest.importorskip("transformers", reason='not installed: pip install "anchorwise[text]"')


def gpt2() -> torch.nn.Module:
    config = transformers.GPT2Config(
        vocab_size=23, n_positions=32, n_embd=16, n_layer=2, n_head=2, bos_token_id=None, eos_token_id=None
    )
    return transformers.GPT2LMHeadModel(config)


def llama() -> torch.nn.Module:
    config = transformers.LlamaConfig(
        vocab_size=23,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        bos_token_id=None,
        eos_token_id=None,
    )
    return transformers.LlamaForCausalLM(config)


@pytest.fixture(params=[gpt2, llama])
def model(request):
    torch.manual_seed(0)
    made = request.param().double().eval()
    with torch.no_grad():  # Random models say one word; larger weights make them say several.
        for weight in made.parameters():
            weight.mul_(8.0 if weight.ndim > 1 else 1.0)
    return made


PROMPTS = [[3, 4, 5, 6, 7], [9, 2], [11, 12, 13]]
PADDED = torch.tensor([[0] * (5 - len(prompt)) + prompt for prompt in PROMPTS])
MASK = torch.tensor([[0] * (5 - len(prompt)) + [1] * len(prompt) for prompt in PROMPTS])


@torch.no_grad()
def slow_search(model, prompt: list[int], num_new: int, penalty: float, top_k: int) -> list[int]:
    """Every candidate of one text is read whole, and cosines are taken one by one."""
    text = list(prompt)
    for _ in range(num_new):
        made = model(input_ids=torch.tensor([text]), output_hidden_states=True)
        odds, states = made.logits[0, -1].softmax(dim=0).tolist(), made.hidden_states[-1][0].tolist()
        found = []
        for v in sorted(range(len(odds)), key=lambda v: -odds[v])[:top_k]:
            after = model(input_ids=torch.tensor([[*text, v]]), output_hidden_states=True).hidden_states[-1][0, -1]
            worst = max(
                math.fsum(a * b for a, b in zip(after.tolist(), state, strict=True))
                / (math.hypot(*after.tolist()) * math.hypot(*state))
                for state in states
            )
            found.append(((1 - penalty) * odds[v] - penalty * worst, v))
        text.append(max(found)[1])
    return text


@pytest.mark.whole
@pytest.mark.usefixtures("as_users_call")
@pytest.mark.parametrize(("penalty", "top_k"), [(0.6, 4), (0.3, 2), (1.0, 23)])
def test_a_padded_batch_is_continued_as_every_text_alone_without_a_cache(model, penalty, top_k):
    made = contrastive_search(model, PADDED, attention_mask=MASK, max_new_tokens=8, penalty=penalty, top_k=top_k)
    for row, mask, prompt in zip(made, MASK, PROMPTS, strict=True):
        expected = slow_search(model, prompt, 8, penalty, top_k)
        assert row[int((mask == 0).sum()) :].tolist() == expected
    assert len(set(made[:, 5:].flatten().tolist())) > 3


@pytest.mark.whole
@pytest.mark.usefixtures("as_users_call")
def test_without_a_penalty_it_is_greedy_search(model):
    made = contrastive_search(model, PADDED, attention_mask=MASK, max_new_tokens=6, penalty=0.0)
    plain = model.generate(
        PADDED, attention_mask=MASK, max_new_tokens=6, do_sample=False, pad_token_id=0, eos_token_id=None
    )
    assert made.tolist() == plain.tolist()


@pytest.mark.whole
@pytest.mark.usefixtures("as_users_call")
def test_a_text_ends_by_itself_and_its_neighbours_go_on(model):
    given = {"attention_mask": MASK, "max_new_tokens": 8}
    free = contrastive_search(model, PADDED, **given)
    last = free[0, 6].item()
    ended = contrastive_search(model, PADDED, eos_token_id=last, **given)
    for row, before in zip(ended, free, strict=True):
        new = before[5:].tolist()
        length = new.index(last) + 1 if last in new else len(new)
        assert row[5 : 5 + length].tolist() == new[:length]
        assert set(row[5 + length :].tolist()) <= {last}
    everything = contrastive_search(model, PADDED, eos_token_id=[*range(23)], **given)
    assert everything.tolist() == free[:, :6].tolist()


@pytest.mark.whole
@pytest.mark.usefixtures("as_users_call")
def test_momentum_decoding_is_a_logits_processor_of_generate(model):
    given = {"max_new_tokens": 12, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    made = model.generate(PADDED, attention_mask=MASK, logits_processor=[MomentumDecoding(pad_token_id=0)], **given)
    for row, mask, prompt in zip(made, MASK, PROMPTS, strict=True):
        text = list(prompt)
        with torch.no_grad():
            for _ in range(12):
                logits = model(input_ids=torch.tensor([text])).logits[0, -1:]
                text.append(MomentumDecoding()(torch.tensor([text]), logits).argmax().item())
        assert row[int((mask == 0).sum()) :].tolist() == text
    greedy = model.generate(PADDED, attention_mask=MASK, **given)
    assert made.tolist() != greedy.tolist()


@pytest.mark.whole
@pytest.mark.usefixtures("as_users_call")
def test_what_cannot_be_continued_is_refused(model):
    with pytest.raises(
        ValueError, match=r'attention_mask must be 0 for padding on the left.* tokenizer.padding_side = "left"'
    ):
        contrastive_search(model, PADDED, attention_mask=MASK.flip(1), max_new_tokens=1)
    with pytest.raises(ValueError, match="attention_mask must have a number for every token"):
        contrastive_search(model, PADDED, attention_mask=MASK[:, 1:], max_new_tokens=1)
    with pytest.raises(ValueError, match="penalty"):
        contrastive_search(model, PADDED, max_new_tokens=1, penalty=1.5)
    with pytest.raises(ValueError, match=r"evaluation mode, .* got training mode; call model.eval\(\)"):
        contrastive_search(model.train(), PADDED, max_new_tokens=1)
