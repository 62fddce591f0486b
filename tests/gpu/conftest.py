import torch

# One case in six of the suite: where there is no device, not even collected.
collect_ignore_glob = [] if torch.cuda.is_available() else ["test_*.py"]
