"""Gaussian autoencoder that is told a class: its one-hot y is joined to the inputs of encoder and decoder.

Both are perceptrons over a concatenation [v, y], whose first layer is a sum: [v, y] W = v W_v + y W_y. So with every class in
turn the part of v, the dear one, is computed once, and W_y itself is what the classes add.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax.models.activations import activation
from aejax.models.autoencoder import check_config, make_mlp
from aejax.models.mlp import MLP, dense_layers
from aejax.types import Array, DataSpec, Key, Params, UserError


def forward(module: MLP, params: Params, v: Array, label: Array | None, num_classes: int) -> Array:
    """The output of `module`, made for inputs [v, y] with y a one-hot class, without the concatenation.

    Args:
        module: a perceptron.
        params: its parameters.
        v: [B, n], or without a label also [B, classes, n]: one for each class.
        label: [B]; None for all classes in turn.
        num_classes: C, the width of y.

    Returns:
        [B, m], or [B, C, m] without a label.
    """
    (kernel, bias), *rest = dense_layers(params)
    h = v @ kernel[:-num_classes]
    of_label = kernel[-num_classes:] + bias[None]
    if label is None:
        h = (h if h.ndim == 3 else h[:, None]) + of_label[None]
    else:
        h = h + jax.nn.one_hot(label, num_classes) @ of_label
    rows = h.reshape(-1, h.shape[-1])
    for kernel, bias in rest:
        rows = activation(module.activation)(rows) @ kernel + bias[None]
    return rows.reshape(*h.shape[:-1], -1)


@dataclasses.dataclass(frozen=True)
class ConditionalAutoencoder:
    """q(z given x, y) = N(mu(x, y), diag(sigma^2(x, y))) and the decoder's output for (z, y), before its link.

    Attributes:
        encoder: [x, y] -> mean and log-variance.
        decoder: [z, y] -> outputs.
        num_inputs: D, numbers in an example.
        latents: d.
        num_classes: C.
    """

    encoder: MLP
    decoder: MLP
    num_inputs: int
    latents: int
    num_classes: int

    def init(self, key: Key) -> Params:
        """Parameters of the groups 'encoder' and 'decoder'."""
        widths = {'encoder': self.num_inputs + self.num_classes, 'decoder': self.latents + self.num_classes}
        modules, keys = {'encoder': self.encoder, 'decoder': self.decoder}, jax.random.split(key)
        return {
            name: modules[name].init(keys[i], jnp.zeros((1, width)))['params'] for i, (name, width) in enumerate(widths.items())
        }

    def posterior(self, params: Params, x: Array, label: Array | None = None) -> tuple[Array, Array]:
        """(mean, log_variance) of q(z given x, y): x [B, ...] -> two of [B, d], or of [B, C, d] for all classes."""
        out = forward(self.encoder, params['encoder'], x.reshape(x.shape[0], -1), label, self.num_classes)
        return out[..., : self.latents], out[..., self.latents :]

    def decode(self, params: Params, z: Array, label: Array | None = None) -> Array:
        """Outputs of the decoder: z [B, d] -> [B, m]; for all classes z [B, d] or [B, C, d] -> [B, C, m]."""
        return forward(self.decoder, params['decoder'], z, label, self.num_classes)

    def filters(self, params: Params) -> Array:
        """Weights from the input, without the label, to the units of the encoder's first layer, [D, m]."""
        return dense_layers(params['encoder'])[0][0][: self.num_inputs]


def from_config(config: ConfigDict, spec: DataSpec, num_outputs: int) -> ConditionalAutoencoder:
    """The autoencoder of a `model` section, with `num_outputs` numbers out of the decoder.

    Raises:
        UserError: on data without classes, convolutions, or what `check_config` refuses.
    """
    if config.encoder != 'mlp':
        raise UserError("a model that is told the class is a perceptron: set model.encoder='mlp'")
    check_config(config, spec)
    if not spec.num_classes:
        raise UserError(f'a model that is told the class needs labels, and {spec.name} has none')
    encoder = make_mlp(config, (*config.hidden, 2 * config.latents))
    decoder = make_mlp(config, (*reversed(config.hidden), num_outputs))
    return ConditionalAutoencoder(encoder, decoder, math.prod(spec.shape), config.latents, spec.num_classes)
