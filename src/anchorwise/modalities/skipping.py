"""What is said of samples that were found and are not in a set."""

from collections import Counter
from collections.abc import Sequence

from anchorwise._warnings import warn
from anchorwise.modalities.samples import Skipped

_MAX_REASONS = 3  # Told one by one.


def warn_skipped(skipped: Sequence[Skipped], source: str) -> None:
    """Warn in one line how many there are, and why; of none nothing is said."""
    if skipped:
        first = {item.reason: item.name for item in reversed(skipped)}
        reasons = Counter(item.reason for item in skipped).most_common()
        told = [f"{count} as {first[reason]!r}: {reason}" for reason, count in reasons[:_MAX_REASONS]]
        told += [f"{len(reasons) - _MAX_REASONS} reasons more"] if len(reasons) > _MAX_REASONS else []
        warn(f"{source}: {len(skipped)} skipped ({'; '.join(told)})")
