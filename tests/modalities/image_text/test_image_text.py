"""Images with captions through the trainer: two towers, their views, their folder and their judges."""

import json
import signal

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

pytest.importorskip("transformers", reason='transformers is not installed: pip install "anchorwise[text]"')

from anchorwise.modalities.image_text.config import ImageTextData, ImageTextViewsConfig
from anchorwise.modalities.image_text.encoders import TwoTowers
from anchorwise.modalities.image_text.storage import load_towers
from anchorwise.modalities.images.encoders import EncoderConfig
from anchorwise.modalities.images.encoders import build_encoder as image_encoder
from anchorwise.modalities.images.storage import load_encoder
from anchorwise.modalities.images.views.policies import GlyphViews, NoViews
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.text.config import TextEncoderConfig
from anchorwise.modalities.text.encoders import build_encoder as text_encoder
from anchorwise.modalities.text.storage import load_text_encoder
from anchorwise.modalities.views import Masking, ViewPlan
from anchorwise.training import RunConfig, apply_overrides, pretrain
from anchorwise.training.checkpoint import load_checkpoint
from tests.modalities.image_text.test_sources import folder_of

pytestmark = [
    pytest.mark.whole,
    pytest.mark.usefixtures("as_users_call"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

TINY = [
    "modality=image_text",
    "method.name=clip",
    "encoder.image.width=8",
    "encoder.text.num_layers=1",
    "encoder.text.width=16",
    "encoder.text.num_heads=2",
    "encoder.width=8",
    "data.vocab_size=120",
    "train.num_epochs=2",
    "train.batch_size=8",
    "train.log_every_steps=1",
    "train.knn_every_epochs=0",
    "train.log_to=[]",
    "train.device=cpu",
]


def tiny(folder, *settings) -> RunConfig:
    return apply_overrides(RunConfig(), [*TINY, f"data.source={folder}", *settings])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    things = ["dog", "girl", "horse", "car"]
    rows = ["image,caption,again"]
    rows += [f"images/{n}.png,a {things[n % 4]} number {n},one more {things[n % 4]} here {n}" for n in range(40)]
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("pictures")
        patch.setenv("ANCHORWISE_CACHE", str(folder / "cache"))
        yield folder_of(folder, rows, num_images=40)


@pytest.fixture(scope="module")
def samples(pictures):
    return modality_of("image_text").load(ImageTextData(source=str(pictures), vocab_size=200)).train


@pytest.fixture(scope="module")
def finished(pictures, tmp_path_factory):
    return pretrain(tiny(pictures), tmp_path_factory.mktemp("run") / "run", show_progress=False)


def views_of(samples, plan, **settings):
    config = ImageTextViewsConfig(**{"image": NoViews(), **settings})
    return modality_of("image_text").view_maker(config, plan, samples)


def said(samples, view):
    return [samples.texts.tokenizer.fast.decode(row, skip_special_tokens=True) for row in view["input_ids"]]


def test_views_are_an_image_and_a_caption_of_it_in_turns_drawn_by_seed_and_sample(samples):
    views = views_of(samples, ViewPlan(4))
    ids = torch.arange(12)
    first = views(views.collect(samples, ids, seed=3), seed=3)
    images, texts = first[0::2], first[1::2]
    for image in images:
        torch.testing.assert_close(image, views.plain(samples.take(ids)))
    for number, pair in enumerate(zip(*(said(samples, view) for view in texts), strict=True)):
        assert set(pair) == set(samples.texts.item(number))
    alone = views(views.collect(samples, ids[5:6], seed=3), seed=3)
    assert said(samples, alone[1]) == said(samples, first[1])[5:6]
    again = views(views.collect(samples, ids, seed=4), seed=4)
    assert said(samples, again[1]) != said(samples, first[1])


def test_images_behind_the_first_have_a_policy_of_their_own_and_captions_lose_words(samples):
    views = views_of(samples, ViewPlan(4), local=GlyphViews(), word_dropout=0.5)
    batch = views.collect(samples, torch.arange(12), seed=3)
    weak, whole, strong, part = views(batch, seed=3)
    plain = views.plain(samples.take(torch.arange(12)))
    torch.testing.assert_close(weak, plain)
    assert not torch.allclose(strong, plain)
    assert all(text in samples.texts.item(number) for number, text in enumerate(said(samples, whole)))
    lengths = [len(text.split()) for text in said(samples, part)]
    assert min(lengths) >= 1
    assert sum(lengths) < 0.8 * sum(len(text.split()) for text in said(samples, whole))


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (ViewPlan(2, num_small=2), "needs small views, which images with captions do not have"),
        (ViewPlan(2, with_places=True), "needs places in a view"),
        (ViewPlan(2, masking=Masking(2)), "needs masks"),
        (ViewPlan(1), "needs 1 views, of which a half are images and a half captions"),
    ],
)
def test_views_that_there_are_none_of_are_refused(samples, plan, message):
    with pytest.raises(ValueError, match=message):
        views_of(samples, plan)


def test_images_without_captions_are_refused_before_training(tmp_path):
    with pytest.raises(
        ValueError, match=r"trained on images with captions, got .* without; name a table of image files"
    ):
        pretrain(tiny("digits"), tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run").exists()


def test_a_run_is_read_back_bit_for_bit_and_each_tower_alone(finished, samples):
    frozen, ids = finished.encoder(), torch.arange(4)
    state = load_file(finished.path / "encoder.safetensors")
    assert all(torch.equal(value, state[name]) for name, value in frozen.encoder.state_dict().items())
    own = frozen.adapted(samples)
    rows = frozen.encoder(frozen.plain(own.take(ids)))
    assert torch.equal(frozen.encode_image(own.take(ids)), rows)
    assert torch.equal(frozen.encode_text([own.texts.text(n) for n in range(4)]), frozen.encoder(own.texts.take(ids)))
    image, text = load_encoder(finished.path / "image"), load_text_encoder(finished.path / "text")
    projected = frozen.encoder.towers.image_projection(image.encoder(image.plain(own.take(ids))))
    assert torch.equal(projected, rows)
    assert text.encoder(own.texts.take(ids)).shape == (4, 16)
    assert load_towers(finished.path).encode_text(["a dog"], normalize=True).norm().item() == pytest.approx(1.0)


def test_a_stopped_run_goes_on_to_the_same_bits(finished, pictures, tmp_path, monkeypatch):
    from tests.training.stopping import send_at_step

    send_at_step(3, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tiny(pictures), tmp_path, show_progress=False)
    resumed = pretrain(tiny(pictures), tmp_path, show_progress=False)
    first, second = (load_file(run.path / "encoder.safetensors") for run in (finished, resumed))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_a_run_is_judged_by_retrieval_and_diagnosed_across_its_towers(finished, tmp_path):
    from anchorwise.cli.app import app
    from anchorwise.training.run_embeddings import embed_run_views

    out = tmp_path / "a.json"
    result = CliRunner().invoke(app, ["evaluate", str(finished.path), "--out", str(out), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    metrics = json.loads(out.read_text())["metrics"]
    assert 0.0 <= metrics["recall_at_1"] <= 100.0
    assert {"mrr", "reverse_mrr", "alignment", "modality_gap"} <= metrics.keys()
    assert embed_run_views(finished.path, device="cpu")[0].across


def test_all_captions_of_an_image_answer_where_they_are_asked_for(finished, samples):
    partners = samples.all_partners()
    assert len(partners.samples) == 2 * len(samples)
    assert [partners.samples.text(n) for n in range(2)] == list(samples.texts.item(0))
    assert partners.of[:4].tolist() == [0, 0, 1, 1]


def test_images_with_classes_are_judged_by_prompts(finished, tmp_path):
    from anchorwise.cli.app import app

    out = tmp_path / "a.json"
    judge = ["--set", "judges.zero_shot.prompts=['a {}', 'one more {} here']"]
    run = ["evaluate", str(finished.path), "--data", "digits", "--out", str(out), "--device", "cpu"]
    result = CliRunner().invoke(app, [*run, *judge])
    assert result.exit_code == 0, result.output
    metrics = json.loads(out.read_text())["metrics"]
    assert 0.0 <= metrics["zero_shot_accuracy"] <= 0.5
    assert "recall_at_1" not in metrics
    result = CliRunner().invoke(app, [*run, "--set", "judges.zero_shot.class_names=['one']"])
    assert "must name each of the 10 classes once, got 1" in str(result.exception)


@pytest.mark.parametrize(
    "settings",
    [
        ["objective.name=siglip"],
        ["objective.name=fast_clip", "objective.num_samples=36"],
        ["objective.name=dcl", "train.exclude_groups=true"],
        ["objective.name=weibit"],
        ["objective.name=clip", "objective.blend=weince"],
        ["method.name=simclr", "method.head.num_layers=0"],
        ["method.name=moco", "method.num_queued=16", "method.head.output_width=4"],
        ["encoder.text.freeze=['*']", "train.micro_batch_size=4"],
    ],
)
def test_any_objective_of_two_views_trains_and_methods_of_images_do(pictures, tmp_path, settings):
    run = pretrain(tiny(pictures, "train.num_epochs=1", *settings), tmp_path, show_progress=False)
    assert run.summary()["num_steps"] == 5


@pytest.mark.parametrize(
    "settings",
    [
        ["method.name=albef", "method.num_queued=16", "method.num_layers=1", "method.num_heads=2"],
        ["method.name=msd", "method.num_parts=3"],
        ["method.name=dcd"],
        ["method.name=astrea", "method.num_queued=16", "method.align_epochs=0.4"],
        [
            "method.name=clip_rocket",
            "method.local_head.hidden_width=8",
            "method.local_head.output_width=8",
            "views.local.name=glyphs",
            "views.word_dropout=0.2",
        ],
    ],
)
def test_a_method_of_images_with_captions_goes_on_to_the_same_bits(pictures, tmp_path, monkeypatch, settings):
    from tests.training.stopping import send_at_step

    config = tiny(pictures, "train.num_epochs=1", *settings)
    whole = pretrain(config, tmp_path / "whole", show_progress=False)
    send_at_step(2, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(config, tmp_path / "stopped", show_progress=False)
    resumed = pretrain(config, tmp_path / "stopped", show_progress=False)
    first, second = (load_file(run.path / "encoder.safetensors") for run in (whole, resumed))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


def test_a_teacher_is_another_run_by_the_same_tokenizer(finished, pictures, tmp_path):
    taught = ["method.name=dcd", f"method.teacher={finished.path}"]
    run = pretrain(tiny(pictures, *taught, "encoder.width=4"), tmp_path / "run", show_progress=False)
    assert run.log()[-1]["certainty"] >= 0.0
    state, teacher = load_checkpoint(run.checkpoint_file)["model"], load_file(finished.path / "encoder.safetensors")
    assert all(torch.equal(state[f"teacher.twin.network.{name}"], value) for name, value in teacher.items())
    with pytest.raises(ValueError, match=r"method.teacher must be a run on images with texts by the tokenizer"):
        pretrain(tiny(pictures, *taught, "data.columns=['image', 'caption']"), tmp_path / "other", show_progress=False)


def test_what_reads_image_and_text_is_stored_and_puts_what_the_towers_find_in_order(pictures, finished, tmp_path):
    albef = ["method.name=albef", "method.num_queued=16", "method.num_layers=1", "method.num_heads=2"]
    run = pretrain(tiny(pictures, "train.num_epochs=1", *albef), tmp_path / "run", show_progress=False)
    frozen = load_towers(run.path)
    there = modality_of("image_text").load(run.config().data).test
    pairs = there.joined(torch.tensor([2, 0, 2]), torch.tensor([1, 1, 0]))
    assert len(pairs["pixels"]) == 2
    with torch.no_grad():
        found = frozen.encoder.read(frozen.plain(pairs))
        for row, (image, text) in enumerate([(2, 1), (0, 1), (2, 0)]):
            cells = frozen.encoder.image_states(frozen.plain(there.take(torch.tensor([image]))))[1]
            tokens = there.texts.take(torch.tensor([text]))
            states = frozen.encoder.text_states(tokens)[1]
            no, yes = frozen.encoder.reader(states, tokens["attention_mask"], cells)[0]
            torch.testing.assert_close(found[row], torch.stack([yes, no]), rtol=1e-4, atol=1e-5)
    from anchorwise.cli.app import app

    def judged(folder, *settings):
        out = tmp_path / "found.json"
        done = CliRunner().invoke(app, ["evaluate", str(folder), "--judge", "reranking", "--out", str(out), *settings])
        return done, json.loads(out.read_text())["metrics"] if done.exit_code == 0 else {}

    done, metrics = judged(run.path)
    assert {"reranked_mrr", "towers_mrr", "reverse_reranked_mrr", "reverse_towers_mrr"} <= set(metrics), done.output
    _, searched = judged(run.path, "--set", "judges.reranking.search_weight=100000")
    assert searched["reranked_mrr"] == pytest.approx(metrics["towers_mrr"])
    assert searched["reverse_reranked_mrr"] == pytest.approx(metrics["reverse_towers_mrr"])
    done, _ = judged(finished.path)
    assert "needs an encoder that reads pairs" in str(done.exception)


def test_hidden_tokens_are_within_a_text_and_become_masks_mostly(samples):
    views = views_of(samples, ViewPlan(masked_tokens=0.5))
    table = views(views.collect(samples, torch.arange(36), seed=0), seed=0)[1]
    is_hidden, mask = table["is_hidden"], table["attention_mask"]
    assert not bool(is_hidden[:, 0].any())
    ends = mask.sum(dim=1) - 1
    assert not bool(is_hidden.gather(1, ends[:, None]).any())
    share = is_hidden.sum() / (mask.sum() - 2 * len(mask))
    assert 0.4 < float(share) < 0.6
    masks = table["hidden_ids"][is_hidden] == samples.texts.tokenizer.fast.mask_token_id
    assert 0.65 < float(masks.float().mean()) < 0.95
    assert torch.equal(table["hidden_ids"][~is_hidden], table["input_ids"][~is_hidden])


def test_the_row_beside_the_states_is_the_row_that_is_judged():
    pytest.importorskip("timm")
    image = image_encoder(EncoderConfig(name="timm/convnext_atto"), num_channels=3, image_size_px=32)
    text = text_encoder(TextEncoderConfig(width=16, num_heads=2, num_tokens=20, max_tokens=16))
    towers, images = TwoTowers(image, text, width=8).eval(), torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(towers.image_states(images)[0], towers(images))
