"""M1+M2: the semi-supervised model M2 of the codes that a variational autoencoder, M1, has learned without labels.

    p(y) p(z2) p(z1 given y, z2) p(x given z1)

Stage 'm1' trains the autoencoder, with its own p(z1), on the unlabelled stream, which is every image. Stage 'm2' holds it still
and trains M2 with codes for data: at every step a fresh z1 ~ q(z1 given x) of every image in the batch. Of the codes only the
dimensions that M1 uses are kept, those in which the standard deviation of its mean mu(x) over the data exceeds a threshold; the
others hold nothing but noise, and are left at N(0, 1). p(z1 given y, z2) is Gaussian, its mean and log-variance from the decoder.

Over all of it, with z1 drawn from q(z1 given x) and M2's bound on its kept dimensions,

    elbo(x) = E[log p(x given z1) + bound(z1 kept) + log N(z1 not kept; 0, I)] + H(q(z1 given x)) <= log p(x)

Source: Kingma et al. 2014, https://arxiv.org/abs/1406.5298, section 2.1 and the experiments.
"""

import contextlib
import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax.distributions import normal
from aejax.distributions.reduction import sum_per_example
from aejax.losses.classification import classification
from aejax.losses.marginal import marginal_bound
from aejax.methods import vae
from aejax.methods._code_m2 import CodeM2
from aejax.methods._priors import sample_in_turn
from aejax.methods.m2 import check_labels, classified_parts
from aejax.models import observation
from aejax.settings import check_ranges
from aejax.types import STREAMS, Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Phase, Stage, UserError

VARIANCE_RATE = 0.01
"""Share of a batch in the running variance of mu."""
CODE_BOUNDS = {'elbo': 'code_elbo', 'elbo_labelled': 'code_elbo_labelled'}
"""M2's bounds on log p(z1) and log p(z1, y): no metrics of x, and shown in other panels than those."""


def own(tree: Mapping[str, Any], part: str) -> dict[str, Any]:
    """The entries of 'm1' or 'm2' in params, under the names that they have alone."""
    return {name.removeprefix(f'{part}_'): value for name, value in tree.items() if name.startswith(f'{part}_')}


def named(tree: Mapping[str, Any], part: str) -> dict[str, Any]:
    """The inverse of `own`: 'encoder' of 'm1' is 'm1_encoder'."""
    return {f'{part}_{name}': value for name, value in tree.items()}


@dataclasses.dataclass(frozen=True)
class M1M2:
    """See the module. The code of x is M2's, mu(z1, y) at the likeliest class y, for z1 = mu(x).

    Attributes:
        m1: the variational autoencoder, whose groups are 'm1_encoder', ...
        m2: the semi-supervised model of its codes: 'm2_encoder', ...
        threshold: a dimension is kept where the standard deviation of mu over the data exceeds it.
    """

    m1: vae.VAE
    m2: CodeM2
    threshold: float
    hparams: Mapping[str, float]
    streams: tuple[str, ...] = STREAMS
    selection: tuple[str, Literal['min', 'max']] = ('classification_error', 'min')

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """'m1' and 'm2', each of one phase of that name."""
        stages = []
        for name, part, loss in (('m1', self.m1, self.m1_loss), ('m2', self.m2, self.m2_loss)):
            ((alone,),) = (stage.phases for stage in part.stages)
            phase = Phase(name, loss, tuple(named(dict.fromkeys(alone.trains), name)), alone.optimizer)
            stages.append(Stage(name, (phase,), part.num_steps))
        return tuple(stages)

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Both parts'. Mutables: a running variance of mu(x), which keeps every dimension until it has been seen to be unused."""
        x = batch['unlabelled']['x'] if 'unlabelled' in batch else batch['x']
        m1_key, m2_key = jax.random.split(key)
        params = named(self.m1.init(m1_key, {'x': x})[0], 'm1') | named(self.m2.init(m2_key, {})[0], 'm2')
        return params, {'code_variance': jnp.ones(self.m2.model.num_inputs)}

    def kept(self, mutables: Mutables) -> Array:
        """Which dimensions of z1 are kept, [d1] of bool: standard deviation of mu above the threshold."""
        return mutables['code_variance'] > self.threshold**2

    def m1_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """That of M1 on the unlabelled stream; moves the variance of mu towards that within the batch."""
        x, m1 = batch['unlabelled']['x'], own(params, 'm1')
        out = self.m1.loss(m1, {}, {'x': x}, context)
        variance = jax.lax.stop_gradient(jnp.var(self.m1.posterior(m1, {}, x)[0], axis=0))
        running = (1 - VARIANCE_RATE) * mutables['code_variance'] + VARIANCE_RATE * variance
        return out.replace(mutables={'code_variance': running})

    def _m2_inputs(self, params: Params, mutables: Mutables, z1: Array) -> tuple[Params, Mutables, Array]:
        """What M2's functions take: its parameters, the mask, and codes in which what is not kept is zero."""
        kept = self.kept(mutables)
        return own(params, 'm2'), {'kept': kept}, jnp.where(kept[None], z1, 0.0)

    def m2_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """That of M2 on fresh draws of z1 for both streams; its bounds, on log p(z1), are not those of `evaluate`."""
        m2_key, *keys = jax.random.split(context.key, 3)
        m2_batch = {}
        for name, key in zip(STREAMS, keys, strict=True):
            z1 = normal.sample(key, *self.m1.posterior(own(params, 'm1'), {}, batch[name]['x']))
            m2_params, kept, z1 = self._m2_inputs(params, mutables, z1)
            m2_batch[name] = {**batch[name], 'x': z1}
        out = self.m2.loss(m2_params, kept, m2_batch, context.replace(key=m2_key))
        metrics = {CODE_BOUNDS.get(name, name): values for name, values in out.metrics.items()}
        return out.replace(metrics={**metrics, 'kept_dimensions': jnp.sum(self.kept(mutables).astype(jnp.float32))})

    @property
    def labelled_share(self) -> float:
        """n / N, as in M2."""
        return self.m2.labelled_share

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """elbo <= log p(x), elbo_labelled <= log p(x, y), m1_elbo (M1 alone), and how wrong q(y given z1 = mu(x)) is."""
        x, label, keys = batch['x'], batch['label'], jax.random.split(context.key, 3)
        m1 = own(params, 'm1')
        mean, log_variance = self.m1.posterior(m1, {}, x)
        z1 = normal.sample(keys[0], mean, log_variance)
        m2, kept, codes = self._m2_inputs(params, mutables, z1)
        bounds = self.m2.terms(m2, kept, codes, self.m2.noise(keys[1], codes))['elbo']
        others = sum_per_example(jnp.where(kept['kept'][None], 0.0, -0.5 * (jnp.square(z1) + math.log(2 * math.pi))))
        outside = self.m1.likelihood(m1, {}, z1, x) + others + normal.entropy(log_variance)
        labelled = jnp.take_along_axis(bounds, label[:, None], axis=1)[:, 0]
        return {
            'elbo': outside + marginal_bound(bounds, self.m2.class_logits(m2, kept, codes)),
            'elbo_labelled': outside + labelled,
            'm1_elbo': self.m1.bound(m1, x, keys[2], 1.0)['elbo'],
            **classification(self.class_logits(params, mutables, x), label),
        }

    def codes(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """mu(x) of M1, zero where a dimension is not kept: [B, d1]."""
        return self._m2_inputs(params, mutables, self.m1.encode(own(params, 'm1'), {}, x))[2]

    def class_logits(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """Logits of q(y given z1) at z1 = mu(x), [B, C]."""
        return self.m2.class_logits(own(params, 'm2'), {}, self.codes(params, mutables, x))

    def encode(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """mu(z1, y) at the likeliest class: the style of x."""
        return self.m2.encode(own(params, 'm2'), {}, self.codes(params, mutables, x))

    def reconstruct(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """Through both models, by means, at the likeliest class."""
        label = jnp.argmax(self.class_logits(params, mutables, x), axis=-1)
        return self.conditional_decode(params, mutables, self.conditional_encode(params, mutables, x, label), label)

    def conditional_encode(self, params: Params, mutables: Mutables, x: Array, label: Array) -> Array:
        """mu(z1, y) for z1 = mu(x)."""
        return self.m2.conditional_encode(own(params, 'm2'), {}, self.codes(params, mutables, x), label)

    def conditional_decode(self, params: Params, mutables: Mutables, z: Array, label: Array) -> Array:
        """The mean of p(x given z1) at the mean of p(z1 given y, z2)."""
        return self._decode(params, mutables, self.m2.conditional_decode(own(params, 'm2'), {}, z, label))

    def _decode(self, params: Params, mutables: Mutables, z1: Array) -> Array:
        """From z1 down, what is not kept at the mean of its prior."""
        return self.m1.decode(own(params, 'm1'), {}, jnp.where(self.kept(mutables)[None], z1, 0.0))

    def conditional_sample(self, params: Params, mutables: Mutables, key: Key, label: Array) -> Array:
        """Means of p(x given z1) for z1 drawn from p(z1 given y, z2) and z2 from N(0, I)."""
        top, below = jax.random.split(key)
        z2 = jax.random.normal(top, (label.shape[0], self.m2.model.latents))
        return self._decode(params, mutables, self.m2.draw(own(params, 'm2'), below, z2, label))

    def sample(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """As `conditional_sample`, each class as often as any other, in turn."""
        return sample_in_turn(self, params, mutables, key, num, self.m2.model.num_classes)

    def filters(self, params: Params, mutables: Mutables) -> Array | None:
        """Those of M1."""
        return self.m1.filters(own(params, 'm1'), {})


def part_config(config: ConfigDict, part: str, epochs: int) -> ConfigDict:
    """The config of 'm1' or 'm2' alone: its section, with what the two share; an `optimizer` of its own comes first."""
    section = config[part].copy_and_resolve_references()
    with section.unlocked():
        section.batch_size, section.epochs, section.data = config.batch_size, epochs, config.data
        section.optimizer = section.get('optimizer', config.optimizer)
    return section


@contextlib.contextmanager
def of_part(part: str) -> Iterator[None]:
    """A UserError within says which of the two sections it is about: their settings have the same names."""
    try:
        yield
    except UserError as error:
        raise UserError(f'in section {part}: {error}') from error


def build(config: ConfigDict, spec: DataSpec) -> M1M2:
    """The M1+M2 of `config`: `config.epochs` are those of M2, `config.m1_epochs` those of M1.

    Raises:
        UserError: on a config without labels or with a stage of fine-tuning, or what either model refuses.
    """
    check_labels(config)
    # Under N(0, I) no dimension's mean can vary by more than 1.
    check_ranges(config, {'code_threshold': (0.0, 1.0), 'm1_epochs': (1, math.inf)})
    with of_part('m1'):
        m1 = vae.build(part_config(config, 'm1', config.m1_epochs), spec)
    code_spec = dataclasses.replace(spec, name=f'codes of {spec.name}', shape=(config.m1.model.latents,), preprocessing='raw')
    section = part_config(config, 'm2', config.epochs)
    with section.unlocked():
        section.likelihood, section.model.output = observation.default_config('gaussian'), 'identity'
    with of_part('m2'):
        m2 = CodeM2(**classified_parts(section, code_spec, num_outputs=2))
    return M1M2(m1, m2, config.code_threshold, hparams={**m1.hparams, **m2.hparams})
