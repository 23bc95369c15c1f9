"""Discriminators: a perceptron or strided convolutions to one logit an example, as pure functions of a group of parameters."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax.models.activations import activation
from aejax.models.autoencoder import MAX_WIDTH
from aejax.models.conv import patches
from aejax.settings import check_ranges
from aejax.types import Array, DataSpec, Key, Mutables, Params, UserError

STATISTICS = 'batch_stats'
"""The collection in which `flax.linen.SpectralNorm` keeps its vectors."""


class Discriminator(nn.Module):
    """x -> the logit of D(x), and the activations of all hidden layers.

    Convolutions are of stride 2 without pooling, as in DCGAN (Radford et al. 2016, https://arxiv.org/abs/1511.06434), but 3 x 3
    and without its batch normalisation, which couples the examples of a batch. 'leaky_relu' has JAX's slope of 0.01, where
    DCGAN has 0.2. With `spectral_norm` every kernel is divided by its largest singular value, found by one power iteration a call
    that starts where the last update left off (Miyato et al. 2018, https://arxiv.org/abs/1802.05957).

    Attributes:
        hidden: widths or channels of the hidden layers.
        kind: 'mlp' or 'conv'.
        activation: of the hidden layers.
        spectral_norm: whether kernels are normalised.
        dropout: share of each hidden layer's units that a training pass leaves out.
    """

    hidden: Sequence[int]
    kind: str = 'mlp'
    activation: str = 'leaky_relu'
    spectral_norm: bool = False
    dropout: float = 0.0

    @nn.compact
    def __call__(self, x: Array, train: bool = False, update_stats: bool = False) -> tuple[Array, tuple[Array, ...]]:
        """[B, ...] -> logits [B] and hidden activations, input side first; dropout where `train`."""
        init = nn.initializers.he_normal() if self.kind == 'conv' else nn.initializers.glorot_uniform()

        def dense(h: Array, width: int, name: str) -> Array:
            layer = nn.Dense(width, kernel_init=init, name=name)
            if not self.spectral_norm:
                return layer(h)
            return nn.SpectralNorm(layer, collection_name=STATISTICS, name=f'{name}_norm')(h, update_stats=update_stats)

        hidden: list[Array] = []
        h = x if self.kind == 'conv' else x.reshape(x.shape[0], -1)
        for i, width in enumerate(self.hidden):
            h = activation(self.activation)(dense(patches(h, 3, 2) if self.kind == 'conv' else h, width, f'layer_{i}'))
            if self.dropout:
                h = nn.Dropout(self.dropout, deterministic=not train)(h)
            hidden.append(h)
        return dense(h.reshape(h.shape[0], -1), 1, 'out')[:, 0], tuple(hidden)


@dataclasses.dataclass(frozen=True)
class Critic:
    """A discriminator over the group `group` of the parameters, and of the mutables where it has spectral norms."""

    module: Discriminator
    group: str = 'discriminator'

    def init(self, key: Key, x: Array) -> tuple[Params, Mutables]:
        """({group: parameters}, {group: power iterations' vectors} or {}) for inputs shaped as x [B, ...].

        Flax's SpectralNorm divides the kernels that are drawn here by their norm, too, as one power iteration finds it.
        """
        variables = self.module.init(key, x)
        statistics = {self.group: dict(variables[STATISTICS])} if self.module.spectral_norm else {}
        return {self.group: variables['params']}, statistics

    def _variables(self, params: Params, mutables: Mutables) -> dict[str, Any]:
        variables: dict[str, Any] = {'params': params[self.group]}
        return {**variables, STATISTICS: mutables[self.group]} if self.module.spectral_norm else variables

    def outputs(self, params: Params, mutables: Mutables, x: Array, key: Key | None = None) -> tuple[Array, tuple[Array, ...]]:
        """Logits [B] and the hidden layers' activations, input side first; with dropout where a `key` is given."""
        rngs = {'dropout': key} if key is not None and self.module.dropout else None
        # The power iteration writes to its collection even where the result is thrown away.
        written = [STATISTICS] if self.module.spectral_norm else []
        variables = self._variables(params, mutables)
        return self.module.apply(variables, x, train=rngs is not None, rngs=rngs, mutable=written)[0]

    def logits(self, params: Params, mutables: Mutables, x: Array, key: Key | None = None) -> Array:
        """Logits of D(x): x [B, ...] -> [B]; with dropout where a `key` is given."""
        return self.outputs(params, mutables, x, key)[0]

    def next_mutables(self, params: Params, mutables: Mutables, x: Array) -> Mutables:
        """The mutables after one power iteration for each kernel, for the loss of the discriminator to carry on; {} without them.

        Neither values nor number of the examples x matter.
        """
        if not self.module.spectral_norm:
            return {}
        _, changed = self.module.apply(self._variables(params, mutables), x[:1], update_stats=True, mutable=[STATISTICS])
        return {self.group: dict(changed[STATISTICS])}


def default_config(hidden: Sequence[int] = (128,), kind: str = 'mlp') -> ConfigDict:
    """The `discriminator` section of a config."""
    return ConfigDict({'kind': kind, 'hidden': tuple(hidden), 'activation': 'leaky_relu', 'spectral_norm': False, 'dropout': 0.0})


def from_config(config: ConfigDict, spec: DataSpec | None = None, group: str = 'discriminator') -> Critic:
    """The discriminator of a `discriminator` section; of images if `spec` is given, else of codes.

    Raises:
        UserError: on a kind or activation that does not exist, convolutions over what are no images, or absurd numbers.
    """
    if config.kind not in ('mlp', 'conv'):
        raise UserError(f"{group}.kind is {config.kind!r}; choose 'mlp' or 'conv'")
    if config.kind == 'conv' and (spec is None or not spec.is_image):
        raise UserError(f"{group}.kind='conv' needs images [height, width, channels]: set {group}.kind='mlp'")
    activation(config.activation)
    check_ranges(config, {'dropout': (0.0, 1.0)}, group)
    if not all(type(width) is int and 1 <= width <= MAX_WIDTH for width in config.hidden):
        raise UserError(f'{group}.hidden={tuple(config.hidden)}: widths must be whole numbers between 1 and {MAX_WIDTH:,}')
    module = Discriminator(tuple(config.hidden), config.kind, config.activation, config.spectral_norm, config.dropout)
    return Critic(module, group)


def with_one_hot(x: Array, one_hot: Array) -> Array:
    """x [B, ...] flattened, with y [B, C] joined: [B, D + C]."""
    return jnp.concatenate([x.reshape(x.shape[0], -1), one_hot], axis=1)
