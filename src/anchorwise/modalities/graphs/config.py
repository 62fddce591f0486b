"""Which graph a run uses, and what encodes its nodes."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from anchorwise._config import NO_IDENTITY, Count, Section, Seed, Width

Share = Annotated[float, Field(ge=0, lt=1)]


class GraphData(Section):
    """The data section of a run on nodes.

    Attributes:
        source: Folder of a graph: with `graph.toml`, or as HeCo and MEOW lay it out.
        meta_paths: Names of those that are used; all if left out.
        labels_per_class: Labels of a training part, one part for each number, where the folder has no index files.
        num_validation: Nodes of the validation part of each, likewise; fewer where there are not so many.
        num_test: Likewise of the test part.
        seed: Decides which nodes those are.
    """

    source: str = Field(default="graph", json_schema_extra=NO_IDENTITY)
    meta_paths: tuple[str, ...] | None = Field(default=None, min_length=1)
    labels_per_class: tuple[Count, ...] = Field(default=(20, 40, 60), min_length=1)
    num_validation: Count = 1000
    num_test: Count = 1000
    seed: Seed = 0

    @model_validator(mode="after")
    def _refuse_no_source(self) -> "GraphData":
        if not self.source.strip():
            raise ValueError("data.source must be the folder of a graph, got nothing; '.' is the current folder")
        return self


class GraphViewsConfig(Section):
    """There is nothing to set: the two views of a node are the coarse and the fine one of its encoder."""


class GraphEncoderConfig(Section):
    """The encoder whose fine rows are judged.

    Attributes:
        name: "meow".
        width: Of a row.
        dropout: Its rate, in [0, 1).
        num_neighbors: Neighbours of a node on a meta-path that are kept, those of the largest PathSim: a number, or one
            for each meta-path. Left out, all are kept, and no matrix of them is made but for the masked versions.
        feature_mask: Share of the entries of the features that the masked versions of a node do without.
        edge_mask: Share of the links on a meta-path that they do without: a number, or one for each meta-path.
    """

    name: Literal["meow"] = "meow"
    width: Width = 64
    dropout: Share = 0.2
    num_neighbors: Count | tuple[Count, ...] | None = None
    feature_mask: Share = 0.3
    edge_mask: Share | tuple[Share, ...] = 0.2
