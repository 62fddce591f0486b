"""Queries as samples: three trajectories each, or trajectories one by one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import final

from jaxtyping import Float, Int64
from torch import Tensor

from anchorwise.modalities.queries.recordings import Queries
from anchorwise.modalities.samples import Samples

# n = samples, b = samples of a batch, m = chosen samples, r = trajectories of a sample, t = all trajectories,
# s = states of each, f = numbers of a state, k = causal features


@final
@dataclass(frozen=True, eq=False)
class QuerySamples(Samples):
    """Samples of three trajectories or of one; an encoder is judged on the first of each.

    Attributes:
        states: Of all trajectories.
        members: Which each sample has: two that are alike, and the other one; or one alone.
        names: As `Samples`.
        features: What answers depend on, of all trajectories; None where nobody knows.
    """

    states: Float[Tensor, "t s f"]
    members: Int64[Tensor, "n r"]
    names: tuple[str, ...]
    features: Float[Tensor, "t k"] | None = None

    @property
    def what(self) -> str:
        """Their number and form."""
        what = "queries of three trajectories" if self.are_queries else "trajectories"
        return f"{len(self):,} {what} of {self.states.shape[1]} states of {self.states.shape[2]} numbers"

    @property
    def are_queries(self) -> bool:
        """Whether each is a query with its answer."""
        return self.members.shape[1] == 3

    @property
    def own_features(self) -> Float[Tensor, "n k"] | None:
        """What answers depend on, of the first trajectory of each; None where nobody knows."""
        return None if self.features is None else self.features[self.members[:, 0]]

    def __len__(self) -> int:
        return len(self.members)

    def take(self, ids: Int64[Tensor, " b"]) -> Float[Tensor, "b s f"]:
        """Return the first trajectory of samples."""
        return self.states[self.members[ids, 0]]

    def all_of(self, ids: Int64[Tensor, " b"]) -> Float[Tensor, "b r s f"]:
        """Return all trajectories of samples."""
        return self.states[self.members[ids]]

    def at(self, place: int) -> "QuerySamples":
        """Return the trajectories at a place of every query, one by one."""
        return replace(self, members=self.members[:, place : place + 1])

    def partners(self) -> "QuerySamples | None":
        """Return what is alike to the first trajectory of each."""
        return self.at(1) if self.are_queries else None

    def subset(self, ids: Int64[Tensor, " m"]) -> "QuerySamples":
        """Return a set of these samples, in this order."""
        return replace(self, members=self.members[ids], names=tuple(self.names[number] for number in ids.tolist()))

    def content(self) -> Iterator[Tensor]:
        """Yield all that tells these samples from others."""
        yield from (self.states, self.members)


def query_samples(queries: Queries) -> QuerySamples:
    """Return queries as samples."""
    names = tuple(" ".join(queries.names[place] for place in answer) for answer in queries.answers.tolist())
    return QuerySamples(queries.states, queries.answers, names, queries.features)


def one_by_one(queries: QuerySamples) -> QuerySamples:
    """Return the trajectories that queries are about, each once and without an answer."""
    members = queries.members.unique()
    return replace(queries, members=members.unsqueeze(1), names=tuple(map(str, members.tolist())))
