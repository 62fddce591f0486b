"""Reports as one self-contained HTML file, and where a result comes from."""

from anchorwise import _extras

_extras.needed("jinja2")
