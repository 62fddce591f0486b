"""Other callers' conventions, for users who move over."""

from anchorwise.adapters import weince_release

__all__ = ["weince_release"]
