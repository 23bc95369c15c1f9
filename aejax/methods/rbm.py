"""Restricted Boltzmann machine, trained by contrastive divergence.

The gradient of -log p(v) is that of F(v) minus its expectation under the model. The expectation is taken at draws v~ of Gibbs
chains: k steps from the data (contrastive divergence, CD-k), or k more steps of chains that live on from update to update
(persistent CD). So the loss is mean F(v) - mean F(v~), with v~ held constant. Its value is no measure of progress; F(v) at a
fixed v is none either, since log Z moves. See `aejax.evaluation.rbm_likelihood` for log Z and with it log p(v).

Source: Hinton 2002, https://doi.org/10.1162/089976602760128018; persistent chains: Tieleman 2008,
https://doi.org/10.1145/1390156.1390290; the equations are in `aejax.models.rbm`.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from aejax import optimizers
from aejax.losses.reconstruction import cross_entropy, squared_error
from aejax.losses.regularisation import weight_decay
from aejax.models import rbm
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Phase, Stage, UserError

OFFSET_RATE = 0.01
"""Share of the batch's mean in the running means of the centred gradient."""


@dataclasses.dataclass(frozen=True)
class RBM:
    """See the module. The hidden units are the code, all of params is the group 'rbm'.

    Attributes:
        shape: of one example.
        visible: family of the visible units, binary or Gaussian.
        num_hidden: m.
        cd_steps: k, Gibbs steps an update.
        num_chains: persistent chains; 0 for chains that begin at the data.
        is_centred: whether the gradient is the centred one, see `aejax.models.rbm.centred`.
        sample_steps: Gibbs steps from noise to a sample.
        pseudo_likelihood_units: drawn an example in evaluation; 0 for all units.
        hparams: 'weight_decay' only where it is used.
    """

    shape: tuple[int, ...]
    visible: rbm.Visible
    num_hidden: int
    cd_steps: int
    num_chains: int
    is_centred: bool
    sample_steps: int
    pseudo_likelihood_units: int
    optimizer: optax.GradientTransformation
    num_steps: int
    hparams: Mapping[str, float]
    encoder_groups: tuple[str, ...] = ('rbm',)
    decoder_groups: tuple[str, ...] = ('rbm',)
    active_above: float = 0.5

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of one phase."""
        return (Stage('train', (Phase('contrastive_divergence', self.loss, ('rbm',), self.optimizer),), self.num_steps),)

    @property
    def is_binary(self) -> bool:
        """Whether the visible units are binary."""
        return self.visible is rbm.BINARY

    @property
    def loss_name(self) -> str:
        """The reconstruction error that is minus a log-likelihood of the visible units, but for a constant."""
        return 'cross_entropy' if self.is_binary else 'squared_error'

    @property
    def selection(self) -> tuple[str, Literal['min', 'max']]:
        """The pseudo-log-likelihood; Gaussian units have no cheap one, and are judged by their reconstruction."""
        return ('pseudo_log_likelihood', 'max') if self.is_binary else ('squared_error', 'min')

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Small normal kernel, zero biases. Mutables: the persistent chains and their key, the running means of the offsets.

        The chains have a key of their own, so that under pmap all devices move them alike: an average over devices of different
        chains would be no chain.
        """
        params_key, noise_key, chain_key = jax.random.split(key, 3)
        num_visible = math.prod(self.shape)
        mutables: dict[str, Array] = {}
        if self.num_chains:
            chain = self._noise(noise_key, self.num_chains)
            mutables |= {'chain': chain, 'chain_key': jax.random.key_data(chain_key)}
        if self.is_centred:
            at_zero = self.visible.mean(jnp.zeros(num_visible))
            mutables |= {'visible_mean': at_zero, 'hidden_mean': jnp.full(self.num_hidden, 0.5)}
        return {'rbm': rbm.init(params_key, num_visible, self.num_hidden)}, mutables

    def _noise(self, key: Key, num: int) -> Array:
        """Draws [num, D] of an RBM whose parameters are zero."""
        return self.visible.sample(key, jnp.zeros((num, math.prod(self.shape))))

    def negative_samples(self, params: Params, mutables: Mutables, v: Array, context: Context) -> tuple[Array, Mutables]:
        """v~, [B, D] of chains from the data or [num_chains, D], and the mutables that it changes."""
        if not self.num_chains:
            return rbm.gibbs_chain(params['rbm'], context.key, v, self.cd_steps, self.visible), {}
        key = jax.random.fold_in(jax.random.wrap_key_data(mutables['chain_key']), context.step)
        chain = rbm.gibbs_chain(params['rbm'], key, mutables['chain'], self.cd_steps, self.visible)
        return chain, {'chain': chain}

    def offsets(self, params: Params, mutables: Mutables, v: Array) -> dict[str, Array]:
        """The running means of v and of p(h given v) after this batch."""
        means = {'visible_mean': v, 'hidden_mean': jax.nn.sigmoid(rbm.hidden_logits(params['rbm'], v))}
        return {
            name: (1 - OFFSET_RATE) * mutables[name] + OFFSET_RATE * jnp.mean(values, axis=0) for name, values in means.items()
        }

    def loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean F(v) - mean F(v~), plus weight_decay / 2 ||W||^2; its gradient is that of CD, plain or centred.

        Errors of reconstruction are left to `evaluate`: at every step they would cost a matrix product beside the five of CD-1.
        """
        v, held = _flat(batch['x']), jax.lax.stop_gradient(params)
        samples, changed = self.negative_samples(held, mutables, v, context)
        moving = params['rbm']
        if self.is_centred:
            # By the means before this batch, on which all devices of a pmap agree.
            moving = rbm.centred(moving, mutables['visible_mean'], mutables['hidden_mean'])
            changed = {**changed, **self.offsets(held, mutables, v)}
        free_energy = rbm.free_energy(moving, v, self.visible)
        loss = jnp.mean(free_energy) - jnp.mean(rbm.free_energy(moving, samples, self.visible))
        if 'weight_decay' in context.hparams:
            loss += context.hparams['weight_decay'] * weight_decay(params)
        return LossOutput(loss, {'free_energy': free_energy}, changed)

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """free_energy, the errors of the mean-field reconstruction, and for binary units the pseudo_log_likelihood, in nats."""
        v = _flat(batch['x'])
        metrics = self.decoding_errors(params, mutables, batch['x'], self.encode(params, mutables, v))
        metrics['free_energy'] = rbm.free_energy(params['rbm'], v, self.visible)
        if self.is_binary:
            metrics['pseudo_log_likelihood'] = rbm.pseudo_log_likelihood(params['rbm'], v, self._units(context.key, *v.shape))
        return metrics

    def _units(self, key: Key, num: int, num_visible: int) -> Array:
        """The units [U, num] of the pseudo-log-likelihood: all, or so many at random for each example."""
        if not self.pseudo_likelihood_units:
            return jnp.broadcast_to(jnp.arange(num_visible)[:, None], (num_visible, num))
        return jax.random.randint(key, (self.pseudo_likelihood_units, num), 0, num_visible)

    def encode(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """p(h = 1 given v) = sigmoid(c + v W), [B, m]."""
        return jax.nn.sigmoid(rbm.hidden_logits(params['rbm'], _flat(x)))

    def decode(self, params: Params, mutables: Mutables, z: Array) -> Array:
        """The mean of p(v given h = z)."""
        return self.visible.mean(rbm.visible_parameter(params['rbm'], z)).reshape(-1, *self.shape)

    def decoding_errors(self, params: Params, mutables: Mutables, x: Array, z: Array) -> dict[str, Array]:
        """squared_error of x from a code z, and cross_entropy (nats) of binary units, each [B]."""
        linear = rbm.visible_parameter(params['rbm'], z)
        errors = {'squared_error': squared_error(_flat(x), self.visible.mean(linear))}
        return {**errors, 'cross_entropy': cross_entropy(_flat(x), linear)} if self.is_binary else errors

    def reconstruct(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """The mean-field reconstruction: the mean of p(v given h) at h = p(h = 1 given x)."""
        return self.decode(params, mutables, self.encode(params, mutables, x))

    def sample(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """Means of p(v given h) for h of Gibbs chains from noise, `sample_steps` long."""
        noise_key, chain_key, hidden_key = jax.random.split(key, 3)
        v = rbm.gibbs_chain(params['rbm'], chain_key, self._noise(noise_key, num), self.sample_steps - 1, self.visible)
        h = jax.random.bernoulli(hidden_key, self.encode(params, mutables, v)).astype(v.dtype)
        return self.decode(params, mutables, h)

    def free_energy(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """F(x) = -log p(x) - log Z, [B], in nats."""
        return rbm.free_energy(params['rbm'], _flat(x), self.visible)

    def filters(self, params: Params, mutables: Mutables) -> Array:
        """Weights from the input to each hidden unit, [D, m]."""
        return params['rbm']['kernel']


def _flat(x: Array) -> Array:
    return x.reshape(x.shape[0], -1)


def check_config(config: ConfigDict, spec: DataSpec) -> None:
    """Raises UserError where a config asks for units that do not exist or do not fit the data, or for too few of anything."""
    if config.model.visible not in rbm.VISIBLE:
        raise UserError(f'model.visible is {config.model.visible!r}; choose one of {", ".join(rbm.VISIBLE)}')
    if config.model.visible == 'binary' and not spec.is_unit_interval:
        raise UserError(f"model.visible='binary' needs data in [0, 1], not {spec.preprocessing!r} {spec.name}: use 'gaussian'")
    lowest: dict[str, tuple[Any, int]] = {
        'model.latents': (config.model.latents, 1),
        'cd_steps': (config.cd_steps, 1),
        'num_chains': (config.num_chains, 1),
        'sample_steps': (config.sample_steps, 1),
        'pseudo_likelihood_units': (config.pseudo_likelihood_units, 0),
    }
    for name, (value, least) in lowest.items():
        if value < least:
            raise UserError(f'{name}={value} must be at least {least}')


def build(config: ConfigDict, spec: DataSpec) -> RBM:
    """The restricted Boltzmann machine of `config`.

    Raises:
        UserError: on visible units that do not exist or do not fit the data, or numbers out of their range.
    """
    check_config(config, spec)
    num_steps = optimizers.num_steps(config, spec)
    return RBM(
        shape=spec.shape,
        visible=rbm.VISIBLE[config.model.visible],
        num_hidden=config.model.latents,
        cd_steps=config.cd_steps,
        num_chains=config.num_chains if config.persistent else 0,
        is_centred=config.centred,
        sample_steps=config.sample_steps,
        pseudo_likelihood_units=config.pseudo_likelihood_units,
        optimizer=optimizers.from_config(config.optimizer, num_steps),
        num_steps=num_steps,
        hparams={'weight_decay': config.weight_decay} if config.weight_decay else {},
    )
