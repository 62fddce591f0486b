"""The callback in Lightning's own Trainer."""

import torch
from torch import nn
from torch.utils.data import DataLoader

from anchorwise import InfoNCE
from anchorwise.adapters.lightning import OnlineMonitor
from tests.parity.peers import marks, peer

lightning = peer("lightning", "pytorch")
pytestmark = marks


def test_a_trainer_calls_the_monitor_and_takes_its_numbers():
    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Linear(4, 4)

        def training_step(self, batch, batch_index):
            return InfoNCE()(*self.views(batch))

        def views(self, batch):
            return self.encoder(batch[0]), self.encoder(batch[0] + 0.1)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    samples = [(torch.randn(4), number % 2) for number in range(32)]
    loader = DataLoader(samples, batch_size=16)
    monitor = OnlineMonitor(
        lambda module, batch: (module.encoder(batch[0]), batch[1]), loader, views=Module.views, every_num_steps=1
    )
    assert isinstance(monitor, lightning.Callback)
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", callbacks=[monitor], **quiet)
    trainer.fit(Module(), loader)
    assert {"watch/knn_accuracy", "watch/effective_rank", "tail/hardest_score"} <= set(trainer.callback_metrics)
