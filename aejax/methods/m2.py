"""M2: semi-supervised learning with a deep generative model p(y) p(z) p(x given y, z).

Of a labelled example the bound is that of the conditional VAE, elbo(x, y) <= log p(x, y). Of an unlabelled one y is summed out
exactly, under a classifier q(y given x):

    elbo(x) = sum_y q(y given x) elbo(x, y) + H(q(y given x)) <= log p(x)

The classifier is trained by that bound and by the labels, with the weight alpha. Over N examples, n of them with a label,

    loss N = -sum over all x elbo(x) - sum over the labelled elbo(x, y) + alpha N / n sum over the labelled -log q(y given x)

so that the last sum is alpha N times a mean over the labelled, as in the source (its alpha is our alpha N, and 0.1 N there).
Divided by N, with means over the two streams of a batch in place of sums:

    loss = -mean_unlabelled elbo(x) - n / N mean_labelled elbo(x, y) + alpha mean_labelled -log q(y given x)

The unlabelled stream holds every image, those whose labels are known among them; in the source it lacks those.

Ten classes cost ten decoders, forward and back. With `gradient='sampled'` all classes go forward and one y ~ q(y given x) of each
example goes back: the value of elbo(x) and the classifier's gradient are as exact as before, that of encoder and decoder, an
expectation over q(y given x), is estimated without bias.

Source: Kingma et al. 2014, Semi-supervised learning with deep generative models, https://arxiv.org/abs/1406.5298, equations 6-9.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax.losses.classification import classification
from aejax.losses.marginal import marginal_bound
from aejax.methods.conditional_vae import ConditionalVAE, parts
from aejax.models.autoencoder import apply, check_widths, make_mlp
from aejax.models.mlp import MLP
from aejax.settings import check_ranges
from aejax.types import STREAMS, Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Phase, Stage, UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class M2(ConditionalVAE):
    """See the module. All is as in the conditional VAE where a label is given; the code of x is mu(x, y) at the likeliest y.

    Checkpoints are chosen by the error of q(y given x): the bound may well improve while classes drift away from their labels.

    Attributes:
        classifier: x -> logits of q(y given x), the group 'classifier'.
        labelled_share: n / N.
        samples_gradient: whether encoder and decoder learn from one class of each unlabelled example, or from all.
    """

    classifier: MLP
    labelled_share: float
    samples_gradient: bool = False
    streams: tuple[str, ...] = STREAMS
    selection: tuple[str, Literal['min', 'max']] = ('classification_error', 'min')

    @property
    def groups(self) -> tuple[str, ...]:
        """Those of the conditional VAE, and the classifier."""
        return (*super().groups, 'classifier')

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of one phase, on batches of two streams."""
        return (Stage('train', (Phase('m2', self.loss, self.groups, self.optimizer),), self.num_steps),)

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Glorot-uniform kernels, zero biases; no mutables."""
        model_key, classifier_key = jax.random.split(key)
        classifier = self.classifier.init(classifier_key, jnp.zeros((1, self.model.num_inputs)))['params']
        return {**super().init(model_key, batch)[0], 'classifier': classifier}, {}

    def class_logits(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """Logits of q(y given x), [B, C]."""
        return apply(self.classifier, params['classifier'], x)

    def unlabelled_bound(self, params: Params, mutables: Mutables, x: Array, key: Key) -> Array:
        """elbo(x), [B], nats: y summed out under q(y given x), one sample of z for each class."""
        logits = self.class_logits(params, mutables, x)
        if not self.samples_gradient:
            return marginal_bound(self.terms(params, mutables, x, self.noise(key, x))['elbo'], logits)
        key, label_key = jax.random.split(key)
        label, noise = jax.random.categorical(label_key, logits), self.noise(key, x)
        bounds = self.terms(jax.lax.stop_gradient(params), mutables, x, noise)['elbo']
        one = self.terms(params, mutables, x, noise, label)['elbo']
        return marginal_bound(bounds, logits) + one - jax.lax.stop_gradient(one)

    def loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """-mean elbo(x) - n / N mean elbo(x, y) + alpha mean -log q(y given x); nats for each of the N examples."""
        x, label, keys = batch['labelled']['x'], batch['labelled']['label'], jax.random.split(context.key)
        unlabelled = self.unlabelled_bound(params, mutables, batch['unlabelled']['x'], keys[0])
        labelled = self.terms(params, mutables, x, self.noise(keys[1], x), label)['elbo']
        figures = classification(self.class_logits(params, mutables, x), label)
        loss = -jnp.mean(unlabelled) - self.labelled_share * jnp.mean(labelled)
        loss = loss + context.hparams['alpha'] * jnp.mean(figures['classification_nll'])
        return LossOutput(loss, {'elbo': unlabelled, 'elbo_labelled': labelled, **figures})

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """elbo <= log p(x), elbo_labelled <= log p(x, y), classification_error and classification_nll of q(y given x)."""
        x, label = batch['x'], batch['label']
        bounds = self.terms(params, mutables, x, self.noise(context.key, x))['elbo']
        logits = self.class_logits(params, mutables, x)
        labelled = jnp.take_along_axis(bounds, label[:, None], axis=1)[:, 0]
        return {'elbo': marginal_bound(bounds, logits), 'elbo_labelled': labelled, **classification(logits, label)}

    def encode(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """mu(x, y) at the likeliest class y of q(y given x): the style of x."""
        return self.conditional_encode(params, mutables, x, self._likeliest(params, mutables, x))

    def reconstruct(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """The mean of p(x given y, z) at the likeliest class and z = mu(x, y)."""
        label = self._likeliest(params, mutables, x)
        return self.conditional_decode(params, mutables, self.conditional_encode(params, mutables, x, label), label)

    def _likeliest(self, params: Params, mutables: Mutables, x: Array) -> Array:
        return jnp.argmax(self.class_logits(params, mutables, x), axis=-1)


def check_labels(config: ConfigDict) -> None:
    """Raises UserError where a config gives a semi-supervised method no labels, or a stage that knows one stream only."""
    if not config.data.get('num_labelled', 0):
        raise UserError(f'{config.method} learns from few labels: set data.num_labelled to their number')
    if config.get('finetune') is not None and config.finetune.target != 'none':
        raise UserError(f"{config.method} has its own classifier: set finetune.target='none'")


def classified_parts(config: ConfigDict, spec: DataSpec, num_outputs: int = 1) -> dict[str, Any]:
    """The fields of an `M2` that a config gives, as `parts`; `config.data.num_labelled` is n, `spec.num_examples` N.

    Raises:
        UserError: see `build`.
    """
    check_ranges(config, {'alpha': (0.0, math.inf)})
    if config.gradient not in ('exact', 'sampled'):
        raise UserError(f"gradient is {config.gradient!r}; choose 'exact' or 'sampled'")
    check_widths(f'classifier_hidden={tuple(config.classifier_hidden)}', config.classifier_hidden)
    return {
        **parts(config, spec, num_outputs),
        'hparams': {'alpha': config.alpha},
        'classifier': make_mlp(config.model, (*config.classifier_hidden, spec.num_classes)),
        'labelled_share': config.data.num_labelled / spec.num_examples,
        'samples_gradient': config.gradient == 'sampled',
    }


def build(config: ConfigDict, spec: DataSpec) -> M2:
    """The M2 of `config`.

    Raises:
        UserError: on a config without labels or with a stage of fine-tuning, a negative alpha, a gradient or a width that does
            not exist, or what a conditional VAE refuses.
    """
    check_labels(config)
    return M2(**classified_parts(config, spec))
