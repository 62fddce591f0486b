"""sentence-transformers' Trainer with WEINCE's logit and hard negatives. Nothing is downloaded.

    pip install . "sentence-transformers[train]"
    python examples/sentence_transformers_trainer.py

Model, trainer and data set are that library's; the loss is its `MultipleNegativesRankingLoss` as
`anchorwise.adapters.sentence_transformers` has it, which takes any objective of two views. A sentence, its translation
and a translation of something else are three columns; the third is a hard negative.
"""

import tempfile
from pathlib import Path

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.models import Pooling, Transformer
from transformers import BertConfig, BertModel, BertTokenizer

from anchorwise import Blend, CrossViewInfoNCE
from anchorwise.adapters.sentence_transformers import MultipleNegativesRankingLoss

NOUNS = {
    "cat": "katze",
    "dog": "hund",
    "bird": "vogel",
    "fish": "fisch",
    "tree": "baum",
    "stone": "stein",
    "river": "fluss",
    "cloud": "wolke",
}
VERBS = {"runs": "rennt", "sleeps": "ruht", "waits": "wartet", "falls": "sinkt"}


def triples() -> Dataset:
    """Return sentences, their translations, and translations with another verb."""
    others = dict(zip(VERBS, [*list(VERBS)[1:], next(iter(VERBS))], strict=True))
    pairs = [(noun, verb) for noun in NOUNS for verb in VERBS]
    return Dataset.from_dict(
        {
            "anchor": [f"the {noun} {verb}" for noun, verb in pairs],
            "positive": [f"{NOUNS[noun]} {VERBS[verb]}" for noun, verb in pairs],
            "negative": [f"{NOUNS[noun]} {VERBS[others[verb]]}" for noun, verb in pairs],
        }
    )


def model_in(folder: Path) -> SentenceTransformer:
    """Return a small model, built from a configuration, with a tokenizer that knows these words."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", *NOUNS, *NOUNS.values(), *VERBS, *VERBS.values()]
    (folder / "vocab.txt").write_text("\n".join(words))
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=16,
    )
    BertModel(config).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return SentenceTransformer(modules=[Transformer(str(folder), max_seq_length=8), Pooling(32)], device="cpu")


def main(num_train_epochs: int = 12) -> list[float]:
    """Train, and return the logged losses."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        model = model_in(Path(folder))
        objective = CrossViewInfoNCE(temperature=0.05, both_directions=False, blend=Blend())
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=num_train_epochs,
            per_device_train_batch_size=16,
            learning_rate=3e-3,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
        )
        trainer = SentenceTransformerTrainer(
            model=model,
            args=arguments,
            train_dataset=triples(),
            loss=MultipleNegativesRankingLoss(model, objective=objective),
        )
        trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


if __name__ == "__main__":
    losses = main()
    print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}")
