"""What one can see: views of one image, and nearest neighbours in feature space."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from anchorwise.embeddings import Embeddings
from anchorwise.evaluation.embedding_map import embedding_maps
from anchorwise.evaluation.neighbors import nearest
from anchorwise.evaluation.rows import judged_rows
from anchorwise.modalities.images.image_set import ImageSet
from anchorwise.modalities.images.views.maker import RandomViews
from anchorwise.modalities.samples import View
from anchorwise.modalities.views import input_of
from anchorwise.reporting.pictures import image_uri
from anchorwise.reporting.report import Picture, PictureRow, PictureRows, ReportSection, Text
from anchorwise.training.run_embeddings import VIEW_SEED

NUM_VIEW_PAIRS = 8
NUM_QUERIES = 5
NUM_NEIGHBORS = 8


def view_section(image_set: ImageSet, maker: RandomViews) -> ReportSection:
    """Return the section that shows a few images with two views each."""
    shown = image_set.balanced_subset(min(NUM_VIEW_PAIRS, len(image_set)), seed=0)
    images = shown.images
    batch = shown.batch(torch.arange(len(shown))).to(maker.normalisation.mean.device)
    # A method may have more, and what is no picture beside them.
    views = [_visible(view, maker) for view in maker(batch, seed=VIEW_SEED)[:2]]
    rows = [
        PictureRow(label, [Picture(image_uri(image)) for image in shown])
        for label, shown in zip(("image", "view 1", "view 2"), (images, *views), strict=True)
    ]
    explanation = (
        "No label is used in pretraining. Every image is distorted at random twice. The two views of one image are to "
        "come out alike, and the views of all other images in the batch, the negatives, unlike."
    )
    return ReportSection("What the encoder sees", [Text([explanation]), PictureRows(rows)])


def neighbor_section(features: Mapping[str, Embeddings], test: ImageSet) -> ReportSection:
    """Return the section with the nearest test images of a few test images, by their features."""
    queries = test.balanced_subset(min(NUM_QUERIES, len(test)), seed=1).names
    blocks = [
        PictureRows([_neighbor_row(name, rows, test, test.names.index(query)) for name, rows in features.items()])
        for query in queries
    ]
    explanation = (
        "Left: test images of different classes, drawn at random and not for how they come out; what holds for all of "
        "them is in the tables. Right: the test images with the most similar features (first seed), most "
        "similar first. Labels are below; a dashed frame marks another class than the query's."
    )
    return ReportSection("Nearest neighbours", [Text([explanation]), *blocks])


def map_section(features: Mapping[str, Embeddings]) -> ReportSection:
    """Return the section with the test samples as maps, one or two for every encoder."""
    maps = [each for name, rows in features.items() for each in embedding_maps(rows, of=name)]
    return ReportSection("Where they lie", maps)


def _neighbor_row(name: str, embeddings: Embeddings, test: ImageSet, query: int) -> PictureRow:
    features = judged_rows(embeddings)
    # One more than shown: the query finds itself, or its exact twin, among the first.
    found = next(nearest(features[query : query + 1], features, num_neighbors=min(NUM_NEIGHBORS + 1, len(features))))
    others = [index for index in found.indices[0].tolist() if index != query][:NUM_NEIGHBORS]
    query_label = _label(test, query)
    pictures = [Picture(image_uri(test.images[query]), query_label, "query")]
    for index in others:
        label = _label(test, index)
        pictures.append(Picture(image_uri(test.images[index]), label, "right" if label == query_label else "wrong"))
    return PictureRow(name, pictures)


def _label(image_set: ImageSet, index: int) -> str:
    return "" if image_set.labels is None else image_set.class_names[int(image_set.labels[index])]


def _visible(view: View, maker: RandomViews) -> Tensor:
    """Undo the normalisation."""
    pixels = cast(Tensor, input_of(view)).cpu()
    return (maker.normalisation.inverse(pixels) * 255.0).round().clamp(0, 255).to(torch.uint8)
