"""Side by side with sentence-transformers. Mean over anchors; its scale is 1 / temperature."""

from pathlib import Path
from typing import Any

import pytest
import torch

from anchorwise import Blend, CrossViewInfoNCE, InfoNCE
from anchorwise.adapters.sentence_transformers import MultipleNegativesRankingLoss
from tests.parity.peers import assert_same, marks, peer, rows, two_views

library = peer("sentence_transformers")
losses = peer("sentence_transformers.sentence_transformer", "losses")
transformers = peer("transformers")
pytestmark = marks

TheirLoss = losses.MultipleNegativesRankingLoss
# Sentences and their translations share no word, so that nothing but training brings them together.
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
VERBS = {"runs": "rennt", "sleeps": "ruht"}
WORDS = [*NOUNS, *NOUNS.values(), *VERBS, *VERBS.values()]
PAIRS = [(f"{noun} {verb}", f"{NOUNS[noun]} {VERBS[verb]}") for noun in NOUNS for verb in VERBS]


def _of_columns(loss: Any):
    return lambda *columns: loss.compute_loss_from_embeddings(list(columns), None)


def _model(folder: Path, dropout: float = 0.0) -> Any:
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    modules = peer("sentence_transformers", "models")
    transformer = modules.Transformer(str(folder), max_seq_length=8)
    return library.SentenceTransformer(modules=[transformer, modules.Pooling(32)], device="cpu")


def _ranked_first(model: Any) -> float:
    """Return how many anchors have their own positive as nearest document, in [0, 1]."""
    anchors, documents = (model.encode([pair[side] for pair in PAIRS], convert_to_tensor=True) for side in (0, 1))
    scores = torch.nn.functional.normalize(anchors) @ torch.nn.functional.normalize(documents).T
    return (scores.argmax(dim=1) == torch.arange(len(PAIRS))).float().mean().item()


def test_queries_against_documents_is_one_directional_info_nce():
    theirs = _of_columns(TheirLoss(model=None))
    assert_same(CrossViewInfoNCE(temperature=1 / 20, both_directions=False), theirs, two_views())


def test_hard_negatives_are_further_negatives_of_all_anchors():
    ours = CrossViewInfoNCE(temperature=1 / 20, both_directions=False)
    assert_same(
        lambda anchors, positives, negatives: ours(anchors, positives, negatives=negatives),
        _of_columns(TheirLoss(model=None)),
        [*two_views(), rows(12, seed=5)],
    )


def test_both_directions_apart_is_info_nce_between_the_views():
    directions = ("query_to_doc", "doc_to_query")
    theirs = _of_columns(TheirLoss(model=None, scale=10.0, directions=directions, partition_mode="per_direction"))
    assert_same(CrossViewInfoNCE(temperature=1 / 10), theirs, two_views())


@pytest.mark.parametrize("num_negatives", [0, 1, 3])
def test_the_adapter_is_a_drop_in(num_negatives: int):
    columns = [*two_views(), *(rows(12, seed=seed) for seed in range(5, 5 + num_negatives))]
    objective = CrossViewInfoNCE(temperature=1 / 20, both_directions=False)
    assert_same(
        _of_columns(MultipleNegativesRankingLoss(torch.nn.Identity(), objective=objective)),
        _of_columns(TheirLoss(model=None)),
        columns,
    )
    assert_same(
        _of_columns(MultipleNegativesRankingLoss(torch.nn.Identity())), _of_columns(TheirLoss(model=None)), columns
    )
    util = peer("sentence_transformers", "util")
    assert_same(
        _of_columns(MultipleNegativesRankingLoss(torch.nn.Identity(), 5.0, util.cos_sim)),
        _of_columns(TheirLoss(None, 5.0, util.cos_sim)),
        columns,
    )


def test_features_give_the_loss_and_the_gradients_that_theirs_gives(tmp_path: Path):
    model = _model(tmp_path)
    columns = [model.tokenize([pair[side] for pair in PAIRS]) for side in (0, 1)]
    gradients = []
    for loss in (MultipleNegativesRankingLoss(model), TheirLoss(model)):
        model.zero_grad()
        loss([dict(column) for column in columns], None).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    # Float32, and columns are embedded together there: other sums of the same terms.
    assert (gradients[0] - gradients[1]).norm() <= 1e-4 * gradients[1].norm()


@pytest.mark.parametrize("num_columns", [2, 3, 4])
def test_one_seed_draws_the_same_dropout_for_both(tmp_path: Path, num_columns: int):
    model = _model(tmp_path, dropout=0.2).train()
    texts = [[pair[side] for pair in PAIRS] for side in (0, 1)]
    further = [["katze"] * len(PAIRS), ["the cat runs", *["hund"] * (len(PAIRS) - 1)]]  # Of other widths.
    columns = [model.tokenize(column) for column in [*texts, *further][:num_columns]]
    values = []
    for loss in (MultipleNegativesRankingLoss(model), TheirLoss(model)):
        torch.manual_seed(1)
        values.append(loss([dict(column) for column in columns], None))
    torch.testing.assert_close(*values, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "chosen", [{}, {"blend": Blend()}, {"objective": InfoNCE(temperature=0.1)}], ids=["softmax", "weince", "objective"]
)
def test_a_transformer_trains(tmp_path: Path, chosen: dict[str, Any]):
    model = _model(tmp_path)
    loss = MultipleNegativesRankingLoss(model, **chosen)
    columns = [model.tokenize([pair[side] for pair in PAIRS]) for side in (0, 1)]
    optimizer, history = torch.optim.AdamW(model.parameters(), lr=3e-3), []
    for _ in range(15):
        value = loss([dict(column) for column in columns], None)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        history.append(value.item())
    assert history[-1] < 0.5 * history[0]
    assert set(loss.get_config_dict()) <= {"scale", "blend", "objective"}


def test_their_trainer_trains_with_the_adapter(tmp_path: Path):
    pytest.importorskip("datasets", reason="datasets is not installed; make parity installs it")
    pytest.importorskip("accelerate", reason="accelerate is not installed; make parity installs it")
    model = _model(tmp_path)
    anchors, positives = zip(*PAIRS, strict=True)
    data = peer("datasets").Dataset.from_dict({"anchor": list(anchors), "positive": list(positives)})
    arguments = library.SentenceTransformerTrainingArguments(
        output_dir=str(tmp_path / "run"),
        num_train_epochs=8,
        per_device_train_batch_size=16,
        learning_rate=3e-3,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        logging_steps=1,
    )
    loss = MultipleNegativesRankingLoss(model, blend=Blend())
    before = _ranked_first(model)
    trainer = library.SentenceTransformerTrainer(model=model, args=arguments, train_dataset=data, loss=loss)
    trainer.train()
    history = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert history[-1] < 0.8 * history[0]
    assert before < 0.4
    assert _ranked_first(model) == 1.0
