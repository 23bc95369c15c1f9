"""Fine-tuning: a last stage that any method with an encoder can have. What was learned without labels serves another network.

'classify' puts a softmax on the code, p(y given x) = softmax(W h(x) + b), and minimises -log p(y given x) over W, b and encoder;
'probe' does so over W and b alone: a linear classifier on codes that stay as they are, and are computed once; 'reconstruct'
unrolls a stack and minimises its reconstruction error over all layers at once.

Source: Hinton & Salakhutdinov 2006, https://doi.org/10.1126/science.1127647; Vincent et al. 2010,
https://jmlr.org/papers/v11/vincent10a.html.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from aejax import optimizers
from aejax.losses.classification import classification
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Method, Mutables, Params, Phase, Stage, UserError

TARGETS = ('none', 'classify', 'probe', 'reconstruct')
STAGE = 'finetune'
KEPT = ('encode', 'filters', 'hparams', 'active_above')
"""What a method still has when its encoder was moved by labels."""
# Folded into the key of `init` for the classifier; the method takes the key as it is, so that it begins as it does alone.
_CLASSIFIER = 2**30


@dataclasses.dataclass(frozen=True)
class _Extended:
    """A method with one more stage; whatever is not said here is the method's own."""

    base: Any
    optimizer: optax.GradientTransformation
    num_steps: int

    def __getattr__(self, name: str) -> Any:
        if name == 'base' or not self._keeps(name):
            raise AttributeError(f'{type(self).__name__} has no {name}')
        return getattr(self.base, name)

    def _keeps(self, name: str) -> bool:
        """Whether the method's own attribute of this name still holds."""
        return True

    @property
    def encoder_groups(self) -> tuple[str, ...]:
        """The groups of parameters behind `encode`."""
        return getattr(self.base, 'encoder_groups', ('encoder',))

    def _with_stage(self, phase: Phase, inputs: Callable[[Params, Batch], Batch] | None = None) -> tuple[Stage, ...]:
        return (*self.base.stages, Stage(STAGE, (phase,), self.num_steps, inputs))


@dataclasses.dataclass(frozen=True)
class Classifier(_Extended):
    """A method with a softmax on its code: params gain the group 'classifier', {'kernel': [d, classes], 'bias': [classes]}.

    The kernel begins near zero, so that the data choose the directions along which the encoder is moved. Where it is moved, the
    decoder that was trained with it no longer fits, and abilities that need a decoder or a density are gone.
    """

    num_classes: int
    moves_encoder: bool = True
    selection: tuple[str, Literal['min', 'max']] = ('classification_error', 'min')

    def _keeps(self, name: str) -> bool:
        return not self.moves_encoder or name in KEPT

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """Those of the method, then 'finetune'."""
        if self.moves_encoder:
            return self._with_stage(Phase('classify', self.classify_loss, (*self.encoder_groups, 'classifier'), self.optimizer))
        return self._with_stage(Phase('probe', self.probe_loss, ('classifier',), self.optimizer), self.codes)

    def codes(self, params: Params, batch: Batch) -> Batch:
        """The batch with codes for its inputs."""
        return {**batch, 'x': self.base.encode(params, {}, batch['x'])}

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """The method's own, and a classifier that finds all classes almost equally likely."""
        params, mutables = self.base.init(key, batch)
        width = self.base.encode(params, mutables, batch['x']).shape[-1]
        kernel = 1e-3 * jax.random.normal(jax.random.fold_in(key, _CLASSIFIER), (width, self.num_classes))
        return {**params, 'classifier': {'kernel': kernel, 'bias': jnp.zeros((self.num_classes,))}}, mutables

    def class_logits(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """Logits of p(y given x), [B, classes]."""
        return _logits(params, self.base.encode(params, mutables, x))

    def classify_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of -log p(y given x), nats."""
        figures = classification(self.class_logits(params, mutables, batch['x']), batch['label'])
        return LossOutput(jnp.mean(figures['classification_nll']), figures)

    def probe_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """As `classify_loss`, of a batch of `codes`."""
        figures = classification(_logits(params, batch['x']), batch['label'])
        return LossOutput(jnp.mean(figures['classification_nll']), figures)

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """classification_nll (nats) and classification_error (0 or 1), and the method's own metrics.

        The latter are there to watch pretraining by: once the encoder is moved they are those of a decoder that does not follow.
        """
        figures = classification(self.class_logits(params, mutables, batch['x']), batch['label'])
        return {**self.base.evaluate(params, mutables, batch, context), **figures}


def _logits(params: Params, code: Array) -> Array:
    """W h + b."""
    return code @ params['classifier']['kernel'] + jnp.expand_dims(params['classifier']['bias'], 0)


@dataclasses.dataclass(frozen=True)
class Unrolled(_Extended):
    """A method whose encoder and decoder, pretrained in parts, are trained once more as one deep autoencoder."""

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """Those of the method, then 'finetune'."""
        # Once each: an RBM has one group for both ways.
        groups = dict.fromkeys((*self.encoder_groups, *getattr(self.base, 'decoder_groups', ('decoder',))))
        return self._with_stage(Phase('reconstruct', self.reconstruct_loss, tuple(groups), self.optimizer))

    def reconstruct_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of L(x, g(h(x))) through all layers."""
        name, x = self.base.loss_name, batch['x']
        error = self.base.decoding_errors(params, mutables, x, self.base.encode(params, mutables, x))[name]
        return LossOutput(jnp.mean(error), {name: error})


def finetuned(method: Method, config: ConfigDict, spec: DataSpec) -> Method:
    """`method` with the last stage that `config.finetune` asks for; as it is where that is 'none' or missing.

    Raises:
        UserError: on a target that does not exist, or that the method or the data does not serve.
    """
    section = config.get('finetune')
    if section is None or section.target == 'none':
        return method
    if section.target not in TARGETS:
        raise UserError(f'finetune.target is {section.target!r}; choose one of {", ".join(TARGETS)}')
    num_steps = optimizers.num_steps(ConfigDict({'epochs': section.epochs, 'batch_size': config.batch_size}), spec, 'finetune')
    optimizer = optimizers.from_config(section.optimizer, num_steps, 'finetune.optimizer')
    needed = ('encode', 'decoding_errors', 'loss_name') if section.target == 'reconstruct' else ('encode',)
    if missing := [name for name in needed if not hasattr(method, name)]:
        what = 'an encoder' if missing[0] == 'encode' else "an autoencoder's loss of reconstruction"
        raise UserError(f'finetune.target={section.target!r} needs {what}, which method {config.method} does not have')
    if section.target == 'reconstruct':
        return Unrolled(method, optimizer, num_steps)
    if not spec.num_classes:
        raise UserError(f'finetune.target={section.target!r} needs labels, and {spec.name} has none')
    return Classifier(method, optimizer, num_steps, spec.num_classes, moves_encoder=section.target == 'classify')
