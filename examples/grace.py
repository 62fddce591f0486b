"""GRACE: a small causal language model learns what to write of a document so that its embedding fits the query.

    pip install . transformers
    python examples/grace.py

Built from a configuration, on made-up texts; nothing is downloaded. A document is read, a few tokens are written, and
the embedding is the mean of the last layer's states over both. The reward has no gradient: the log-probabilities of
what was written are weighted with it (REINFORCE with the group's mean as baseline, as GRPO is on fresh rollouts with KL
coefficient 0). Queries are embedded as they are, where the source writes of them too.

What it shows is that the reward rises, on texts that it trains on. It is no evidence that reasoning helps embeddings.
"""

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from anchorwise.generation import rewards

NUM_TOPICS, WORDS_OF_TOPIC, NUM_READ, NUM_WRITTEN = 6, 8, 4, 4
NUM_GROUPS, NUM_ROLLOUTS = 8, 8


def texts(generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Return queries, their documents, of other words of the same topics, and documents of other topics."""
    topics = torch.randint(NUM_TOPICS, (NUM_GROUPS,), generator=generator)
    others = (topics + 1 + torch.randint(NUM_TOPICS - 1, (NUM_GROUPS,), generator=generator)) % NUM_TOPICS
    words = torch.rand(NUM_GROUPS, WORDS_OF_TOPIC, generator=generator).argsort(dim=1)
    of_topics, of_others = (WORDS_OF_TOPIC * each.unsqueeze(1) + words for each in (topics, others))
    return of_topics[:, :NUM_READ], of_topics[:, NUM_READ:], of_others[:, NUM_READ:]


def embedded(model: LlamaForCausalLM, tokens: Tensor) -> Tensor:
    """Return the mean state of the last layer."""
    return model.model(input_ids=tokens).last_hidden_state.mean(dim=1)


def log_probabilities(model: LlamaForCausalLM, tokens: Tensor) -> Tensor:
    """Return the mean log-probability of what was written."""
    logits = model(input_ids=tokens).logits[:, NUM_READ - 1 : -1]
    return logits.log_softmax(dim=2).gather(2, tokens[:, NUM_READ:, None]).mean(dim=(1, 2))


def main(num_steps: int = 60, seed: int = 0) -> list[float]:
    """Train, and return the mean reward of every step."""
    torch.manual_seed(seed)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = LlamaConfig(vocab_size=NUM_TOPICS * WORDS_OF_TOPIC, bos_token_id=None, eos_token_id=None, **size)
    model = LlamaForCausalLM(config).eval()  # There is no dropout in it.
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.0)
    groups = torch.arange(NUM_GROUPS).repeat_interleave(NUM_ROLLOUTS)
    drawn, history = torch.Generator().manual_seed(seed), []
    for step in range(num_steps):
        queries, documents, negatives = texts(drawn)
        prompts = documents.repeat_interleave(NUM_ROLLOUTS, dim=0)
        written = model.generate(
            prompts, attention_mask=torch.ones_like(prompts), do_sample=True, max_new_tokens=NUM_WRITTEN, top_k=0
        )
        with torch.no_grad():
            asked, refused = (
                embedded(model, each).repeat_interleave(NUM_ROLLOUTS, dim=0) for each in (queries, negatives)
            )
            reward = rewards.contrastive(asked, embedded(model, written), refused, groups=groups)
        loss = -(rewards.advantages(reward, groups) * log_probabilities(model, written)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(reward.mean().item())
        if step % 10 == 0:
            print(f"step {step}  mean reward {history[-1]:.2f}")
    return history


if __name__ == "__main__":
    main()
