"""A small 2.5-D multi-task U-Net: sagittal slices in, parts and level evidence out.

It knows nothing of files, spacing or names: the caller gives slices on the model's grid with their
neighbours as channels and reads two maps of logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

DOWNSCALE = 32
"""Input sizes must be multiples of this (the bottleneck's stride)."""

CONTRAST_FLOOR = 0.05
"""Added to an item's standard deviation (of intensities in [0, 1]) so that empty slices stay
calm."""
LEVEL_STRIDE = 8
"""Pixels along either side of a cell of the level logits."""
_LEVEL_PLACE = 1
"""Of the grids at strides 16, 8, 4 and 2, the one of that stride."""


class _Block(nn.Module):
    """Two 3×3 convolutions, instance normalisation between them, and an additive shortcut."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.norm1 = nn.InstanceNorm2d(width, affine=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.conv1(x)))
        return functional.relu(x + self.conv2(y))


class _Down(nn.Module):
    """Halve the grid and change the width."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
        self.norm = nn.InstanceNorm2d(after, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.conv(x)))


def _descend(x: Tensor, encoders: nn.ModuleList, downs: nn.ModuleList) -> list[Tensor]:
    """What the encoders make of an input, from the finest grid to the coarsest."""
    made = [encoders[0](x)]
    for down, encoder in zip(downs, encoders[1:], strict=True):
        made.append(encoder(down(made[-1])))
    return made


def _ascend(
    x: Tensor, skips: list[Tensor], laterals: nn.ModuleList, decoders: nn.ModuleList
) -> list[Tensor]:
    """What the decoders make of the coarsest grid and the skips, each grid twice as fine."""
    made = []
    for skip, lateral, decoder in zip(reversed(skips), laterals, decoders, strict=True):
        x = decoder(skip + functional.interpolate(lateral(x), scale_factor=2.0, mode="nearest"))
        made.append(x)
    return made


class LevelReader(nn.Module):
    """A small U-Net at strides 8, 16 and 32 that reads levels off what another network sees.

    Which vertebra a bone is shows in the whole column, so the coarsest grid is read by dilated
    convolutions (Yu and Koltun 2016, eq. 2) that reach 450 pixels to every side.

    Args:
        before: Channels of the features read.
        context: Slices of the image, which is read too, cell by cell.
        widths: Channels at strides 8, 16, 32.
        pull: Share of the gradient of what is read that reaches what computed the features.
    """

    def __init__(self, before: int, context: int, widths: tuple[int, ...], pull: float) -> None:
        super().__init__()
        self.pull = pull
        pairs = list(pairwise(widths))
        self.enter = nn.Conv2d(before + context * LEVEL_STRIDE**2, widths[0], 3, padding=1)
        self.encoders = nn.ModuleList(_Block(width) for width in widths)
        self.downs = nn.ModuleList(_Down(a, b) for a, b in pairs)
        self.far = nn.Sequential(_Block(widths[-1], dilation=2), _Block(widths[-1], dilation=4))
        self.laterals = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in reversed(pairs))
        self.decoders = nn.ModuleList(_Block(a) for a, _ in reversed(pairs))

    def forward(self, features: Tensor, image: Tensor) -> Tensor:
        """Features (B, before, J/8, K/8), image (B, context, J, K) → (B, widths[0], J/8, K/8)."""
        cells = functional.pixel_unshuffle(image, LEVEL_STRIDE)
        read = features.detach()
        if self.training:
            read = read.lerp(features, self.pull)
        x = functional.relu(self.enter(torch.cat([read, cells], dim=1)))
        *skips, x = _descend(x, self.encoders, self.downs)
        return _ascend(self.far(x), skips, self.laterals, self.decoders)[-1]


class SliceUNet(nn.Module):
    """U-Net over one sagittal slice and its neighbours (Ronneberger et al. 2015, additive skips).

    Deviations from the paper: a space-to-depth stem and a sub-pixel head (Shi et al. 2016, eq. 4)
    keep the full-resolution grid free of convolutions, skips are added instead of concatenated,
    instance normalisation (Ulyanov et al. 2016, eq. 3) keeps every scan's contrast out of the way,
    and the input is centred and scaled within each item.

    Args:
        widths: Channels at strides 2, 4, 8, 16, 32.
        context: Slices in, the centre one in the middle.
        parts: Classes of the parts head.
        levels: Classes of the level head (stride 8).
        level_widths: Channels of a `LevelReader` before the level head; without one the head reads
            the features of the parts itself, which then serve two ends.
        level_pull: Share of the level loss's gradient that a reader passes on to the features.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (24, 48, 96, 160, 224),
        context: int = 3,
        parts: int = 7,
        levels: int = 27,
        level_widths: tuple[int, ...] = (),
        level_pull: float = 0.0,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4 * context, widths[0], 3, padding=1)
        pairs = list(pairwise(widths))
        self.encoders = nn.ModuleList(_Block(width) for width in widths)
        self.downs = nn.ModuleList(_Down(a, b) for a, b in pairs)
        self.bottleneck = _Block(widths[-1])
        self.laterals = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in reversed(pairs))
        self.decoders = nn.ModuleList(_Block(a) for a, _ in reversed(pairs))
        self.parts_head = nn.Conv2d(widths[0], 4 * parts, 3, padding=1)
        self.level_reader = (
            LevelReader(widths[2], context, level_widths, level_pull) if level_widths else None
        )
        read = level_widths[0] if level_widths else widths[2]
        self.level_head = nn.Sequential(
            nn.Conv2d(read, read, 3, padding=1), nn.ReLU(), nn.Conv2d(read, levels, 1)
        )

    def forward(self, slices: Tensor) -> tuple[Tensor, Tensor]:
        """Map slices (B, context, J, K) to logits.

        Returns:
            Parts logits (B, parts, J, K) and level logits (B, levels, J/8, K/8).
        """
        mean = slices.mean(dim=(1, 2, 3), keepdim=True)
        centred = slices - mean
        scale = centred.square().mean(dim=(1, 2, 3), keepdim=True).sqrt() + CONTRAST_FLOOR
        image = centred / scale
        x = functional.relu(self.stem(functional.pixel_unshuffle(image, 2)))
        *skips, x = _descend(x, self.encoders, self.downs)
        finer = _ascend(self.bottleneck(x), skips, self.laterals, self.decoders)
        features = finer[_LEVEL_PLACE]
        if self.level_reader is not None:
            features = self.level_reader(features, image)
        return functional.pixel_shuffle(self.parts_head(finer[-1]), 2), self.level_head(features)


def complete_weights(network: SliceUNet, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a network without a level reader for one that has a reader: levels begin anew.

    Args:
        network: What they are to be loaded into, as it was built.
        weights: By the names of the parameters.

    Returns:
        The weights given, but what reads levels as the network has it; unchanged where the network
        has no reader or the weights have one.
    """
    own = {k: v.clone() for k, v in network.state_dict().items() if k.startswith("level_")}
    has_reader = any(k.startswith("level_reader.") for k in weights)
    if network.level_reader is None or has_reader:
        return dict(weights)
    return {k: v for k, v in weights.items() if not k.startswith("level_")} | own
