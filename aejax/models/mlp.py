"""Multi-layer perceptrons, and decoders tied to them."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from aejax.models.activations import activation
from aejax.types import Array, Params


class MLP(nn.Module):
    """h_k = s(h_{k-1} W_k + b_k) over flattened inputs [B, ...]; `output_activation` on the last layer.

    Attributes:
        features: widths of all layers, the output's last.
        activation: name of s on every layer but the last.
        output_activation: name of s on the last.
        dropout: share of each hidden layer's units that a training pass leaves out.
        initial_scale: of the kernels before training, as a multiple of Glorot's bound sqrt(6 / (inputs + outputs)). Deep
            sigmoid networks that are not pretrained want 4 (Glorot & Bengio 2010,
            https://proceedings.mlr.press/v9/glorot10a.html).
    """

    features: Sequence[int]
    activation: str = 'relu'
    output_activation: str = 'identity'
    dropout: float = 0.0
    initial_scale: float = 1.0

    @nn.compact
    def __call__(self, x: Array, train: bool = False) -> Array:
        """[B, ...] -> [B, features[-1]]; with dropout where `train`."""
        init = nn.initializers.variance_scaling(self.initial_scale**2, 'fan_avg', 'uniform')
        h = x.reshape(x.shape[0], -1)
        for i, width in enumerate(self.features):
            last = i == len(self.features) - 1
            h = nn.Dense(width, kernel_init=init, name=f'layer_{i}')(h)
            h = activation(self.output_activation if last else self.activation)(h)
            if self.dropout and not last:
                h = nn.Dropout(self.dropout, deterministic=not train)(h)
        return h


class TiedDecoder(nn.Module):
    """The mirror image of an MLP encoder: h_{k-1} = s(h_k W_k^T + c_k), with the encoder's own kernels; only c is learned here.

    Attributes:
        features: widths from the layer above the code down to the input.
        activation: name of s on every layer but the last, which is linear (means or logits).
    """

    features: Sequence[int]
    activation: str = 'relu'

    @nn.compact
    def __call__(self, z: Array, kernels: Sequence[Array]) -> Array:
        """[B, d] and the encoder's kernels, input side first -> [B, features[-1]]."""
        h = z
        for i, (width, kernel) in enumerate(zip(self.features, reversed(kernels), strict=True)):
            bias = self.param(f'bias_{i}', nn.initializers.zeros, (width,))
            h = h @ kernel.T + jnp.expand_dims(bias, 0)
            if i < len(self.features) - 1:
                h = activation(self.activation)(h)
        return h


def dense_layers(params: Params) -> list[tuple[Array, Array]]:
    """(kernel, bias) of every layer of an `MLP`'s parameters, input side first."""
    names = sorted(params, key=lambda name: int(name.rsplit('_', 1)[1]))
    return [(params[name]['kernel'], params[name]['bias']) for name in names]
