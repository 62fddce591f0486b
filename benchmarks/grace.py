"""GRACE on captions: a small language model writes of a caption, and is rewarded for how well it is then found.

    python -m benchmarks.grace --data text/ --out grace.json

A model of two layers first learns to write, behind a caption of Flickr8k, another one of the same photograph. Then the
contrastive reward alone teaches it what to write (REINFORCE with the mean of a group, as GRPO is on fresh rollouts
with KL coefficient 0), and other photographs' captions are searched before and after: with what it writes of each, and
with nothing written. A seed decides first weights, batches and what is drawn. The same call goes on after a stop.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaConfig, LlamaForCausalLM

from anchorwise.evaluation.retrieval import ranks_of, retrieval_values
from anchorwise.generation import rewards
from anchorwise.modalities.text.captions import read_captions
from anchorwise.modalities.text.tokenizer import TextTokenizer, trained_tokenizer
from anchorwise.pairs import unit_rows
from benchmarks.over_seeds import measured, table

NUM_TOKENS, NUM_WRITTEN = 24, 8
NUM_GROUPS, NUM_ROLLOUTS = 8, 8
NUM_FIRST, NUM_STEPS, BATCH = 300, 200, 64
RATE, NUM_ENDS = 3e-5, 20  # Steps at either end whose mean reward is told.


@dataclass(frozen=True)
class Writer:
    """A causal model and its tokenizer."""

    model: LlamaForCausalLM
    tokenizer: TextTokenizer

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return texts that end at one place, padded before, and the mask of what is no padding."""
        found = self.tokenizer.encode(texts, max_tokens=NUM_TOKENS)
        rows = [found.of(number).long() for number in range(len(texts))]
        there = [torch.ones_like(row) for row in rows]
        tokens, mask = (pad_sequence(each, batch_first=True, padding_side="left") for each in (rows, there))
        return tokens, mask

    def embedded(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return the mean state of the last layer."""
        states = self.model.model(input_ids=tokens, attention_mask=mask).last_hidden_state
        return (states * mask.unsqueeze(2)).sum(dim=1) / mask.sum(dim=1, keepdim=True)

    @torch.no_grad()
    def written(self, tokens: Tensor, mask: Tensor, *, sampled: bool) -> tuple[Tensor, Tensor]:
        """Return texts with what is written behind them, drawn or the likeliest, and their mask."""
        how = {"do_sample": True, "top_k": 0} if sampled else {"do_sample": False}
        texts = cast(Any, self.model).generate(
            tokens, attention_mask=mask, max_new_tokens=NUM_WRITTEN, min_new_tokens=NUM_WRITTEN, **how
        )
        return texts, torch.cat([mask, torch.ones_like(texts[:, mask.shape[1] :])], dim=1)

    @torch.no_grad()
    def found(self, queries: Sequence[str], keys: Sequence[str], *, writes: bool) -> dict[str, float]:
        """Return how well keys are found, with what is written of them or as they are."""
        rows = []
        for texts, of_keys in ((queries, False), (keys, True)):
            parts = []
            for start in range(0, len(texts), 250):
                tokens, mask = self.tokens(texts[start : start + 250])
                if of_keys and writes:
                    tokens, mask = self.written(tokens, mask, sampled=False)
                parts.append(unit_rows(self.embedded(tokens, mask)))
            rows.append(torch.cat(parts))
        values = retrieval_values(ranks_of(rows[0], rows[1]))
        return {name: values[name].mean().item() for name in ("recall_at_1", "mrr")}


def first_taught(captions: Sequence[Sequence[str]], seed: int) -> Writer:
    """Return a model that was taught to write another caption of the same photograph."""
    torch.manual_seed(seed)
    tokenizer = trained_tokenizer([text for row in captions for text in row], vocab_size=4000)
    config = LlamaConfig(
        vocab_size=tokenizer.num_tokens,
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=512,
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=0,
    )
    writer = Writer(LlamaForCausalLM(config).eval(), tokenizer)  # There is no dropout in it.
    optimizer = torch.optim.AdamW(writer.model.parameters(), lr=1e-3, weight_decay=0.0)
    drawn = torch.Generator().manual_seed(seed)
    for _ in range(NUM_FIRST):
        pairs = _pairs(captions, BATCH, drawn)
        sides = [writer.tokens(texts) for texts in zip(*pairs, strict=True)]
        tokens, mask = (torch.cat(parts, dim=1) for parts in zip(*sides, strict=True))
        writer.model(input_ids=tokens, attention_mask=mask, labels=tokens.masked_fill(mask == 0, -100)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return writer


def rewarded(writer: Writer, captions: Sequence[Sequence[str]], seed: int) -> list[float]:
    """Train by the reward alone, and return the mean reward of every step."""
    optimizer = torch.optim.AdamW(writer.model.parameters(), lr=RATE, weight_decay=0.0)
    groups = torch.arange(NUM_GROUPS).repeat_interleave(NUM_ROLLOUTS)
    drawn, history = torch.Generator().manual_seed(1000 + seed), []
    for _ in range(NUM_STEPS):
        asked, documents = zip(*_pairs(captions, NUM_GROUPS, drawn), strict=True)
        tokens, mask = (each.repeat_interleave(NUM_ROLLOUTS, dim=0) for each in writer.tokens(documents))
        texts, seen = writer.written(tokens, mask, sampled=True)
        with torch.no_grad():
            queries = writer.embedded(*writer.tokens(asked)).repeat_interleave(NUM_ROLLOUTS, dim=0)
            reward = rewards.contrastive(queries, writer.embedded(texts, seen), groups=groups)
        logits = writer.model(input_ids=texts, attention_mask=seen).logits[:, -NUM_WRITTEN - 1 : -1]
        logs = logits.log_softmax(dim=2).gather(2, texts[:, -NUM_WRITTEN:, None]).mean(dim=(1, 2))
        (-(rewards.advantages(reward, groups) * logs).mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
        history.append(reward.mean().item())
    return history


def _pairs(captions: Sequence[Sequence[str]], count: int, drawn: torch.Generator) -> list[tuple[str, str]]:
    pairs = list[tuple[str, str]]()
    for number in torch.randperm(len(captions), generator=drawn)[:count].tolist():
        row = captions[int(number)]
        one, other = torch.randperm(len(row), generator=drawn)[:2].tolist()
        pairs.append((row[int(one)], row[int(other)]))
    return pairs


def measure(data: Path, seed: int) -> dict[str, float]:
    """Return the reward at both ends of the training, and how well test captions are found before and after it."""
    train, test = read_captions(data / "flickr8k")
    writer = first_taught(train.rows, seed)
    asked, keys = ([row[side] for row in test.rows] for side in range(2))

    def found(when: str) -> dict[str, float]:
        return {
            f"{name}, {how}, {when}": value
            for how, writes in (("nothing written", False), ("written", True))
            for name, value in writer.found(asked, keys, writes=writes).items()
        }

    before, history = found("before"), rewarded(writer, train.rows, seed)
    ends = {"reward, first steps": fmean(history[:NUM_ENDS]), "reward, last steps": fmean(history[-NUM_ENDS:])}
    return ends | before | found("after")


def main() -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("text"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3], help="none prints what is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = measured(["GRACE"], given.seeds, lambda _, seed: measure(given.data, seed), given.out)
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
