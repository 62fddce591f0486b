"""Words of texts, counted and weighed by how rare they are: a baseline, and a first look for candidates."""

from collections.abc import Sequence
from typing import Any

import numpy as np

# Words and numbers; names in code are parted at underscores.
_WORD = r"(?u)[^\W_]+"


def counted_words(texts: Sequence[str]) -> Any:
    """Return scikit-learn's TF-IDF, fitted on texts; it makes unit rows in float32, sparse."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    settings: dict[str, Any] = {"token_pattern": _WORD, "dtype": np.float32}
    return TfidfVectorizer(**settings).fit(texts)
