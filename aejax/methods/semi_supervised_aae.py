"""Adversarial autoencoder with few labels: its code is a class, a softmax, and a style.

Each step has four phases. 'reconstruction', 'discriminator' and 'generator' see the unlabelled images: two discriminators draw
softmax(logits) to uniform one-hot classes and z to p(z). 'classification' moves the encoder, on the labelled images, along the
cross-entropy -log q(y given x).

Source: Makhzani et al. 2016, https://arxiv.org/abs/1511.05644, section 4.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax.losses.classification import classification
from aejax.methods._categorical_aae import CategoricalCore, parts
from aejax.methods.m2 import check_labels
from aejax.priors.shapes import Samples
from aejax.types import STREAMS, Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class SemiSupervisedAAE(CategoricalCore):
    """See the module."""

    selection: tuple[str, Literal['min', 'max']] = ('classification_error', 'min')
    streams: tuple[str, ...] = STREAMS

    @property
    def moves(self) -> dict[str, tuple[Any, tuple[str, ...]]]:
        """The loss of each phase and the groups that it moves."""
        return {**super().moves, 'classification': (self.classification_loss, ('encoder',))}

    def classification_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the labelled batch of -log q(y given x), nats."""
        labelled = batch['labelled']
        found = classification(self.style_and_logits(params, labelled['x'], context.key)[1], labelled['label'])
        return LossOutput(jnp.mean(found['classification_nll']), found)

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """classification_error and classification_nll of q(y given x), errors of the reconstruction, both D's outputs."""
        found = classification(self.class_logits(params, mutables, batch['x']), batch['label'])
        return {**super().evaluate(params, mutables, batch, context), **found}

    def class_logits(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """Logits of q(y given x), [B, C]."""
        return self.style_and_logits(params, x, None)[1]

    def conditional_encode(self, params: Params, mutables: Mutables, x: Array, label: Array) -> Array:
        """The style of x, [B, d]; the encoder is not told the class."""
        return self.style_and_logits(params, x, None)[0]

    def conditional_decode(self, params: Params, mutables: Mutables, z: Array, label: Array) -> Array:
        """g(y, z), in model space, for styles z [B, d] and classes [B]."""
        return self.decode(params, mutables, self.join(params, z, jax.nn.one_hot(label, self.num_categories)))

    def conditional_sample(self, params: Params, mutables: Mutables, key: Key, label: Array) -> Array:
        """g(y, z) for the classes asked for and z drawn from the prior."""
        return self.conditional_decode(params, mutables, self.prior.sample(key, label.shape[0]), label)


def build(config: ConfigDict, spec: DataSpec, prior: Samples | None = None) -> SemiSupervisedAAE:
    """The semi-supervised adversarial autoencoder of `config`; `prior`, with `sample(key, num)`, stands in for the style's.

    Raises:
        UserError: without labels or with a stage of fine-tuning, or as from `_categorical_aae.parts`.
    """
    if not spec.num_classes:
        raise UserError(f'{config.method} needs labels, and {spec.name} has none')
    check_labels(config)
    return SemiSupervisedAAE(**parts(config, spec, spec.num_classes, prior))
