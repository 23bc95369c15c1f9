"""Encoder and decoder as a pair of pure functions over {'encoder': ..., 'decoder': ...}, and how a config describes them."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax.models.activations import activation
from aejax.models.conv import ConvDecoder, ConvEncoder
from aejax.models.mlp import MLP, TiedDecoder, dense_layers
from aejax.types import Array, DataSpec, Key, Params, UserError

MAX_WIDTH = 1_000_000


def default_config(hidden: Sequence[int] = (), latents: int = 32) -> ConfigDict:
    """The `model` section of a config: an MLP of widths `hidden` down to `latents`, mirrored upwards."""
    return ConfigDict(
        {
            'encoder': 'mlp',
            'hidden': tuple(hidden),
            'latents': latents,
            'activation': 'relu',
            'latent_activation': 'identity',
            'output': 'sigmoid',
            'tied': False,
            'initial_scale': 1.0,
        }
    )


def make_mlp(config: ConfigDict, features: Sequence[int], output_activation: str = 'identity') -> MLP:
    """Layers of these widths, the output's last, with the activation and initial scale of a `model` section."""
    return MLP(tuple(features), config.activation, output_activation, initial_scale=config.get('initial_scale', 1.0))


def make_encoder(config: ConfigDict, features: int, spec: DataSpec) -> nn.Module:
    """The encoder that `config`, which `check_config` let pass, describes, with `features` outputs."""
    output_activation = config.get('latent_activation', 'identity')
    if config.encoder == 'mlp':
        return make_mlp(config, (*config.hidden, features), output_activation)
    return ConvEncoder(config.hidden, features, config.activation, output_activation)


def make_decoder(config: ConfigDict, spec: DataSpec) -> nn.Module:
    """The mirror of `make_encoder`'s network, linear at the output (means or logits)."""
    if config.encoder == 'conv':
        return ConvDecoder(config.hidden, spec.shape, config.activation)
    return make_mlp(config, (*reversed(config.hidden), math.prod(spec.shape)))


def decoder_around(decoder: nn.Module, params: Params, x: Array, output: str) -> Params:
    """A decoder's parameters with the last bias such that o(bias) is the mean of x [B, ...]; of convolutions, that by channel.

    Under a sigmoid the mean is held between 0.01 and 0.99: pixels that are 0 in all of x would begin at minus infinity.

    From anywhere else the first thing to be learned is what all examples have in common. Its gradient moves all codes the same
    way, and codes that a tanh bounds do not come back from the corner of their cube.
    """
    mean, by_pixel = jnp.mean(x, axis=0), isinstance(decoder, MLP) or not decoder.channels
    level = mean.reshape(-1) if by_pixel else jnp.tile(jnp.mean(mean, axis=(0, 1)), 4)
    bias = jax.scipy.special.logit(jnp.clip(level, 0.01, 0.99)) if output == 'sigmoid' else level
    last = f'layer_{len(decoder.features) - 1}' if isinstance(decoder, MLP) else 'dense' if by_pixel else 'conv_0'
    return {**params, last: {**params[last], 'bias': bias}}


def apply(module: nn.Module, params: Params, *inputs: Any) -> Array:
    """The output of a module without mutables."""
    return cast(Array, module.apply({'params': params}, *inputs))


@dataclasses.dataclass(frozen=True)
class Autoencoder:
    """z = h(x), x_hat = o(g(z)); g gives the pre-activation of the output o, which is the identity or a sigmoid (then logits).

    Attributes:
        encoder: h.
        decoder: g, a module of its own or a `TiedDecoder` over the encoder's kernels.
        shape: of one example.
        output: 'identity' or 'sigmoid'.
    """

    encoder: nn.Module
    decoder: nn.Module
    shape: tuple[int, ...]
    output: str

    def init(self, key: Key, x: Array) -> Params:
        """Parameters of both groups for inputs shaped as x [B, ...]."""
        encoder_key, decoder_key = jax.random.split(key)
        encoder = self.encoder.init(encoder_key, x)['params']
        z = apply(self.encoder, encoder, x)
        decoder = self.decoder.init(decoder_key, z, *self._shared({'encoder': encoder}))['params']
        return {'encoder': encoder, 'decoder': decoder}

    def _shared(self, params: Params) -> tuple[list[Array], ...]:
        """What the decoder takes from the encoder: its kernels if they are tied, else nothing."""
        if not isinstance(self.decoder, TiedDecoder):
            return ()
        return ([kernel for kernel, _ in dense_layers(params['encoder'])],)

    def encode(self, params: Params, x: Array) -> Array:
        """z = h(x): [B, ...] -> [B, d]."""
        return apply(self.encoder, params['encoder'], x)

    def decode_linear(self, params: Params, z: Array) -> Array:
        """g(z), before the output's activation: [B, d] -> [B, ...]."""
        out = apply(self.decoder, params['decoder'], z, *self._shared(params))
        return out.reshape(-1, *self.shape)

    def filters(self, params: Params) -> Array | None:
        """Weights from the input to the units of the encoder's first layer, [D, m]; None where that is a convolution."""
        return dense_layers(params['encoder'])[0][0] if isinstance(self.encoder, MLP) else None

    def mean(self, linear: Array) -> Array:
        """o(g(z)) from g(z)."""
        return activation(self.output)(linear)

    def decode(self, params: Params, z: Array) -> Array:
        """x_hat = o(g(z)): [B, d] -> [B, ...], in model space."""
        return self.mean(self.decode_linear(params, z))


def check_config(config: ConfigDict, spec: DataSpec) -> None:
    """Raises UserError where a `model` section names what does not exist or does not fit the data."""
    if config.encoder not in ('mlp', 'conv'):
        raise UserError(f"model.encoder is {config.encoder!r}; choose 'mlp' or 'conv'")
    if config.encoder == 'conv' and not spec.is_image:
        raise UserError(f"model.encoder='conv' needs images [height, width, channels]; {spec.name} has shape {spec.shape}")
    if config.output not in ('identity', 'sigmoid'):
        raise UserError(f"model.output is {config.output!r}; choose 'identity' or 'sigmoid'")
    if config.output == 'sigmoid' and not spec.is_unit_interval:
        raise UserError(f"model.output='sigmoid' cannot reach {spec.name} data outside [0, 1]; set model.output='identity'")
    activation(config.activation)
    if not 0 < (scale := config.get('initial_scale', 1.0)) < math.inf:
        raise UserError(f'model.initial_scale={scale} must be above 0 and finite')
    if scale != 1 and config.encoder == 'conv':
        raise UserError("model.initial_scale is for perceptrons: leave it at 1, or set model.encoder='mlp'")
    check_widths(f'model.latents={config.latents} and model.hidden={tuple(config.hidden)}', (config.latents, *config.hidden))


def check_widths(settings: str, widths: Sequence[Any]) -> None:
    """Raises UserError where one of `widths`, which are those of `settings`, is no width of a layer."""
    if not all(type(width) is int and 1 <= width <= MAX_WIDTH for width in widths):
        raise UserError(f'{settings}: widths must be whole numbers between 1 and {MAX_WIDTH:,}')


def from_config(config: ConfigDict, spec: DataSpec) -> Autoencoder:
    """The autoencoder of a `model` section.

    Raises:
        UserError: on a kind, activation or output that does not exist or does not fit the data.
    """
    check_config(config, spec)
    activation(config.latent_activation)
    encoder = make_encoder(config, config.latents, spec)
    if config.tied and config.encoder != 'mlp':
        raise UserError("model.tied needs model.encoder='mlp'")
    if config.tied:
        decoder: nn.Module = TiedDecoder((*reversed(config.hidden), math.prod(spec.shape)), config.activation)
    else:
        decoder = make_decoder(config, spec)
    return Autoencoder(encoder, decoder, spec.shape, config.output)
