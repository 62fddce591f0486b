"""Which device computes."""

import torch


def as_device(name: torch.device | str, argument: str = "device") -> torch.device:
    """Return the device of that name; "auto" is CUDA where there is one.

    Args:
        name: As torch has it, or "auto".
        argument: What an error calls it.

    Raises:
        ValueError: If there is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        probe = torch.zeros(1, device=name)
        probe.item()  # Some devices, such as "meta", take tensors and compute nothing.
    except (RuntimeError, AssertionError) as error:  # An AssertionError is how torch built without CUDA says so.
        raise ValueError(f"{argument} must be 'auto' or a torch device of this machine, got {str(name)!r}") from error
    return probe.device
