"""ProtoNCE: a row against cluster centres, each as sharp as its cluster is dense.

Source: Li et al. 2020, "Prototypical Contrastive Learning of Unsupervised Representations", Eq. 11,
https://arxiv.org/abs/2005.04966.
"""

from typing import final

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from anchorwise import _tensor_checks, engine
from anchorwise._precision import softmax_nll
from anchorwise.links import SoftmaxLink
from anchorwise.objectives.objective import Inputs, Objective, Outcome, mean_outcome
from anchorwise.pairs import SameId, gathered_ids, views_of

# n = samples, d = embedding width, k = prototypes


@final
class ProtoNCE(Objective):
    """`-log(e^(s_own / phi_own) / sum over prototypes of e^(s_k / phi_k))`, mean over n samples: the prototype term.

    The source adds it, as a mean over several clusterings, to InfoNCE, and samples the other prototypes where there
    are many; here all of them count.
    """

    inputs: Inputs = Inputs(min_views=1, max_views=1, needs=("prototypes", "assignments", "concentrations"))

    def detail(
        self,
        view0: Float[Tensor, "n d"],
        *,
        prototypes: Float[Tensor, "k d"] | None = None,
        assignments: Integer[Tensor, " n"] | None = None,
        concentrations: Float[Tensor, " k"] | None = None,
    ) -> Outcome:
        """Return the loss with the samples' losses and the cosines with their own prototypes.

        Args:
            view0: Rows of the samples.
            prototypes: Centres of the clusters, of any length.
            assignments: The samples' own prototypes, by row number.
            concentrations: phi, a temperature of every prototype, above 0: small for a dense cluster. The source's is
                the mean distance of a cluster's Z rows from its centre over log(Z + 10), clipped at the 10th and 90th
                percentile and scaled to a chosen mean. MEOW's released code takes similarities for squared distances
                there, which makes it large for a dense cluster.
        """
        prototypes = _tensor_checks.needed(
            self, "prototypes", prototypes, "the cluster centres, shape (prototypes, width)"
        )
        assignments = _tensor_checks.needed(
            self, "assignments", assignments, "the samples' prototypes, shape (samples,)"
        )
        phi = _tensor_checks.needed(self, "concentrations", concentrations, "a temperature of every prototype")
        views = views_of(view0)
        _tensor_checks.some_rows("prototypes", prototypes)
        rows, centres = views.units[0], views.beside("prototypes", prototypes)
        own = _tensor_checks.places(
            "assignments",
            gathered_ids("assignments", assignments, view0),
            len(centres),
            "the last prototype",
            "leave out samples that are in no cluster",
        )
        # A key's temperature is part of the key: scores are then logits.
        keys = centres / _temperatures(phi, centres).unsqueeze(1)
        numbers = torch.arange(len(keys), device=rows.device)
        contrast = views.contrast(rows, keys, (SameId(own, numbers),), 1)
        logits = SoftmaxLink(1.0)
        losses = softmax_nll(logits((rows * keys[own]).sum(dim=1)), engine.logsumexp_rows(contrast, logits))
        return mean_outcome(losses, {"prototype_score": (rows * centres[own]).sum(dim=1)})


def _temperatures(concentrations: Float[Tensor, " k"], centres: Float[Tensor, "k d"]) -> Float[Tensor, " k"]:
    phi = _tensor_checks.real_per_row("concentrations", concentrations, "prototypes", centres)
    is_one = (phi > 0.0) & (phi < torch.inf)
    if not _tensor_checks.are_read(phi):
        return phi.where(is_one, torch.nan).to(centres)
    if not bool(is_one.all()):
        raise ValueError(
            f"concentrations must be finite and above 0, since they are temperatures, got {float(phi[~is_one][0]):g}; "
            "give clusters without spread the smallest of the others, and those of one row or none the largest"
        )
    return phi.to(centres)
