from pathlib import Path

import pytest
from PIL import Image

from anchorwise.methods import METHODS
from anchorwise.training import RECIPES, apply_overrides, pretrain, recipe
from anchorwise.training.recipes_cifar10 import CIFAR10_RECIPES
from anchorwise.training.recipes_imagenet import IMAGENET_RECIPES

# A background beside the targets; classes task after task; texts; images with texts; users and items; signals.
_OTHER_DATA = {
    "coconut",
    "cross_encoder",
    "sepclr",
    "simcse",
    "esimcse",
    "cocosoda",
    "clip",
    "albef",
    "msd",
    "clip_rocket",
    "astrea",
    "dcd",
    "light_gcn",
    "sim_gcl",
    "x_sim_gcl",
    "meow",
    "ada_meow",
    "gist_embed",
    "wearables",
    "local_blocks",  # SimCLR with less memory.
    "sirl",
    "comix",
    "g2l",
}


def test_every_image_method_has_a_recipe_on_cifar10():
    assert {name.removeprefix("cifar10-") for name in CIFAR10_RECIPES} == set(METHODS) - _OTHER_DATA


@pytest.mark.parametrize("name", CIFAR10_RECIPES)
def test_a_recipe_on_cifar10_trains_on_what_cifar10_small_has(name: str):
    own, small = recipe(name), recipe("cifar10-small")
    assert (own.data, own.train) == (small.data, small.train)
    assert own.method.name == name.removeprefix("cifar10-")


@pytest.mark.parametrize("name", IMAGENET_RECIPES)
def test_a_recipe_of_a_source_says_which(name: str):
    assert "Source: " in str(RECIPES[name].__doc__)
    assert "https://arxiv.org/abs/" in str(RECIPES[name].__doc__)
    assert recipe(name).whole_objective().build()


_SHORT = {
    "num_queued": 32,
    "num_prototypes": 16,
    "num_clusters": {"pcl": [2, 3], "beclr": 3},
    "warmup_epochs": {"pcl": 1, "beclr": 1},
    "queue_from_epoch": 1,
}
_WIDE = {"barlow_twins", "vicreg"}  # Half a minute each to make, and nothing else would be seen.


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number in range(24):
        kind = folder / ("a" if number % 2 else "b")
        kind.mkdir(exist_ok=True)
        Image.effect_noise((80, 72), 10 + 5 * number).convert("RGB").save(kind / f"{number}.png")
    return folder


@pytest.mark.whole
@pytest.mark.parametrize("name", IMAGENET_RECIPES)
def test_a_recipe_of_a_source_trains(name: str, images: Path, tmp_path: Path):
    method = name.removeprefix("imagenet-")
    shorter = [
        f"method.{setting}={value[method] if isinstance(value, dict) else value}"
        for setting, value in _SHORT.items()
        if setting in type(recipe(name).method).model_fields and (not isinstance(value, dict) or method in value)
    ]
    if method in _WIDE:
        shorter += ["method.head.hidden_width=64", "method.head.output_width=64"]
    config = apply_overrides(
        recipe(name),
        [
            f"data.source='{images}'",
            "data.image_size_px=64",
            "encoder.name=timm/resnet10t",
            "train.num_steps=4",
            "train.batch_size=8",
            "train.knn_every_epochs=0",
            "train.log_to=[]",
            *shorter,
        ],
    )
    assert pretrain(config, tmp_path / "run").is_done
