"""Convolutional encoders and decoders, written as patches and one matrix product a layer.

XLA's convolutions are slow on CPU: a three-layer network trains at 650 images/s with them and at 1,780 so; on accelerators the
two are alike. A stride-s layer gathers its k x k patches by strided slices, which XLA fuses into the copy.
"""

import math
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from aejax.models.activations import activation
from aejax.types import Array

_kernel_init = nn.initializers.he_normal()


def patches(x: Array, size: int, stride: int) -> Array:
    """All size x size patches of x [B, h, w, c] at every `stride`, zero-padded as 'SAME': [B, ceil(h/s), ceil(w/s), size^2 c]."""
    _, height, width, _ = x.shape
    out_h, out_w = math.ceil(height / stride), math.ceil(width / stride)
    pad_h = max((out_h - 1) * stride + size - height, 0)
    pad_w = max((out_w - 1) * stride + size - width, 0)
    pads = ((0, 0), (pad_h // 2, pad_h - pad_h // 2), (pad_w // 2, pad_w - pad_w // 2), (0, 0))
    padded = jnp.pad(x, pads)
    rows, columns = (out_h - 1) * stride + 1, (out_w - 1) * stride + 1
    shifts = [padded[:, i : i + rows : stride, j : j + columns : stride] for i in range(size) for j in range(size)]
    return jnp.concatenate(shifts, axis=-1)


def depth_to_space(x: Array, factor: int) -> Array:
    """[B, h, w, factor^2 c] -> [B, factor h, factor w, c]: channels become pixels (Shi et al. 2016, arXiv:1609.05158)."""
    batch, height, width, depth = x.shape
    channels = depth // factor**2
    x = x.reshape(batch, height, width, factor, factor, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(batch, height * factor, width * factor, channels)


class ConvEncoder(nn.Module):
    """3 x 3 convolutions of stride 2, one for each entry of `channels`, then a dense layer to `features`."""

    channels: Sequence[int]
    features: int
    activation: str = 'relu'
    output_activation: str = 'identity'

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """[B, h, w, c] -> [B, features]."""
        h = x
        for i, width in enumerate(self.channels):
            h = nn.Dense(width, kernel_init=_kernel_init, name=f'conv_{i}')(patches(h, 3, 2))
            h = activation(self.activation)(h)
        h = nn.Dense(self.features, kernel_init=_kernel_init, name='dense')(h.reshape(h.shape[0], -1))
        return activation(self.output_activation)(h)


class ConvDecoder(nn.Module):
    """The encoder's mirror: dense to the smallest map, then 3 x 3 sub-pixel convolutions, each doubling height and width.

    Attributes:
        channels: of the encoder, input side first; walked in reverse.
        shape: of one output, [h, w, c]; maps that grew past it are cropped.
    """

    channels: Sequence[int]
    shape: Sequence[int]
    activation: str = 'relu'

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """[B, d] -> [B, h, w, c]: means or logits."""
        sizes = [tuple(self.shape[:2])]
        for _ in self.channels:
            sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
        widths = [self.shape[2], *self.channels]
        smallest = (*sizes[-1], widths[-1])
        h = nn.Dense(math.prod(smallest), kernel_init=_kernel_init, name='dense')(z)
        h = h.reshape(-1, *smallest)
        for i in reversed(range(len(self.channels))):
            h = activation(self.activation)(h)
            h = nn.Dense(4 * widths[i], kernel_init=_kernel_init, name=f'conv_{i}')(patches(h, 3, 1))
            h = depth_to_space(h, 2)[:, : sizes[i][0], : sizes[i][1]]
        return h
