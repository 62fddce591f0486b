"""Threads of a process that shares its machine: no more than it may use, and none that spins while it waits.

Torch's threads wait for each other at the end of every operation. OpenMP lets them spin there, which costs nothing on
an idle machine; beside another busy process the one they wait for has no core, and the others burn theirs.
"""

import os
from pathlib import Path

# Each of them decides how threads wait; whoever has set one of them has decided.
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def share_the_machine() -> None:
    """Set up OpenMP through the environment, which it reads once: call this before torch is imported.

    What the user has set stays. The number of threads is set only where a quota allows less than the cores at hand,
    since OpenMP looks at the cores by itself and knows nothing of quotas.
    """
    if not any(name in os.environ for name in _WAITING):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    if usable_cores() < _cores_at_hand():
        os.environ.setdefault("OMP_NUM_THREADS", str(usable_cores()))


def usable_cores(*, proc: Path = Path("/proc/self/cgroup"), control: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the cores this process may really use, by its affinity and the quotas of its control groups; at least 1.

    Args:
        proc: Where the system says which control groups those are.
        control: Where it says what they may use.
    """
    quotas = [quota for folder in _groups(proc, control) if (quota := _quota(folder)) is not None]
    return max(1, int(min([_cores_at_hand(), *quotas])))


def _cores_at_hand() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _groups(proc: Path, control: Path) -> list[Path]:
    """Return the folders of the groups that limit this process, those above them among them; both versions of cgroups.

    Inside a container the path that the system names may not be there: its own group is then at the top.
    """
    folders = []
    for line in proc.read_text().splitlines() if proc.is_file() else ():
        _, controllers, path = line.split(":", maxsplit=2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = control / "cpu" if controllers else control
        group = top / path.lstrip("/")
        folders += [group, *(parent for parent in group.parents if parent.is_relative_to(top))]
    return folders


def _quota(group: Path) -> float | None:
    """Return how many cores a group may use, as version 2 or version 1 says it; None for no limit."""
    try:
        if (group / "cpu.max").is_file():
            allowed, period = (group / "cpu.max").read_text().split()
        else:
            allowed, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return int(allowed) / int(period) if int(allowed) > 0 else None
    except (OSError, ValueError):  # No such file; "max" for no limit.
        return None
