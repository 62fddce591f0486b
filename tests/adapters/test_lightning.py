from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from anchorwise.adapters.lightning import OnlineMonitor
from anchorwise.training.tail_statistics import tail_statistics


class Module(nn.Module):
    """As much of a LightningModule as the callback asks for."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        nn.init.eye_(self.encoder[0].weight)
        self.logged = dict[str, float]()
        self.train()

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return tuple(part.to(device) for part in batch)

    def log_dict(self, values: dict[str, float], rank_zero_only: bool = False) -> None:
        self.logged |= values


def _trainer(**state: Any) -> SimpleNamespace:
    return SimpleNamespace(**{"current_epoch": 0, "global_step": 2, "is_global_zero": True, **state})


def _loader(num_batches: int = 4) -> list[tuple[Tensor, Tensor]]:
    """Two classes, far apart."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(10) % 2
    centres = torch.tensor([[4.0, 0.0, 0.0, 0.0], [0.0, 4.0, 0.0, 0.0]])
    return [(centres[labels] + torch.randn(10, 4, generator=generator), labels) for _ in range(num_batches)]


def _embed(module: Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return module.encoder(batch[0]) + torch.tensor([0.0, 0.0, 0.0, 1e-3]), batch[1]


def _views(module: Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return module.encoder(batch[0]), module.encoder(batch[0] + 0.1)


def test_after_an_epoch_rows_are_judged_and_the_module_is_as_it_was():
    module, monitor = Module(), OnlineMonitor(_embed, _loader())
    module.encoder[0].eval()
    monitor.on_train_epoch_end(_trainer(), module)
    assert module.logged["watch/knn_accuracy"] == 1.0
    assert 1.0 <= module.logged["watch/effective_rank"] <= 4.0
    assert 0.0 < module.logged["watch/spread"] <= 1.0
    assert module.encoder[1].num_batches_tracked == 0
    assert (module.training, module.encoder[0].training, module.encoder[1].training) == (True, False, True)


def test_without_labels_only_what_needs_none_is_logged():
    module = Module()
    OnlineMonitor(lambda module, batch: (_embed(module, batch)[0], None), _loader()).on_train_epoch_end(
        _trainer(), module
    )
    assert sorted(module.logged) == ["watch/effective_rank", "watch/spread"]


def test_no_more_rows_are_embedded_than_asked_for():
    seen = list[int]()

    def embed(module: Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        seen.append(len(batch[0]))
        return _embed(module, batch)

    OnlineMonitor(embed, _loader(), max_rows=15).on_train_epoch_end(_trainer(), Module())
    assert seen == [10, 10]


@pytest.mark.parametrize("state", [{"current_epoch": 1}, {"is_global_zero": False}])
def test_other_epochs_and_other_ranks_judge_nothing(state):
    module = Module()
    monitor = OnlineMonitor(_embed, _loader(), every_num_epochs=3)
    monitor.on_train_epoch_end(_trainer(**{"current_epoch": 2, **state}), module)
    assert not module.logged
    monitor.on_train_epoch_end(_trainer(current_epoch=2), module)
    assert module.logged


def test_the_tail_is_that_of_the_embeddings_of_a_training_batch():
    module, batch = Module(), _loader()[0]
    monitor = OnlineMonitor(_embed, [], views=_views, every_num_steps=2)
    monitor.on_train_batch_end(_trainer(global_step=3), module, None, batch, 2)
    assert not module.logged
    monitor.on_train_batch_end(_trainer(global_step=4), module, None, batch, 3)
    module.eval()
    expected = tail_statistics(*(view.detach() for view in _views(module, batch)))
    assert module.logged == pytest.approx({f"tail/{name}": value for name, value in expected.items()}, nan_ok=True)


def test_broken_features_are_a_warning_and_end_no_training():
    module = Module()
    nn.init.constant_(module.encoder[0].weight, torch.nan)
    with pytest.warns(UserWarning, match="epoch 0: it cannot be judged: .*finite"):
        OnlineMonitor(_embed, _loader()).on_train_epoch_end(_trainer(), module)
    assert not module.logged


def test_a_collapse_is_said_in_words():
    module = Module()
    nn.init.zeros_(module.encoder[0].weight)
    with pytest.warns(UserWarning, match="epoch 0: collapsed: all features are nearly alike"):
        OnlineMonitor(_embed, _loader()).on_train_epoch_end(_trainer(), module)


def test_what_is_counted_is_at_least_one():
    with pytest.raises(ValueError, match="every_num_epochs"):
        OnlineMonitor(_embed, [], every_num_epochs=0)


def test_of_accumulated_batches_the_one_that_takes_the_step_is_read():
    read = list[int]()
    rows, module = torch.randn(8, 4), Module()
    monitor = OnlineMonitor(
        lambda module, batch: (batch, None),
        [],
        views=lambda module, batch: (read.append(step), (batch, batch))[1],
        every_num_steps=2,
    )
    for batch in range(16):
        step = (batch + 1) // 4
        monitor.on_train_batch_end(_trainer(global_step=step), module, None, rows, batch)
    assert read == [2, 4]
