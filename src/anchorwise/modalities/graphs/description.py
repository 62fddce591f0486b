"""What a graph's folder says of itself."""

import tomllib
from pathlib import Path

from pydantic import Field, model_validator

from anchorwise import _checks, _files
from anchorwise._config import Count, Section, section_of

DESCRIPTION = "graph.toml"


class NodesOf(Section):
    """A kind of node.

    Attributes:
        features: File of a matrix, one row for each node; left out, a node is told by itself alone.
        num: How many there are; left out, as many as rows of features, or as numbers in use.
    """

    features: str | None = None
    num: Count | None = None


class EdgesOf(Section):
    """A kind of edge.

    Attributes:
        between: The kinds of its two nodes, in the order of the columns of the file.
        file: Of the edge list.
    """

    between: tuple[str, str]
    file: str


class SplitOf(Section):
    """Files of node numbers: the parts of the labelled nodes.

    Attributes:
        train: To fit on.
        validation: To choose by.
        test: To score.
    """

    train: str
    validation: str
    test: str


class Description(Section):
    """What `graph.toml` says.

    Attributes:
        target: The kind of node that is encoded.
        labels: File with a whole number for each of them, -1 where nobody knows; None without.
        nodes: Kinds of node by name.
        edges: Kinds of edge by name.
        meta_paths: Kinds of node along each, by name: from the target to a kind in the middle, and the same way back.
        splits: By the number of labels of a class.
    """

    target: str
    labels: str | None = None
    nodes: dict[str, NodesOf] = Field(default={})
    edges: dict[str, EdgesOf]
    meta_paths: dict[str, tuple[str, ...]]
    splits: dict[int, SplitOf] = Field(default={})

    @model_validator(mode="after")
    def _refuse_what_leads_nowhere(self) -> "Description":
        kinds = sorted({self.target, *self.nodes, *(kind for edge in self.edges.values() for kind in edge.between)})
        for name, kinds_along in self.meta_paths.items():
            for kind in kinds_along:
                _checks.one_of(f"meta_paths.{name}", kind, kinds)
            is_way_back = len(kinds_along) % 2 == 1 and kinds_along == kinds_along[::-1]
            if not is_way_back or len(kinds_along) < 3 or kinds_along[0] != self.target:
                raise ValueError(
                    f"meta_paths.{name} must lead from {self.target!r} to a kind of node in the middle and the same "
                    f"way back, such as {[self.target, kinds[0], self.target]}, got {list(kinds_along)}"
                )
        return self

    def edges_between(self, first: str, second: str) -> tuple[str, bool]:
        """Return the file of the edges between two kinds of node, and whether its columns are the other way round.

        Raises:
            ValueError: If there are none, or several kinds of them.
        """
        found = {name: edge for name, edge in self.edges.items() if set(edge.between) == {first, second}}
        if len(found) != 1:
            got = ", ".join(found) or "none"
            raise ValueError(
                f"there must be one list of edges between {first!r} and {second!r} on a meta-path, got {got}; give "
                "the nodes of another meaning another name"
            )
        (edge,) = found.values()
        return edge.file, edge.between != (first, second)


def read_description(path: Path) -> Description:
    """Read `graph.toml`.

    Raises:
        UnusableFileError: If it is damaged; the message names what is wrong in it.
    """
    with _files.reading(path):
        return section_of(Description, tomllib.loads(path.read_text(encoding=_files.ANY_UTF_8)))
