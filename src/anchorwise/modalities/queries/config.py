"""Which queries a run uses, how the views of a trajectory differ, and what encodes them."""

from pydantic import Field, model_validator

from anchorwise._config import NO_IDENTITY, Count, Section, Seed, Width

PATHS = "paths"


class QueryData(Section):
    """The data section of a run on queries.

    Attributes:
        source: `paths` (generated ones with known causal features), or the path of a recording: an `.npz` file, a
            `.jsonl` file, or a folder of CSV files (`anchorwise.modalities.queries.recordings`).
        answers: Whether a sample is a query with its answer. False takes the trajectories of the queries to train on
            one by one, without answers, for methods whose views are one trajectory with noise (`views.noise`).
        wrong_share: Share of the queries to train on whose answer is replaced by one of the two others, in [0, 1]; at
            2/3 there is nothing to be learnt from the answers.
        num_train: Queries to train on; None keeps all of a recording and makes 500 of `paths`.
        num_test: Queries that are judged; None takes a fifth of a recording and makes 500 of `paths`.
        seed: Decides generated queries, the test part of a recording, and which answers are wrong.
    """

    source: str = Field(default=PATHS, json_schema_extra=NO_IDENTITY)
    answers: bool = True
    wrong_share: float = Field(default=0.0, ge=0, le=1)
    num_train: Count | None = None
    num_test: Count | None = None
    seed: Seed = 0

    @model_validator(mode="after")
    def _refuse_no_source(self) -> "QueryData":
        if not self.source.strip():
            raise ValueError(f"data.source must be {PATHS!r} or a path, got nothing; '.' is the current folder")
        return self


class QueryViewsConfig(Section):
    """How the views of a trajectory differ.

    Attributes:
        noise: Standard deviation of normal noise that is added to every number of a view, in standard deviations of
            that number over the trajectories to train on. 0 adds none, which suits queries: their three trajectories
            differ.
    """

    noise: float = Field(default=0.0, ge=0, le=100)


class TrajectoryEncoderConfig(Section):
    """A perceptron of every state, whose features are summed over the states of a trajectory.

    Attributes:
        num_layers: Hidden layers.
        width: Of each.
        num_features: Of a trajectory.
        num_numbers: Numbers of a state; filled in before the run starts.
    """

    num_layers: int = Field(default=2, ge=0, le=100)
    width: Width = 128
    num_features: Width = 6
    num_numbers: Count | None = None
