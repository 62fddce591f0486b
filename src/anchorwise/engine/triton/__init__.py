"""The backend of fused kernels for NVIDIA GPUs, written in Triton."""
