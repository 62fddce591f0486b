"""Frozen encoders for other runtimes: one ONNX file that takes images as they are and normalises them itself."""

from pathlib import Path

import torch
from torch import Tensor, nn

from anchorwise import _extras, _files, _outputs
from anchorwise.modalities.base import Exported
from anchorwise.modalities.images.sizes import height_and_width
from anchorwise.modalities.images.storage import StoredEncoder

MODEL_FILE = "model.onnx"
_INPUT, _OUTPUT = "images", "features"
_OPSET = 18
_TOLERANCE = 1e-4  # Of the largest feature: other kernels add in another order.


class _FromPixels(nn.Module):
    """The encoder with what stands before it, on pixels in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, stored: StoredEncoder) -> None:
        super().__init__()
        self.encoder = stored.encoder
        self.register_buffer("mean", torch.tensor(stored.spec.mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(stored.spec.std).view(-1, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder((images - self.mean) / self.std)


def export_onnx(stored: StoredEncoder, out: Path | str) -> Exported:
    """Write an encoder as `model.onnx` into `out`, and check with onnxruntime that it gives the same features.

    It takes float32 pixels in [0, 1], any number of images of the encoder's size, and gives one row of features each.

    Args:
        stored: Such as that of a finished run.
        out: New, empty, or an export that is replaced.

    Raises:
        ModuleNotFoundError: If the extra `onnx` is not installed.
        ValueError: If `out` holds anything else, or the features differ.
    """
    for module in ("onnx", "onnxscript", "onnxruntime"):
        _extras.needed(module)
    out = Path(out)
    _outputs.claim_folder(out, "export")
    images = _images(stored, 2)
    program = torch.onnx.export(
        _FromPixels(stored).eval(),
        (images,),
        input_names=[_INPUT],
        output_names=[_OUTPUT],
        dynamic_shapes=({0: torch.export.Dim("samples")},),
        opset_version=_OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    with _files.replacing(out / MODEL_FILE) as temporary:
        program.save(temporary, external_data=False)
    _check(stored, out)
    how = f'features = InferenceSession("{MODEL_FILE}").run(None, {{"{_INPUT}": pixels}})[0]  # float32 in [0, 1]'
    return Exported("onnx", how, "from onnxruntime import InferenceSession")


def _images(stored: StoredEncoder, num_images: int) -> Tensor:
    height_px, width_px = height_and_width(stored.spec.image_size_px)
    generator = torch.Generator().manual_seed(0)
    return torch.rand(num_images, stored.spec.num_channels, height_px, width_px, generator=generator)


@torch.no_grad()
def _check(stored: StoredEncoder, out: Path) -> None:
    """Refuse a file whose features differ from the run's, in a batch of another size than it was traced with."""
    import onnxruntime  # pyright: ignore[reportMissingImports]

    images = _images(stored, 5)
    expected = _FromPixels(stored).eval()(images)
    session = onnxruntime.InferenceSession(str(out / MODEL_FILE), providers=["CPUExecutionProvider"])
    found = torch.from_numpy(session.run(None, {_INPUT: images.numpy()})[0])
    difference = (found - expected).abs().max().item() / expected.abs().max().item()
    if not difference <= _TOLERANCE:
        raise ValueError(
            f"{out / MODEL_FILE} does not give the run's features: they differ by {difference:.1e} of them"
        )
