"""The network that a recipe describes.

It knows nothing of how it is trained, or where its weights come from.
"""

from __future__ import annotations

import torch

from spinekit.networks.slice_unet import SliceUNet
from spinekit.training.recipe import Recipe


def build_network(recipe: Recipe) -> SliceUNet:
    """The recipe's network with weights drawn from its seed."""
    torch.manual_seed(recipe.seed)
    return shape_network(recipe)


def shape_network(recipe: Recipe) -> SliceUNet:
    """A network of the recipe's shape, to be filled with weights; no seed is set."""
    return SliceUNet(
        recipe.widths,
        recipe.context,
        level_widths=recipe.level_widths,
        level_pull=recipe.level_pull,
    )
