"""What names say in a folder or archive: which are hidden, and which folders are splits."""

TRAIN_FOLDER = "train"
TEST_FOLDERS = ("test", "val", "valid", "validation")
NEAR_SPLITS = ("training", "testing", "eval", "evaluation", "dev")  # Not known as splits, and no classes either.


def is_hidden(name: str) -> bool:
    """Whether a relative name, or a folder around it, is hidden or of a system's own making."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def is_in_split(name: str) -> bool:
    """Whether a relative name is that of a split's folder or lies in one."""
    return any(part in (TRAIN_FOLDER, *TEST_FOLDERS) for part in name.lower().split("/"))
