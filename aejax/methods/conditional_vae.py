"""Conditional variational autoencoder: the class y, known for every example, is joined to the input of encoder and decoder.

    elbo(x, y) = E_q(z given x, y)[log p(x given y, z)] + log p(y) - KL(q(z given x, y), p(z)) <= log p(x, y)

with p(y) uniform over C classes, log p(y) = -log C, and p(z) = N(0, I) whatever y. What y says z need not: z is left with the
style. It is the model M2 of the source with all labels known.

Source: Kingma et al. 2014, https://arxiv.org/abs/1406.5298, section 2.2; Sohn et al. 2015,
https://papers.nips.cc/paper/2015/hash/8d55a249e6baa5c06772297520da2051-Abstract.html.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from aejax import optimizers
from aejax.distributions import normal
from aejax.losses.reconstruction import squared_error
from aejax.methods._priors import sample_in_turn
from aejax.models import conditional, observation
from aejax.models.activations import activation
from aejax.models.conditional import ConditionalAutoencoder
from aejax.models.observation import Observation
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Phase, Stage


def by_row(function: Callable[..., Array], *arrays: Array) -> Array:
    """function: [N, n], ... -> [N], over arrays [B, n] or [B, C, n]: gives [B] or [B, C]."""
    rows = (array.reshape(-1, array.shape[-1]) for array in arrays)
    return function(*rows).reshape(arrays[0].shape[:-1])


@dataclasses.dataclass(frozen=True)
class ConditionalVAE:
    """See the module.

    Attributes:
        model: encoder and decoder.
        observation: p(x given y, z), from the decoder's pre-activation.
        shape: of one example.
    """

    model: ConditionalAutoencoder
    observation: Observation
    shape: tuple[int, ...]
    optimizer: optax.GradientTransformation
    num_steps: int
    hparams: Mapping[str, float]
    selection: tuple[str, Literal['min', 'max']] = ('elbo', 'max')

    @property
    def groups(self) -> tuple[str, ...]:
        """That are trained."""
        return ('encoder', 'decoder', *self.observation.groups)

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of one phase."""
        return (Stage('train', (Phase('elbo', self.loss, self.groups, self.optimizer),), self.num_steps),)

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Glorot-uniform kernels, zero biases; no mutables."""
        return {**self.model.init(key), **self.observation.init()}, {}

    def log_likelihood(self, params: Params, mutables: Mutables, x: Array, out: Array) -> Array:
        """log p(x given y, z), [N], nats, from flat x [N, D] and the decoder's output [N, D]."""
        return self.observation.log_prob(params, x, out)

    def mean(self, out: Array) -> Array:
        """Of p(x given y, z), [N, ...], from the decoder's output."""
        return activation(self.observation.output)(out).reshape(-1, *self.shape)

    def noise(self, key: Key, x: Array) -> Array:
        """eps of one sample of z an example, [B, d]."""
        return jax.random.normal(key, (x.shape[0], self.model.latents))

    def terms(self, params: Params, mutables: Mutables, x: Array, noise: Array, label: Array | None = None) -> dict[str, Array]:
        """'elbo' = log_likelihood + log p(y) - kl, and both terms: [B] for labels [B], [B, C] for all classes; nats.

        One sample of z an example, z = mu + sigma * eps with eps = `noise`. All classes share it, which changes the mean of
        nothing and takes noise out of their differences.
        """
        mean, log_variance = self.model.posterior(params, x, label)
        z = mean + jnp.exp(0.5 * log_variance) * (noise if label is not None else noise[:, None])
        out, flat = self.model.decode(params, z, label), x.reshape(x.shape[0], -1)
        if label is None:
            flat = jnp.broadcast_to(flat[:, None], (*out.shape[:-1], flat.shape[-1]))
        log_likelihood = by_row(functools.partial(self.log_likelihood, params, mutables), flat, out)
        kl = by_row(normal.kl_standard, mean, log_variance)
        return {'elbo': log_likelihood - math.log(self.model.num_classes) - kl, 'log_likelihood': log_likelihood, 'kl': kl}

    def loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of -elbo(x, y)."""
        terms = self.terms(params, mutables, batch['x'], self.noise(context.key, batch['x']), batch['label'])
        return LossOutput(-jnp.mean(terms['elbo']), {name: terms[name] for name in ('log_likelihood', 'kl')})

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """elbo <= log p(x, y) and its terms; conditional_elbo <= log p(x given y), without log p(y); squared_error at z = mu."""
        x, label = batch['x'], batch['label']
        terms = self.terms(params, mutables, x, self.noise(context.key, x), label)
        mean = self.conditional_decode(params, mutables, self.conditional_encode(params, mutables, x, label), label)
        conditional_elbo = terms['log_likelihood'] - terms['kl']
        return {**terms, 'conditional_elbo': conditional_elbo, 'squared_error': squared_error(x, mean)}

    def conditional_encode(self, params: Params, mutables: Mutables, x: Array, label: Array) -> Array:
        """mu(x, y), the mean of q(z given x, y)."""
        return self.model.posterior(params, x, label)[0]

    def conditional_decode(self, params: Params, mutables: Mutables, z: Array, label: Array) -> Array:
        """The mean of p(x given y, z)."""
        return self.mean(self.model.decode(params, z, label))

    def conditional_sample(self, params: Params, mutables: Mutables, key: Key, label: Array) -> Array:
        """Means of p(x given y, z) for the classes asked for and z drawn from N(0, I)."""
        z = jax.random.normal(key, (label.shape[0], self.model.latents))
        return self.conditional_decode(params, mutables, z, label)

    def sample(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """As `conditional_sample`, each class as often as any other, in turn."""
        return sample_in_turn(self, params, mutables, key, num, self.model.num_classes)

    def filters(self, params: Params, mutables: Mutables) -> Array:
        """Weights from the image to the units of the encoder's first layer, [D, m]."""
        return self.model.filters(params)


def parts(config: ConfigDict, spec: DataSpec, num_outputs: int = 1) -> dict[str, Any]:
    """The fields of a `ConditionalVAE` that a config gives, but for its hparams; with `num_outputs` numbers a dimension of x.

    Raises:
        UserError: see `build`.
    """
    num_steps = optimizers.num_steps(config, spec)
    return {
        'model': conditional.from_config(config.model, spec, num_outputs * math.prod(spec.shape)),
        'observation': observation.from_config(config.likelihood, config.model.output),
        'shape': spec.shape,
        'optimizer': optimizers.from_config(config.optimizer, num_steps),
        'num_steps': num_steps,
    }


def build(config: ConfigDict, spec: DataSpec) -> ConditionalVAE:
    """The conditional variational autoencoder of `config`.

    Raises:
        UserError: on data without labels, convolutions, or a likelihood that does not exist or does not fit the output.
    """
    return ConditionalVAE(**parts(config, spec), hparams={})
