"""What adversarial autoencoders share: three phases over encoder, decoder and a discriminator of codes."""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, Literal, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from aejax import optimizers
from aejax.distributions import normal
from aejax.losses.adversarial import check_kind, check_real_label, discriminator_health, discriminator_loss, generator_loss
from aejax.losses.reconstruction import cross_entropy, squared_error
from aejax.methods._phases import one_stage
from aejax.models.activations import activation
from aejax.models.autoencoder import apply, check_config, make_decoder, make_encoder
from aejax.models.discriminator import Critic, with_one_hot
from aejax.models.mlp import MLP, dense_layers
from aejax.priors.shapes import Samples
from aejax.settings import check_ranges
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Stage, UserError

LOSSES = ('cross_entropy', 'squared_error')
POSTERIORS = ('deterministic', 'gaussian', 'universal')


def forward(module: nn.Module, params: Params, x: Array, key: Key | None) -> Array:
    """The output of a module, with its dropout where it has one and a `key` is given."""
    if key is None or not getattr(module, 'dropout', 0.0):
        return apply(module, params, x)
    return cast(Array, module.apply({'params': params}, x, True, rngs={'dropout': key}))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Networks:
    """Encoder and decoder of an adversarial autoencoder, with a posterior of one of three kinds.

    'deterministic': z = h(x). 'gaussian': z = mu(x) + sigma(x) eps. 'universal': z = h([x, eta]) with eta ~ N(0, I), whose
    distribution given x may be any (the universal approximator posterior).

    Attributes:
        encoder: x, or [x, eta], -> numbers of the code.
        decoder: its input -> pre-activation of the reconstruction.
        posterior: one of POSTERIORS.
        noise: width of eta; 0 of another posterior.
        input_noise: standard deviation of what is added to x before it is encoded in training.
        output: activation of the reconstruction.
        shape: of one example.
    """

    encoder: nn.Module
    decoder: nn.Module
    posterior: str
    noise: int
    input_noise: float
    output: str
    shape: tuple[int, ...]

    def init(self, key: Key, decoder_inputs: int) -> Params:
        """Parameters of 'encoder' and 'decoder'."""
        encoder_key, decoder_key = jax.random.split(key)
        x = jnp.zeros((1, *self.shape))
        x = with_one_hot(x, jnp.zeros((1, self.noise))) if self.noise else x
        return {
            'encoder': self.encoder.init(encoder_key, x)['params'],
            'decoder': self.decoder.init(decoder_key, jnp.zeros((1, decoder_inputs)))['params'],
        }

    def encode(self, params: Params, x: Array, key: Key | None, train: bool) -> Array:
        """The encoder's output for x [B, ...]; eta is drawn from `key`, as are, in training, input noise and dropout; else 0."""
        keys = [None] * 3 if key is None else list(jax.random.split(key, 3))
        if train and keys[0] is not None and self.input_noise:
            x = x + self.input_noise * jax.random.normal(keys[0], x.shape)
        if self.noise:
            shape = (x.shape[0], self.noise)
            x = with_one_hot(x, jnp.zeros(shape) if keys[1] is None else jax.random.normal(keys[1], shape))
        return forward(self.encoder, params['encoder'], x, keys[2] if train else None)

    def draw(self, out: Array, key: Key | None) -> Array:
        """The code z [B, d] from the encoder's numbers for it, [B, d] or [B, 2 d]; its mean or mode without a `key`."""
        if self.posterior != 'gaussian':
            return out
        mean, log_variance = jnp.split(out, 2, axis=1)
        return mean if key is None else normal.sample(key, mean, log_variance)

    def decode_linear(self, params: Params, code: Array, key: Key | None = None) -> Array:
        """Pre-activation of the reconstruction, [B, ...], from the decoder's input."""
        return forward(self.decoder, params['decoder'], code, key).reshape(-1, *self.shape)

    def mean(self, linear: Array) -> Array:
        """The reconstruction from its pre-activation."""
        return activation(self.output)(linear)

    def errors(self, x: Array, linear: Array) -> dict[str, Array]:
        """squared_error, and cross_entropy (nats) where the output is a sigmoid, each [B]."""
        errors = {'squared_error': squared_error(x, self.mean(linear))}
        return {**errors, 'cross_entropy': cross_entropy(x, linear)} if self.output == 'sigmoid' else errors

    def filters(self, params: Params) -> Array | None:
        """Weights from the input, without eta, to the first layer's units, [D, m]; None for convolutions."""
        return dense_layers(params['encoder'])[0][0][: math.prod(self.shape)] if isinstance(self.encoder, MLP) else None


def networks(config: ConfigDict, spec: DataSpec, extra: int = 0) -> Networks:
    """The networks of a config's `model` section and `posterior`, with `extra` numbers before those of the code.

    Raises:
        UserError: on a posterior or loss that does not exist, or what does not fit the data.
    """
    check_config(config.model, spec)
    check_ranges(config, {'noise': (1, 100_000), 'input_noise': (0.0, math.inf)})
    check_ranges(config.model, {'dropout': (0.0, 1.0)}, 'model')
    if config.posterior not in POSTERIORS:
        raise UserError(f'posterior is {config.posterior!r}; choose one of {", ".join(POSTERIORS)}')
    if config.model.encoder != 'mlp' and (config.posterior == 'universal' or config.model.dropout):
        raise UserError("model.dropout and posterior='universal' are for perceptrons: set model.encoder='mlp'")
    if config.loss not in LOSSES or (config.loss == 'cross_entropy' and config.model.output != 'sigmoid'):
        raise UserError(f"loss is {config.loss!r}; choose 'squared_error', or with model.output='sigmoid' 'cross_entropy'")
    width = config.model.latents * (2 if config.posterior == 'gaussian' else 1)
    modules = [make_encoder(config.model, extra + width, spec), make_decoder(config.model, spec)]
    if config.model.dropout:
        modules = [module.clone(dropout=config.model.dropout) for module in modules]
    noise = config.noise if config.posterior == 'universal' else 0
    return Networks(
        encoder=modules[0],
        decoder=modules[1],
        posterior=config.posterior,
        noise=noise,
        input_noise=config.input_noise,
        output=config.model.output,
        shape=spec.shape,
    )


def game(config: ConfigDict, spec: DataSpec) -> dict[str, Any]:
    """The fields by which a config says how adversaries are trained: kind, real_label, optimizers, num_steps, loss_name.

    Raises:
        UserError: on a generator's loss that does not exist, or numbers out of their range.
    """
    check_kind(config.generator_loss)
    check_real_label(config.real_label)
    num_steps = optimizers.num_steps(config, spec)
    return {
        'kind': config.generator_loss,
        'real_label': config.real_label,
        'optimizers': optimizers.by_phase(config, num_steps),
        'num_steps': num_steps,
        'loss_name': config.loss,
        'hparams': {},
    }


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdversarialCore:
    """The three phases, see `aejax.methods.adversarial_ae`, and all that every kind of label information leaves as it is.

    Attributes:
        networks: encoder and decoder.
        critic: D, over codes.
        prior: p(z).
        latents: d.
        labels: who is told the class: 'none', the 'discriminator' or the 'decoder'.
        num_classes: C; the discriminator knows class C too, for examples without a label.
        loss_name: of the reconstruction.
        kind: of the generator's loss.
        real_label: target of D for draws from the prior.
        optimizers: by phase.
    """

    networks: Networks
    critic: Critic
    prior: Samples
    latents: int
    labels: str
    num_classes: int
    loss_name: str
    kind: str
    real_label: float
    optimizers: Mapping[str, optax.GradientTransformation]
    num_steps: int
    hparams: Mapping[str, float]
    selection: tuple[str, Literal['min', 'max']] = ('squared_error', 'min')

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of three phases."""
        moves = {
            'reconstruction': (self.reconstruction_loss, ('encoder', 'decoder')),
            'discriminator': (self.discriminator_loss, ('discriminator',)),
            'generator': (self.generator_loss, ('encoder',)),
        }
        return one_stage(moves, self.optimizers, self.num_steps)

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Glorot-uniform kernels (He-normal in convolutions), zero biases; the mutables are those of spectral norms."""
        networks_key, critic_key = jax.random.split(key)
        told = self.num_classes if self.labels == 'decoder' else 0
        known = self.num_classes + 1 if self.labels == 'discriminator' else 0
        critic, mutables = self.critic.init(critic_key, jnp.zeros((1, self.latents + known)))
        return {**self.networks.init(networks_key, self.latents + told), **critic}, mutables

    def examples(self, batch: Batch) -> tuple[Array, Array]:
        """(x [B, ...], class [B]) of a flat batch, or of both streams, one after the other; class C where it is not known."""
        if 'unlabelled' in batch:
            x = [batch[name]['x'] for name in ('labelled', 'unlabelled')]
            unknown = jnp.full((len(x[1]),), self.num_classes, jnp.int32)
            return jnp.concatenate(x), jnp.concatenate([batch['labelled']['label'].astype(jnp.int32), unknown])
        unknown = jnp.full((len(batch['x']),), self.num_classes, jnp.int32)
        return batch['x'], batch.get('label', unknown)

    def codes(self, params: Params, x: Array, key: Key | None, train: bool = True) -> Array:
        """A draw of z ~ q(z given x), [B, d]; without a key its mean, or what the encoder makes of no noise."""
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        return self.networks.draw(self.networks.encode(params, x, keys[0], train), keys[1])

    def decoder_input(self, z: Array, label: Array) -> Array:
        """z, with the class joined where the decoder is told it."""
        return with_one_hot(z, jax.nn.one_hot(label, self.num_classes)) if self.labels == 'decoder' else z

    def critic_input(self, z: Array, label: Array) -> Array:
        """z, with the class joined, 'unlabelled' among them, where the discriminator is told it."""
        return with_one_hot(z, jax.nn.one_hot(label, self.num_classes + 1)) if self.labels == 'discriminator' else z

    def prior_draws(self, key: Key, label: Array) -> Array:
        """z ~ p(z), [B, d]; where the discriminator is told a class, from that class's own part of the prior."""
        whole_key, part_key = jax.random.split(key)
        z = self.prior.sample(whole_key, len(label))
        if self.labels != 'discriminator':
            return z
        known = label < self.num_classes
        parts = self.prior.sample_class(part_key, jnp.where(known, label, 0))  # type: ignore[attr-defined]
        return jnp.where(known[:, None], parts, z)

    def reconstruction_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of L(x, g(z)), z ~ q(z given x); with few labels that of the unlabelled stream, all images."""
        (x, label), (code_key, key) = self.examples(batch.get('unlabelled', batch)), jax.random.split(context.key)
        code = self.decoder_input(self.codes(params, x, code_key), label)
        error = self.networks.errors(x, self.networks.decode_linear(params, code, key))[self.loss_name]
        return LossOutput(jnp.mean(error), {self.loss_name: error})

    def discriminator_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of -log D(z') - log(1 - D(z)), z' ~ p(z), z ~ q(z given x).

        With few labels the mean is over both streams, which have m and B examples in a batch, and so minus

            w E_{x, y}[log D(z'_y, y) + log(1 - D(z, y))] + (1 - w) E_x[log D(z', C) + log(1 - D(z, C))]

        with z'_y from the part of class y, and C for 'unlabelled': however few the labels, they weigh w = m / (m + B), which is
        one half unless `data.labelled_batch_size` says otherwise.
        """
        (x, label), keys = self.examples(batch), jax.random.split(context.key, 4)
        real = self.critic_input(self.prior_draws(keys[0], label), label)
        fake = self.critic_input(self.codes(params, x, keys[1]), label)
        real_logits = self.critic.logits(params, mutables, real, keys[2])
        fake_logits = self.critic.logits(params, mutables, fake, keys[3])
        loss = jnp.mean(discriminator_loss(real_logits, fake_logits, self.real_label))
        metrics = discriminator_health(real_logits, fake_logits)
        return LossOutput(loss, metrics, self.critic.next_mutables(params, mutables, real))

    def generator_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch, of both streams, of -log D(z), or of log(1 - D(z)), z ~ q(z given x): the encoder's side."""
        (x, label), (code_key, key) = self.examples(batch), jax.random.split(context.key)
        logits = self.critic.logits(params, mutables, self.critic_input(self.codes(params, x, code_key), label), key)
        return LossOutput(jnp.mean(generator_loss(logits, self.kind)), {'d_fake': jax.nn.sigmoid(logits)})

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """Errors of the reconstruction from `encode`'s code; D's outputs, d_real at a draw of the prior, d_fake at z."""
        (x, label), keys = self.examples(batch), jax.random.split(context.key)
        code = self.decoder_input(self.codes(params, x, None), label)
        real, fake = self.prior_draws(keys[0], label), self.codes(params, x, keys[1], train=False)
        logits = [self.critic.logits(params, mutables, self.critic_input(z, label)) for z in (real, fake)]
        return {**self.networks.errors(x, self.networks.decode_linear(params, code)), **discriminator_health(*logits)}

    def encode(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """The code: h(x), mu(x), or h([x, 0])."""
        return self.codes(params, x, None)

    def draw_code(self, params: Params, mutables: Mutables, key: Key, x: Array) -> Array:
        """z ~ q(z given x), [B, d], without what training adds to it (input noise, dropout)."""
        return self.codes(params, x, key, train=False)

    def filters(self, params: Params, mutables: Mutables) -> Array | None:
        """Weights from the image to the units of the encoder's first layer, [D, m]; None for convolutions."""
        return self.networks.filters(params)

    def sample_prior(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """z from the prior, [num, d]."""
        return self.prior.sample(key, num)
