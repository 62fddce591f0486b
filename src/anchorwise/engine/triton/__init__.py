"""The backend of fused kernels for NVIDIA GPUs, written in Triton: experimental, and never chosen unasked."""

try:
    import triton as _triton  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "the triton backend needs the package triton, which comes with torch for CUDA on Linux: pip install triton, "
        'or choose another backend with anchorwise.engine.use_backend("tiled")'
    ) from error

from anchorwise.engine.triton.backend import Triton

__all__ = ["Triton"]
