"""Hugging Face Trainer: a small BERT, built from a configuration, learns with WEINCE. Nothing is downloaded.

    pip install . "transformers[torch]"
    python examples/hf_trainer.py

Two views of a sentence are two dropouts of it, as in SimCSE. On several devices (torchrun) the rows of all of them are
each other's negatives.
"""

import tempfile
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import BertConfig, BertModel, Trainer, TrainingArguments

import anchorwise


class Sentences(Dataset):
    """Made-up sentences: rows of token numbers."""

    def __init__(self, num_sentences: int = 256, num_tokens: int = 12, vocabulary: int = 100) -> None:
        drawn = torch.Generator().manual_seed(0)
        self.tokens = torch.randint(1, vocabulary, (num_sentences, num_tokens), generator=drawn)

    def __len__(self) -> int:
        """Return the number of sentences."""
        return len(self.tokens)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return a sentence as the model takes it."""
        return {"input_ids": self.tokens[index]}


class ContrastiveTrainer(Trainer):
    """A Trainer whose loss is an objective of two views."""

    objective = anchorwise.WEINCE(temperature=0.1)

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the loss of two passes of one batch through the model, each with its own dropout."""
        # One call for both: DistributedDataParallel expects one forward for every backward.
        doubled = {name: torch.cat([values, values]) for name, values in inputs.items()}
        view0, view1 = model(**doubled).pooler_output.chunk(2)
        loss = self.objective(view0, view1)
        return (loss, {"view0": view0, "view1": view1}) if return_outputs else loss


def main(num_train_epochs: int = 8) -> list[float]:
    """Train, and return the logged losses."""
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=100,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=16,
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=num_train_epochs,
            per_device_train_batch_size=64,
            learning_rate=3e-3,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        trainer = ContrastiveTrainer(model=BertModel(config), args=arguments, train_dataset=Sentences())
        trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


if __name__ == "__main__":
    losses = main()
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}")
