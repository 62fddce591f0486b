"""Signals through the trainer: pairs of participants, a run's folder, its judges, and stopping."""

import json
import signal
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import anchorwise
from anchorwise.modalities.registry import modality_of
from anchorwise.modalities.series.config import SeriesData, SeriesEncoderConfig
from anchorwise.modalities.series.storage import load_series_encoder
from anchorwise.training import RunConfig, apply_overrides, pretrain, recipe

pytestmark = pytest.mark.usefixtures("as_users_call")

TINY = [
    "data.num_participants=24",
    "encoder.width=4",
    "method.head.hidden_width=8",
    "method.head.output_width=4",
    "optimizer.warmup_epochs=0",
    "train.num_epochs=1",
    "train.batch_size=9",
    "train.log_every_steps=1",
    "train.knn_every_epochs=0",
    "train.log_to=[]",
    "train.device=cpu",
]


def tiny(*settings: str) -> RunConfig:
    return apply_overrides(recipe("pulses-participants"), [*TINY, *settings])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return pretrain(tiny(), tmp_path_factory.mktemp("run") / "run", show_progress=False)


@pytest.mark.whole
def test_a_run_is_read_back_bit_for_bit_with_the_scale_and_channels_of_its_signals(finished):
    frozen, samples = finished.encoder(), modality_of("series").load(SeriesData(num_participants=24)).train
    state = load_file(finished.path / "encoder.safetensors")
    assert all(torch.equal(value, state[name]) for name, value in frozen.encoder.state_dict().items())
    assert (frozen.spec.channels, frozen.spec.rate_hz, frozen.spec.standardise) == (("pulse",), 32.0, "segment")
    rows = frozen.encoder(frozen.plain(samples.take(torch.arange(4))))
    assert rows.shape == (4, 16)
    # What is standardised does not know how large it was.
    torch.testing.assert_close(frozen.encoder(frozen.plain(7.0 + 3.0 * samples.take(torch.arange(4)))), rows)


@pytest.mark.whole
def test_a_stopped_run_goes_on_to_the_same_bits(finished, tmp_path, monkeypatch):
    from tests.training.stopping import send_at_step

    send_at_step(5, signal.SIGINT, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        pretrain(tiny(), tmp_path, show_progress=False)
    resumed = pretrain(tiny(), tmp_path, show_progress=False)
    first, second = (load_file(run.path / "encoder.safetensors") for run in (finished, resumed))
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.mark.whole
def test_a_run_is_judged_by_participants_and_diagnosed(finished, tmp_path):
    from anchorwise.cli.app import app
    from anchorwise.training.run_embeddings import embed_run_views

    out = tmp_path / "a.json"
    result = CliRunner().invoke(app, ["evaluate", str(finished.path), "--out", str(out), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    metrics = json.loads(out.read_text())["metrics"]
    assert {"group_recall_at_1", "r2", "r2_reflection_delay", "r2_reflection_height", "uniformity"} <= metrics.keys()
    embeddings, _ = embed_run_views(finished.path, device="cpu")
    # Nobody was their own negative in training, and nobody is now.
    assert embeddings.ids.tolist() == embeddings.groups.tolist()
    result = CliRunner().invoke(app, ["diagnose", str(finished.path), "--out", str(tmp_path / "report.html")])
    assert result.exit_code == 0, result.output
    assert [view.shape for view in embeddings.views] == [(216, 4)] * 2


def test_signals_of_other_channels_or_rates_are_refused_and_others_put_in_order(finished):
    frozen = load_series_encoder(finished.path)
    samples = modality_of("series").load(SeriesData(num_participants=24)).train
    assert frozen.adapted(samples) is samples
    with pytest.raises(ValueError, match=r"must have the 32 Hz that the encoder was trained on, got 64 Hz; set data"):
        frozen.adapted(replace(samples, rate_hz=64.0))
    assert modality_of("series").other_data("x", like=SeriesData(), frozen=frozen).sampling_rate_hz == 32.0
    two = replace(samples.sequences, flat=samples.sequences.flat.repeat(1, 2) * torch.tensor([2.0, 1.0]))
    more = replace(samples, sequences=two, channels=("other", "pulse"))
    assert torch.equal(frozen.adapted(more).take(torch.arange(3)), samples.take(torch.arange(3)))
    with pytest.raises(ValueError, match=r"must have the channels pulse .*, got other, third, without pulse"):
        frozen.adapted(replace(more, channels=("other", "third")))


@pytest.mark.parametrize("given", [torch.zeros(2, 1, 1, 9), torch.zeros(2, 9), torch.zeros(2, 1, 9, dtype=torch.int16)])
def test_what_is_no_signal_in_floating_point_is_refused_with_the_way_out(given):
    with pytest.raises(ValueError, match=r"shape \(channels, steps\), got .* such as torch\.from_numpy"):
        modality_of("series").new_encoder(SeriesEncoderConfig(), [given])


@pytest.mark.parametrize(
    "settings",
    [
        ["objective.name=weibit"],
        ["objective.name=info_nce", "method.koleo_weight=0"],
        ["method.name=simclr", "views.pairs=segment", "order.name=shuffled", "views.name=ecg"],
        ["method.name=byol", "method.head.hidden_width=8", "order.name=shuffled"],
        ["encoder.norm=layer", "views.standardise=set", "train.micro_batch_size=4"],
        ["method.name=simclr", "objective.name=sup_re_mix", "data.values=reflection_delay"],
    ],
)
@pytest.mark.whole
def test_other_methods_and_objectives_train_on_signals(tmp_path, settings):
    run = pretrain(tiny(*settings), tmp_path, show_progress=False)
    assert run.summary()["num_steps"] == 24


@pytest.mark.whole
def test_series_of_several_lengths_train_with_their_classes(tmp_path):
    from tests.modalities.series.test_recordings import TS

    for part in ("TRAIN", "TEST"):
        rows = TS.splitlines()
        (tmp_path / f"Vowels_{part}.ts").write_text("\n".join([*rows[:7], *(rows[7:] * 6)]))
    settings = ["modality=series", "encoder.width=4", "method.name=simclr", "objective.name=sup_con"]
    config = apply_overrides(RunConfig(), [*settings, f"data.source={tmp_path}", "data.max_gap_steps=1", *TINY[2:]])
    directory = pretrain(config, tmp_path / "run", show_progress=False)
    assert directory.summary()["num_steps"] == 2


@pytest.mark.whole
def test_tensors_of_ones_own_train_by_the_recipe_with_their_groups_as_participants(tmp_path):
    signals = torch.randn(36, 3, 40, generator=torch.Generator().manual_seed(0))
    settings = dict(each.split("=", 1) for each in TINY if not each.startswith(("data", "train.log_to")))
    typed = {name: int(value) if value.isdecimal() else value for name, value in settings.items()}
    run = anchorwise.pretrain(
        "pulses-participants",
        tmp_path / "run",
        samples=signals,
        groups=torch.arange(36) // 3,
        show_progress=False,
        set={**typed, "train.log_to": []},
    )
    assert run.frozen.spec.channels == ("0", "1", "2")
    assert run.embed().views[0].shape == (36, 16)
    with pytest.raises(ValueError, match=r"signals in floating point of shape \(channels, steps\), got torch.uint8"):
        anchorwise.pretrain(
            "pulses-participants",
            tmp_path / "other",
            samples=torch.zeros(8, 3, 40, dtype=torch.uint8),
            groups=torch.arange(8) // 2,
            show_progress=False,
            set={**typed, "train.log_to": [], "train.batch_size": 4},
        )
