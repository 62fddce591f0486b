"""Encoders of views: while they are trained, and frozen with what they expect of their input."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from jaxtyping import Float, Int64
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from anchorwise import _files
from anchorwise._config import Section, read_section
from anchorwise.modalities.fingerprint import digest
from anchorwise.modalities.pixel_range import PixelRange
from anchorwise.modalities.samples import Samples, View
from anchorwise.modalities.views import PIXELS, ViewMaker, ViewPlan, input_of
from anchorwise.models.pieces import encoded_in_pieces
from anchorwise.models.still import hold_still

BESIDE = "beside"  # Folder in that of an encoder, with one for each other encoder of the training.
WEIGHTS_FILE, SPEC_FILE = "encoder.safetensors", "encoder.json"

_KEPT = "kept"

Spec = TypeVar("Spec", bound=Section)

# b = samples, f = features, h = height, w = width of a map, k = patches that are kept, or clips


@dataclass(frozen=True)
class Patches:
    """What a view of the full size is cut into.

    Attributes:
        size_px: Height and width of a patch in pixels.
        grid: Rows and columns of patches.
    """

    size_px: int
    grid: tuple[int, int]


class Encoder(nn.Module):
    """A backbone without its classifier, whose output width is known. Subclasses say in `encode` how it is called.

    Args:
        backbone: Maps views to feature rows.
        num_features: Width of a row.

    Attributes:
        origin: Where its first weights come from, in words; empty for random ones.
    """

    def __init__(self, backbone: nn.Module, *, num_features: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.num_features = num_features
        self.origin = ""
        self._max_rows: int | None = None
        self._still: tuple[str, ...] = ()

    def forward(self, view: View) -> Float[Tensor, "b f"]:
        """Return one feature row per sample; in training, piece by piece where that was asked for."""
        view = input_of(view)
        if self._max_rows is None or not self.training:
            return self.encode(view)
        return encoded_in_pieces(self, self.encode, view, max_rows=self._max_rows)

    def encode(self, view: View) -> Float[Tensor, "b f"]:
        """Return one feature row per sample."""
        return self.backbone(view)

    @property
    def reads_pairs(self) -> bool:
        """Whether it can read two samples together."""
        return False

    def read(self, pairs: View) -> Float[Tensor, "b 2"]:
        """Return two numbers for each of `Samples.joined`, for yes and no; one that reads none overrides nothing."""
        raise NotImplementedError(f"{type(self).__name__} reads no pairs")

    def maps(self, view: View) -> Float[Tensor, "b f h w"]:
        """Return what `forward` takes the mean of, place by place; in training, piece by piece where asked for."""
        view = input_of(view)
        if self._max_rows is None or not self.training:
            return self.encode_maps(view)
        return encoded_in_pieces(self, self.encode_maps, view, max_rows=self._max_rows)

    def encode_maps(self, view: View) -> Float[Tensor, "b f h w"]:
        """Return feature maps; an encoder that has none overrides nothing."""
        raise NotImplementedError

    def pooled(self, maps: Float[Tensor, "b f h w"]) -> Float[Tensor, "b f"]:
        """Return the rows that `forward` makes of its maps; their mean, unless an encoder does more behind it."""
        return maps.mean(dim=(2, 3))

    def check_maps(self, who: str) -> None:
        """Refuse an encoder without feature maps.

        Raises:
            ValueError: If this is one.
        """
        if type(self).encode_maps is Encoder.encode_maps:
            raise ValueError(
                f"{who} needs an encoder with feature maps, got {type(self).__name__}, which has none; take one by "
                "name (encoder.name), or override encode_maps"
            )

    def clips(self, view: View) -> Float[Tensor, "b k f"]:
        """Return the rows that `forward` takes the mean of, clip by clip; in training, piece by piece where asked."""
        view = input_of(view)
        if self._max_rows is None or not self.training:
            return self.encode_clips(view)
        return encoded_in_pieces(self, self.encode_clips, view, max_rows=self._max_rows)

    def encode_clips(self, view: View) -> Float[Tensor, "b k f"]:
        """Return one row per clip of every sample; an encoder of samples without clips overrides nothing."""
        raise NotImplementedError

    def check_clips(self, who: str) -> None:
        """Refuse an encoder of samples that have no clips.

        Raises:
            ValueError: If this is one.
        """
        if type(self).encode_clips is Encoder.encode_clips:
            raise ValueError(
                f"{who} needs an encoder of the clips of a video, which this {type(self).__name__} is not; take "
                "modality=video, or override encode_clips"
            )

    @property
    def stages(self) -> tuple[nn.Module, ...]:
        """Parts that make the feature maps one after the other, where `forward` is their mean; none where unknown."""
        return ()

    def check_stages(self, who: str) -> tuple[nn.Module, ...]:
        """Return the stages, and refuse an encoder without.

        Raises:
            ValueError: If this is one.
        """
        if not self.stages:
            raise ValueError(
                f"{who} needs an encoder in stages, which this {type(self).__name__} is not; take encoder.name=small "
                "or a resnet, or override stages"
            )
        return self.stages

    @property
    def patches(self) -> Patches | None:
        """What it cuts a view into, where it can leave out some; None otherwise."""
        return None

    def check_patches(self, who: str) -> Patches:
        """Return what a view is cut into, and refuse an encoder that cannot leave out patches.

        Raises:
            ValueError: If this is one.
        """
        if self.patches is None:
            raise ValueError(
                f"{who} needs an encoder that can leave out patches, which this {type(self).__name__} cannot; take "
                "encoder.name=vit, or override patches and encode_tokens"
            )
        return self.patches

    def tokens(self, view: View, kept: Int64[Tensor, "b k"]) -> Float[Tensor, "b k f"]:
        """Return the features of some patches, which see no others; in training, piece by piece where asked for.

        Args:
            view: Samples.
            kept: Numbers of the patches of each, row by row, all different.
        """
        view = input_of(view)
        if self._max_rows is None or not self.training:
            return self.encode_tokens(view, kept)
        if not isinstance(view, Tensor):
            raise TypeError(f"only tensors are cut into patches, got {type(view).__name__}")
        table = {PIXELS: view, _KEPT: kept}
        return encoded_in_pieces(
            self, lambda piece: self.encode_tokens(piece[PIXELS], piece[_KEPT]), table, max_rows=self._max_rows
        )

    def encode_tokens(self, view: View, kept: Int64[Tensor, "b k"]) -> Float[Tensor, "b k f"]:
        """Return the features of some patches; an encoder that computes all of them overrides nothing."""
        raise NotImplementedError

    def check_size(self, size_px: tuple[int, int]) -> None:
        """Refuse views of a height and width that it cannot take; one that takes any refuses none.

        Raises:
            ValueError: If these are such.
        """

    def meet(self, samples: Samples) -> None:
        """Take in what has to be known of all samples together, such as their graph, once before the first step."""

    def in_pieces_of(self, max_rows: int | None) -> None:
        """Train on at most so many views at a time, with the gradient of all (`anchorwise.models.pieces`).

        Raises:
            ValueError: If a class of one's own does something else in `forward`.
        """
        if max_rows is not None and type(self).forward is not Encoder.forward:
            raise ValueError(
                f"train.micro_batch_size must be left out for {type(self).__name__}, which has a forward of its own; "
                "override encode instead"
            )
        self._max_rows = max_rows

    @property
    def is_in_pieces(self) -> bool:
        """Whether it trains on a part of the views at a time."""
        return self._max_rows is not None

    def hold_still(self, patterns: Sequence[str]) -> None:
        """Leave parts of the backbone as they are (`anchorwise.models.still`).

        Raises:
            ValueError: If a pattern matches nothing.
        """
        self._still = hold_still(self.backbone, patterns)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Encoder":
        """Set the mode of all parts but those that are held still, which stay in evaluation mode."""
        super().train(mode)
        for name in self._still:
            self.backbone.get_submodule(name).eval()
        return self


@dataclass(frozen=True)
class FrozenEncoder(ABC):
    """A trained encoder with what it expects of its input.

    Attributes:
        encoder: The network.
        beside: Other encoders of the same training, by name.
    """

    encoder: Encoder
    beside: Mapping[str, "FrozenEncoder"] = field(default_factory=dict, compare=False, kw_only=True)

    @property
    def judged_by(self) -> tuple[str, ...]:
        """Who judges such an encoder, by name, where samples do not decide it."""
        return ()

    @property
    def weights_digest(self) -> str:
        """What tells its weights from others (`anchorwise.modalities.fingerprint.digest`)."""
        state = self.encoder.state_dict().values()
        return digest(*(part.detach().cpu() for part in state if isinstance(part, Tensor)))

    @abstractmethod
    def plain(self, raw: View) -> View:
        """Return samples as the encoder takes them."""

    def adapted(self, samples: Samples) -> Samples:
        """Return samples of another source in the form of those that the encoder was trained on.

        Raises:
            ValueError: If they cannot be brought into it.
        """
        return samples

    def view_maker(self, plan: ViewPlan) -> ViewMaker | None:
        """Return what makes random views of samples as the encoder takes them; None where nothing is known to.

        They are those of the samples' size, not of the training: one chain for all encoders that are compared.
        """
        return None

    def pixel_range(self) -> PixelRange | None:
        """Return where the numbers that `plain` gives may lie; None where nobody knows, or they are no pixels."""
        return None

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write it into a run's folder; every file appears whole or not at all."""

    def take_up(self, weights: Mapping[str, Tensor]) -> None:
        """Take up the weights that such an encoder has written.

        Raises:
            RuntimeError: If they are not those of this architecture.
        """
        self.encoder.load_state_dict(weights)

    def restore(self, folder: Path) -> None:
        """Take up the weights that such an encoder wrote into a folder.

        Raises:
            FileNotFoundError: If they are not there.
            UnusableFileError: If they are damaged, or not those of this architecture.
        """
        with _files.reading(folder / WEIGHTS_FILE):
            self.take_up(read_weights(folder))


@dataclass(frozen=True)
class DescribedEncoder(FrozenEncoder):
    """A trained encoder that a section describes: from it and the weights it is built again.

    Attributes:
        spec: What it is and what it expects, with the name of its modality.
    """

    spec: Section

    def save(self, folder: Path) -> None:
        """Write it into a run's folder; every file appears whole or not at all."""
        _files.write_text(folder / SPEC_FILE, self.spec.model_dump_json(indent=2) + "\n")
        write_weights(folder, self.encoder)


def read_spec(kind: type[Spec], folder: Path, *others: str) -> Spec:
    """Return what an encoder in a folder is, once it is seen that all its files are there.

    Args:
        kind: The section that says so.
        folder: Of a run.
        others: Names of files beside this one and the weights.

    Raises:
        FileNotFoundError: If a file is missing.
        UnusableFileError: If the file is damaged.
    """
    for name in (SPEC_FILE, WEIGHTS_FILE, *others):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} holds no {name}; give the folder of a finished run")
    return read_section(kind, folder / SPEC_FILE)


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Return the weights that an encoder wrote into a folder.

    Raises:
        FileNotFoundError: If they are not there.
        UnusableFileError: If they are damaged.
    """
    with _files.reading(folder / WEIGHTS_FILE):
        return load_file(folder / WEIGHTS_FILE)


def write_weights(folder: Path, network: nn.Module) -> None:
    """Write a network's weights into a folder, whole or not at all."""
    # Copies: safetensors refuses tensors that share memory, as tied weights do.
    state = network.state_dict().items()
    weights = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state}
    with _files.replacing(folder / WEIGHTS_FILE) as temporary:
        save_file(weights, temporary)
