"""Text through the trainer; all that needs transformers."""

import json
import random

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from anchorwise._files import UnusableFileError
from anchorwise.methods import METHODS
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.text.columns import as_written
from anchorwise.modalities.text.config import TextData, TextEncoderConfig, TextViewsConfig
from anchorwise.modalities.text.sources import read_parts
from anchorwise.modalities.views import ViewPlan
from anchorwise.models import HeadConfig
from anchorwise.objectives import build
from anchorwise.training import RunConfig, apply_overrides, pretrain
from anchorwise.training.checkpoint import load_checkpoint
from anchorwise.training.config import run_config_of
from tests.modalities.text.test_tables import flickr, written

transformers = pytest.importorskip(
    "transformers", reason='transformers is not installed: pip install "anchorwise[text]"'
)

from anchorwise.modalities.text.encoders import build_encoder
from anchorwise.modalities.text.poolings import POOLINGS, pooled
from anchorwise.modalities.text.storage import load_text_encoder
from anchorwise.modalities.text.tokenizer import load_tokenizer, tokenizer_text, trained_tokenizer
from anchorwise.modalities.text.views import TextViews

pytestmark = [
    pytest.mark.whole,  # Trainings, and transformers, which takes seconds to import.
    pytest.mark.usefixtures("as_users_call"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

TEXT = modality_of("text")
TINY = [
    "modality=text",
    "encoder.num_layers=1",
    "encoder.width=16",
    "encoder.num_heads=2",
    "method.head.num_layers=0",
    "objective.name=cross_view",
    "data.vocab_size=120",
    "data.max_tokens=12",
    "train.num_epochs=2",
    "train.batch_size=4",
    "train.log_every_steps=1",
    "train.log_to=[]",
    "train.device=cpu",
]


def tiny(folder, *settings) -> RunConfig:
    return apply_overrides(RunConfig(), [*TINY, f"data.source={folder}", *settings])


@pytest.fixture(scope="module")
def captions(tmp_path_factory):
    return flickr(tmp_path_factory.mktemp("captions"))


@pytest.fixture(scope="module")
def finished(captions, tmp_path_factory):
    return pretrain(tiny(captions), tmp_path_factory.mktemp("run") / "run", show_progress=False)


def test_a_tokenizer_is_the_same_for_the_same_texts_and_gives_words_back():
    texts = ["A dog runs.", "a dog sleeps", "two dogs run"]
    first, second = (trained_tokenizer(texts, vocab_size=100) for _ in range(2))
    assert tokenizer_text(first) == tokenizer_text(second)
    tokens = first.encode(["a dog runs", "dogs"], max_tokens=12)
    assert first.fast.decode(tokens.of(0)) == "[CLS] a dog runs [SEP]"
    assert tokens.num_cut == 0


def test_texts_that_are_too_long_are_cut_between_their_ends_and_counted(captions):
    samples = TEXT.load(TextData(source=str(captions), vocab_size=120, max_tokens=4)).train
    assert {len(samples.tokens.of(number)) for number in range(len(samples.texts))} == {4}
    assert "60 of 60 cut to 4 tokens" in samples.what
    assert samples.tokens.of(0)[-1] == samples.tokens.of(1)[-1] == samples.tokenizer.fast.sep_token_id


def test_a_captions_views_are_two_of_its_own_drawn_by_seed_and_sample_alone(captions):
    samples = TEXT.load(TextData(source=str(captions), vocab_size=400)).train
    views = TextViews(TextViewsConfig(), ViewPlan(), samples)
    ids = torch.arange(12)
    first, second = views(views.collect(samples, ids, seed=7), seed=7)
    assert first["input_ids"].shape == second["input_ids"].shape
    decoded = [
        [samples.tokenizer.fast.decode(row, skip_special_tokens=True) for row in view["input_ids"]]
        for view in (first, second)
    ]
    for number, pair in enumerate(zip(*decoded, strict=True)):
        own = {
            samples.tokenizer.fast.decode(samples.tokens.of(text), skip_special_tokens=True)
            for text in samples.members[number].tolist()
        }
        assert len(set(pair)) == 2
        assert set(pair) <= own
    alone = views(views.collect(samples, ids[5:6], seed=7), seed=7)[0]
    length = alone["input_ids"].shape[1]
    assert torch.equal(alone["input_ids"][0], first["input_ids"][5, :length])


def test_repetition_doubles_tokens_of_the_second_view_as_often_as_its_source_says(tmp_path):
    lines = "\n".join(" ".join(random.Random(n).choices("abcdefgh", k=14)) for n in range(400))
    samples = TEXT.load(TextData(source=str(written(tmp_path / "a.txt", lines)))).train
    views = TextViews(TextViewsConfig(repetition=0.32), ViewPlan(), samples)
    first, second = views(views.collect(samples, torch.arange(400), seed=1), seed=1)
    longer = (second["attention_mask"].sum(1) - first["attention_mask"].sum(1)).tolist()
    assert set(longer) == set(range(5))  # int(0.32 x 16) is 5, so 0 to 4 are doubled.
    assert 1.8 < sum(longer) / 400 < 2.2
    for short, long in zip(first["input_ids"].tolist(), second["input_ids"].tolist(), strict=True):
        rest = iter([token for token in short if token])
        kept, last = [], None
        current = next(rest)
        for token in (token for token in long if token):
            if token == current:
                kept.append(token)
                last, current = current, next(rest, None)
            else:
                assert token == last
        assert current is None


def test_samples_that_say_the_same_are_of_one_group(tmp_path):
    rows = [
        "a one\tb two\tz zero\n",
        "c three\td four\tz zero\n",
        "e five\tb two\tc three\n",
        "g six\th seven\ta one\n",
    ]
    rows += [f"left {n}\tright {n}\tother {n}\n" for n in range(2)]
    path = written(tmp_path / "a.tsv", "x\ty\tz\n" + "".join(rows))
    samples = TEXT.load(TextData(source=str(path))).train
    # The first and the third have a positive in common; hard negatives connect nothing.
    assert samples.groups[0] == samples.groups[2]
    assert len(set(samples.groups.tolist())) == 5
    alone = written(tmp_path / "b.tsv", "x\ty\n" + "".join(f"left {n}\tright {n}\n" for n in range(4)))
    assert TEXT.load(TextData(source=str(alone))).train.groups is None


def test_columns_are_the_views_in_their_order_and_more_than_there_are_is_refused(tmp_path):
    path = written(tmp_path / "a.tsv", "a\tb\n" + "".join(f"left {n}\tright {n}\n" for n in range(30)))
    samples = TEXT.load(TextData(source=str(path))).train
    views = TextViews(TextViewsConfig(), ViewPlan(), samples)
    first, second = views(views.collect(samples, torch.arange(3), seed=0), seed=0)
    decode = samples.tokenizer.fast.decode
    assert decode(first["input_ids"][1], skip_special_tokens=True).startswith("left")
    assert decode(second["input_ids"][1], skip_special_tokens=True).startswith("right")
    with pytest.raises(ValueError, match="takes 3 views, and a sample has 2 columns"):
        TextViews(TextViewsConfig(), ViewPlan(3), samples)
    with pytest.raises(ValueError, match="small views, which images have"):
        TextViews(TextViewsConfig(), ViewPlan(2, num_small=1), samples)


@pytest.mark.parametrize("name", [*POOLINGS, "cls"])
def test_poolings_do_not_see_what_is_no_token(name):
    torch.manual_seed(0)
    encoder = build_encoder(TextEncoderConfig(width=16, num_heads=2, pooling=name, num_tokens=20, max_tokens=16)).eval()
    ids = torch.tensor([[2, 7, 8, 3, 0, 0], [2, 9, 10, 11, 12, 3]])
    mask = (ids > 0).long()
    rows = encoder({"input_ids": ids, "attention_mask": mask})
    alone = encoder({"input_ids": ids[:1, :4], "attention_mask": mask[:1, :4]})
    assert rows.shape == (2, 16)
    torch.testing.assert_close(rows[:1], alone, atol=1e-6, rtol=1e-5)


def test_poolings_are_those_of_a_case_by_hand():
    states = [
        torch.tensor([[[0.0], [0.0], [0.0]]]),
        torch.tensor([[[1.0], [2.0], [9.0]]]),
        torch.tensor([[[3.0], [8.0], [9.0]]]),
    ]
    found = {name: float(pooled(name, states, torch.tensor([[1, 1, 0]]))) for name in POOLINGS}
    assert found == {
        "mean": 5.5,
        "cls_before_pooler": 3.0,
        "first_last_mean": 3.5,
        "top2_mean": 3.5,
        "eos": 8.0,
        "max": 8.0,
    }
    with pytest.raises(ValueError, match="must have a token in every row"):
        pooled("mean", states, torch.tensor([[0, 0, 0]]))


def test_a_run_is_read_back_bit_for_bit_also_by_transformers_alone(finished, captions):
    assert finished.summary()["loss"] > 0
    assert finished.config().encoder.num_tokens == finished.encoder().tokenizer.num_tokens <= 120
    frozen, samples = finished.encoder(), TEXT.load(finished.config().data).test
    state = load_file(finished.path / "encoder.safetensors")
    assert all(torch.equal(value, state[name]) for name, value in frozen.encoder.state_dict().items())
    loaded = transformers.AutoModel.from_pretrained(finished.path / "transformer", add_pooling_layer=False).eval()
    rows = loaded(**samples.take(torch.arange(4))).last_hidden_state
    mask = samples.take(torch.arange(4))["attention_mask"][:, :, None]
    assert torch.equal((rows * mask).sum(1) / mask.sum(1), frozen.encoder(samples.take(torch.arange(4))))
    tokenizer = transformers.AutoTokenizer.from_pretrained(finished.path / "transformer")
    assert (
        tokenizer("a dog is running")["input_ids"]
        == frozen.tokenizer.encode(["a dog is running"], max_tokens=12).of(0).tolist()
    )


def test_sentence_transformers_loads_a_run_and_its_export_with_the_same_features(finished, tmp_path):
    st = pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")
    samples = TEXT.load(finished.config().data).test
    TEXT.export(finished.encoder(), tmp_path / "out")
    folders = (finished.path, tmp_path / "out")
    theirs, exported = (
        st.SentenceTransformer(str(folder), device="cpu").encode([samples.text(n) for n in range(4)])
        for folder in folders
    )
    assert (theirs == exported).all()
    ours = finished.encoder().encoder(samples.take(torch.arange(4)))
    torch.testing.assert_close(torch.from_numpy(theirs), ours.detach(), atol=1e-6, rtol=1e-5)


def test_a_stopped_run_goes_on_to_the_same_bits(finished, captions, tmp_path, monkeypatch):
    import signal

    from tests.training.stopping import send_at_step

    send_at_step(3, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tiny(captions), tmp_path, show_progress=False)
    resumed = pretrain(tiny(captions), tmp_path, show_progress=False)
    first, second = (load_file(run.path / "encoder.safetensors") for run in (finished, resumed))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_a_run_is_judged_by_retrieval_and_scored_pairs_by_correlation(finished, tmp_path, captions):
    from anchorwise.cli.app import app

    out = tmp_path / "a.json"
    result = CliRunner().invoke(app, ["evaluate", str(finished.path), "--out", str(out), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    metrics = json.loads(out.read_text())["metrics"]
    assert 0.0 <= metrics["recall_at_1"] <= metrics["recall_at_5"] == 100.0 == metrics["recall_at_10"]
    assert {"mrr", "ndcg", "reverse_mrr", "tf_idf_recall_at_1", "alignment", "uniformity"} <= metrics.keys()
    whole = ["--judge", "retrieval", "--set", "judges.retrieval.answers=all", "--device", "cpu"]
    result = CliRunner().invoke(app, ["evaluate", str(finished.path), "--out", str(out), *whole])
    assert result.exit_code == 0, result.output
    assert "among the 16 partners of all" in result.output
    scored = written(tmp_path / "s.tsv", "1\ta dog\ta cat\n5\ta dog runs\ta dog is running\n2\tone\tthe boat\n")
    judges = ["--judge", "sts", "--judge", "pair_classification", "--device", "cpu"]
    result = CliRunner().invoke(
        app, ["evaluate", str(finished.path), "--data", str(scored), "--out", str(out), *judges]
    )
    assert result.exit_code == 0, result.output
    metrics = json.loads(out.read_text())["metrics"]
    assert metrics["sts_spearman_all"] == metrics["sts_spearman_mean"]
    assert 1 / 3 <= metrics["pair_ap"] <= 1.0
    assert "1 of 3 scored pairs count as alike" in result.output
    assert "stand among the training samples too" not in result.output


def test_an_export_is_read_by_others_and_its_card_tells_data_objective_and_scores(finished, tmp_path):
    from anchorwise.cli.app import app

    out = tmp_path / "exported"
    without = CliRunner().invoke(app, ["export", str(finished.path), "--out", str(tmp_path / "without")])
    assert without.exit_code == 0, without.output
    finished_card = (tmp_path / "without" / "README.md").read_text()
    assert "It was not evaluated" in finished_card
    judged = ["--judge", "retrieval", "--device", "cpu"]
    assert CliRunner().invoke(app, ["evaluate", str(finished.path), *judged]).exit_code == 0
    result = CliRunner().invoke(app, ["export", str(finished.path), "--out", str(out)])
    assert "written for sentence-transformers" in result.output
    frozen, samples = finished.encoder(), TEXT.load(finished.config().data).test
    model = transformers.AutoModel.from_pretrained(out, add_pooling_layer=False).eval()
    view = samples.take(torch.arange(4))
    states, mask = model(**view).last_hidden_state, view["attention_mask"][:, :, None]
    assert torch.equal((states * mask).sum(1) / mask.sum(1), frozen.encoder(view))
    modules = json.loads((out / "modules.json").read_text())
    assert [module["path"] for module in modules] == ["", "1_Pooling"]
    card = (out / "README.md").read_text()
    assert "`cross_view`" in card
    assert "12 samples of 5 texts" in card
    assert "| R@1 % | " in card
    assert str(finished.path.parent) not in card  # Where files lay is nobody's business.


def test_mined_hard_negatives_are_a_source_of_triples(finished, tmp_path):
    from anchorwise.cli.app import app

    path = written(tmp_path / "a.tsv", "a\tb\n" + "".join(f"a dog {n}\tone dog {n}\n" for n in range(30)))
    out = tmp_path / "triples.jsonl"
    mined = ["mine", str(finished.path), "--data", str(path), "--out", str(out), "--num-negatives", "2"]
    result = CliRunner().invoke(app, [*mined, "--device", "cpu"])
    assert result.exit_code == 0, result.output
    assert "27 pairs with hard negatives; 0 had too few" in result.output
    parts = read_parts(TextData(source=str(out)))
    assert {len(row) for row in parts.train.rows} == {4}
    assert all(len(set(row)) == 4 for row in parts.train.rows)
    refused = CliRunner().invoke(app, [*mined, "--device", "cpu", "--max-score", "-1.5"])
    assert "0 pairs with hard negatives; 27 had too few" in refused.output


def test_an_export_of_a_pooling_that_others_lack_says_how_to_pool(captions, tmp_path):
    run = pretrain(
        tiny(captions, "encoder.pooling=top2_mean", "train.num_epochs=1"), tmp_path / "run", show_progress=False
    )
    exported = TEXT.export(run.encoder(), tmp_path / "out")
    assert exported.loads_in == "transformers"
    assert "'top2_mean'" in exported.how_to_load
    assert not (tmp_path / "out" / "modules.json").exists()
    with pytest.raises(ValueError, match="holds files that `anchorwise export` did not write"):
        TEXT.export(run.encoder(), run.path)


def test_a_model_from_a_folder_is_started_from_with_its_own_tokenizer_alone(finished, captions, tmp_path):
    folder = finished.path / "transformer"
    start = ["encoder.name=transformers", f"encoder.path={folder}"]
    settings = [line for line in TINY if not line.startswith(("encoder.", "data.vocab"))]
    config = apply_overrides(RunConfig(), [*settings, *start, f"data.source={captions}", f"data.tokenizer={folder}"])
    run = pretrain(config, tmp_path / "run", show_progress=False)
    assert run.config().encoder.path_digest
    assert load_text_encoder(run.path).encoder.num_features == 16
    other = apply_overrides(RunConfig(), [*settings, *start, f"data.source={captions}", "data.vocab_size=100"])
    with pytest.raises(ValueError, match=r"data.tokenizer must be that of the model .* set data.tokenizer="):
        pretrain(other, tmp_path / "other", show_progress=False)
    assert not (tmp_path / "other" / "config.json").exists()


def test_a_folder_with_code_or_with_pickled_weights_is_refused(finished, captions, tmp_path):
    folder = finished.path / "transformer"
    (tmp_path / "pickled").mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        written(tmp_path / "pickled" / name, (folder / name).read_text(encoding="utf-8"))
    (tmp_path / "pickled" / "pytorch_model.bin").write_bytes(b"")
    pickled = tiny(
        captions,
        "encoder.name=transformers",
        "encoder.num_layers=2",
        "encoder.width=128",
        "encoder.num_heads=4",
        f"encoder.path={tmp_path / 'pickled'}",
    )
    with pytest.raises(UnusableFileError, match=r"weights in pytorch_model.bin alone, which can run code"):
        pretrain(pickled, tmp_path / "run", show_progress=False)
    facts = json.loads((folder / "config.json").read_text()) | {"auto_map": {"AutoModel": "mine.Model"}}
    written(tmp_path / "pickled" / "config.json", json.dumps(facts))
    with pytest.raises(UnusableFileError, match=r"asks in config.json for code of its own to be run"):
        pretrain(pickled, tmp_path / "run", show_progress=False)
    with pytest.raises(UnusableFileError, match=r"asks in config.json for code"):
        load_tokenizer(tmp_path / "pickled")


def test_equal_views_without_dropout_teach_nothing_and_are_refused(tmp_path):
    lines = written(tmp_path / "a.txt", "one thing\nanother thing\nthe third\nthe last\n")
    with pytest.raises(ValueError, match=r"views of a sample are equal, .* dropout"):
        pretrain(tiny(lines, "encoder.dropout=0.0"), tmp_path / "run", show_progress=False)
    pretrain(tiny(lines, "train.num_epochs=1"), tmp_path / "run", show_progress=False)


def test_hidden_words_of_the_first_text_are_found_beside_the_contrast(captions):
    samples = TEXT.load(TextData(source=str(captions), vocab_size=120, max_tokens=12)).train
    section = TextEncoderConfig(num_layers=1, width=16, num_heads=2, dropout=0.0)
    encoder, make = build_encoder(TEXT.resolved_encoder(section, samples)), METHODS["simcse"]

    def method_of(**settings):
        config = make.Config(head=HeadConfig(num_layers=0), **settings)
        return make(encoder, build(dict(make.own_objective)), config).eval()

    method = method_of(hidden_weight=0.5, hidden_share=0.5)
    batch = TextViews(TextViewsConfig(), method.plan, samples).collect(samples, torch.arange(6), seed=0)
    table, other = batch.raw
    assert set(table) - set(other) == {"hidden_ids", "is_hidden"}
    assert not torch.equal(table["hidden_ids"], table["input_ids"])
    with torch.no_grad():
        contrast = method_of()([as_written(table), other], batch).outcome.loss
        states = encoder.with_states({**as_written(table), "input_ids": table["hidden_ids"]})[1]
        losses = []
        for row, place in table["is_hidden"].nonzero().tolist():
            logits = method.hidden_words.transform(states[row, place]) @ encoder.words.T + method.hidden_words.bias
            losses.append(logits.logsumexp(0) - logits[table["input_ids"][row, place]])
        found = method(batch.raw, batch).outcome
    assert found.loss.item() == pytest.approx((contrast + 0.5 * torch.stack(losses).mean()).item(), rel=1e-5)


def test_a_guide_is_another_run_by_the_same_tokenizer_and_is_stored_with_the_training(tmp_path):
    rows = "".join(f"a dog {n}\tone dog {n % 7}\n" for n in range(30))
    pairs = written(tmp_path / "a.tsv", f"anchor\tpositive\n{rows}")
    guide = pretrain(tiny(pairs, "train.num_epochs=1"), tmp_path / "guide", show_progress=False)
    guided = ["train.num_epochs=1", "method.name=gist_embed", "objective.name=gist_embed"]
    guided += ["method.head.num_layers=0", f"method.guide={guide.path}"]
    config = tiny(pairs, f"data.tokenizer={guide.path / 'transformer'}", *guided)
    run = pretrain(config, tmp_path / "guided", show_progress=False)
    state, theirs = load_checkpoint(run.checkpoint_file)["model"], guide.encoder().encoder.state_dict()
    assert all(torch.equal(state[f"guide.twin.network.{name}"], value) for name, value in theirs.items())
    rows = "".join(f"cats {n}\tsleep {n}\n" for n in range(30))
    others = written(tmp_path / "b.tsv", f"anchor\tpositive\n{rows}")
    with pytest.raises(ValueError, match=r"method.guide must be a run on texts by the tokenizer of these samples"):
        pretrain(tiny(others, *guided), tmp_path / "no", show_progress=False)


def test_an_own_class_has_the_configuration_of_every_modality():
    config = run_config_of("text")(data=TextData(max_tokens=9))
    assert RunConfig.kind_of(json.loads(config.model_dump_json())) is type(config)
    with pytest.raises(ValueError, match=r"must be 'images' in this class, got 'text'; take run_config_of"):
        RunConfig(modality="text")
    with pytest.raises(ValueError, match=r"unknown setting 'data.image_size_px'; here: source, columns, tokenizer"):
        apply_overrides(config, ["data.image_size_px=3"])
    back = apply_overrides(config, ["modality=images", "data.image_size_px=3"])
    assert (type(back), back.data.source) == (RunConfig, "digits")


def test_pairs_with_hard_negatives_and_single_texts_train_by_simcse_and_esimcse(tmp_path):
    rows = "".join(f"a dog {n}\tone dog {n}\tno dog {n}\n" for n in range(30))
    triples = written(tmp_path / "a.tsv", f"anchor\tpositive\tnegative\n{rows}")
    once = ["train.num_epochs=1", "method.head.num_layers=1", "method.head.output_width=8"]
    config = tiny(triples, "method.name=simcse", "method.num_negatives=1", *once)
    assert pretrain(config, tmp_path / "triples", show_progress=False).summary()["loss"] > 0
    with pytest.raises(ValueError, match="needs 2 views and 2 hard negatives of a sample"):
        pretrain(tiny(triples, "method.name=simcse", "method.num_negatives=2"), tmp_path / "no", show_progress=False)
    lines = written(tmp_path / "a.txt", "".join(f"this is line {n}\n" for n in range(16)))
    config = tiny(lines, "method.name=esimcse", "method.num_queued=6", "views.repetition=0.5", *once)
    run = pretrain(config, tmp_path / "lines", show_progress=False)
    assert run.summary()["loss"] > 0
    assert run.encoder().encode(["this", "this is a line"]).shape == (2, 16)
