"""A map of items for a report: a dot for each, its picture and what lies next to it where one points at it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

NUM_NAMED_CLASSES = 20  # A longer legend is read by nobody; a dot says its class itself.
_SIDE, _MARGIN = 500.0, 12.0  # Of the drawing, in its own units.
# Told apart by all common kinds of colour vision, for as many classes as there are; then turns of the colour circle.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#E69F00", "#56B4E9", "#882255", "#8A8F98")


@dataclass(frozen=True)
class Pictures:
    """Small pictures of all items in one image, row by row.

    Attributes:
        uri: Data URI of the image.
        columns: Pictures in a row.
        rows: Rows of pictures.
    """

    uri: str
    columns: int
    rows: int


@dataclass(frozen=True)
class Dot:
    """An item of a map.

    Attributes:
        x: From the left, in [0, 1].
        y: From below, in [0, 1].
        name: Of the item.
        group: Number of its class, from 0.
        near: Numbers of the items most like it, the most alike first, with their cosines.
    """

    x: float
    y: float
    name: str
    group: int
    near: Sequence[tuple[int, float]]

    @property
    def neighbours(self) -> str:
        """Those most like it as text for the script: `number:cosine`, with spaces between."""
        return " ".join(f"{number}:{cosine:.3f}" for number, cosine in self.near)


@dataclass(frozen=True)
class PointMap:
    """Items on a plane.

    Attributes:
        title: Above the map.
        dots: One for each item.
        groups: Names of the classes; one empty name where there are none.
        description: What it shows, for readers who do not see it.
        caption: Below it.
        pictures: Of the items in the order of the dots, where there are any.
    """

    title: str
    dots: Sequence[Dot]
    groups: Sequence[str]
    description: str
    caption: str = ""
    pictures: Pictures | None = None
    kind: str = field(default="map", init=False)

    @property
    def side(self) -> float:
        """Length of the drawing's sides."""
        return _SIDE

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Colour and name of every class, where there are few enough."""
        return [(self.colour(group), name) for group, name in enumerate(self.groups) if name][:NUM_NAMED_CLASSES]

    def place(self, dot: Dot) -> tuple[float, float]:
        """Return where a dot stands in the drawing, from its upper left corner."""
        length = _SIDE - 2 * _MARGIN
        return round(_MARGIN + length * dot.x, 1), round(_MARGIN + length * (1.0 - dot.y), 1)

    def colour(self, group: int) -> str:
        """Return the colour of a class."""
        if len(self.groups) <= len(_COLOURS):
            return _COLOURS[group]
        lightness = (45, 62)[group % 2]  # Neighbours on the circle differ in lightness too.
        return f"hsl({360 * group / len(self.groups):.0f} 70% {lightness}%)"
