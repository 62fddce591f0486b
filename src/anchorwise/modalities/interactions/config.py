"""Which interactions of users with items a run uses, and what encodes both."""

from typing import Literal

from pydantic import Field, model_validator

from anchorwise._config import NO_IDENTITY, Count, Section, Seed, Width


class InteractionData(Section):
    """The data section of a run on users and items.

    Attributes:
        source: A folder, in one of three layouts. `data1.txt` and `test1.txt` have a user, an item and a count on every
            line; counts are not looked at. `train.txt`, `test.txt` and, where there is one, `valid.txt` have a user and
            her items on a line, or a user, an item and a weight. `s_adj_mat.npz` with `test.txt` is the graph as a
            sparse matrix over users and then items. Users and items may be called anything. What the training does not
            know, and what it has already, is left out of validation and test, and counted.
        validation_share: Share of the items of every training user, drawn at random, that is held out to choose
            settings by; at least one stays. In [0, 1); 0 holds out none.
        seed: Decides which.
    """

    source: str = Field(default="interactions", json_schema_extra=NO_IDENTITY)
    validation_share: float = Field(default=0.0, ge=0, lt=1)
    seed: Seed = 0

    @model_validator(mode="after")
    def _refuse_no_source(self) -> "InteractionData":
        if not self.source.strip():
            raise ValueError("data.source must be a folder, got nothing; '.' is the current folder")
        return self


class InteractionViewsConfig(Section):
    """Views of an interaction: its user and its item. There is nothing to set."""


class LightGCNConfig(Section):
    """Vectors of users and items, and how they are passed along the graph.

    Attributes:
        name: "light_gcn"; with `num_layers=0` it is a plain matrix factorisation.
        width: Of a vector.
        num_layers: How often what a node has goes to its neighbours.
        with_first: Whether the mean over layers has the vectors themselves in it: LightGCN does, SimGCL and XSimGCL do
            not.
        num_users: Filled in before the run starts.
        num_items: Likewise.
        num_edges: Interactions in the graph; likewise.
    """

    name: Literal["light_gcn"] = "light_gcn"
    width: Width = 64
    num_layers: int = Field(default=3, ge=0, le=64)
    with_first: bool = True
    num_users: Count | None = None
    num_items: Count | None = None
    num_edges: Count | None = None

    @model_validator(mode="after")
    def _refuse_no_layer(self) -> "LightGCNConfig":
        if not self.num_layers and not self.with_first:
            raise ValueError("encoder.with_first must be true where encoder.num_layers=0: there is no other layer")
        return self
