"""Stacked layers, pretrained greedily: layer k is trained on the codes that the layers below give for clean inputs.

Each layer is a method of its own (autoencoder, denoising or contractive autoencoder, RBM, ...), with noise on the layer that is
being trained and on no other. Its stage begins by computing the codes of all the data once. A fine-tuning stage may follow, see
`finetune` in the config: the deep network is fine-tuned for classification, or unrolled for reconstruction.

Source: Bengio et al. 2007, Greedy layer-wise training of deep networks,
https://papers.nips.cc/paper/2006/hash/5da713a690c067105aeb2fae32403405-Abstract.html; Vincent et al. 2010,
https://jmlr.org/papers/v11/vincent10a.html.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, Literal

import jax
from ml_collections import ConfigDict

from aejax import methods
from aejax.settings import check_ranges
from aejax.types import Array, Batch, Context, DataSpec, Key, LossFn, LossOutput, Mutables, Params, Phase, Stage, UserError


def _prefix(index: int) -> str:
    return f'layer_{index}_'


def own(tree: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The entries of layer `index` in params, mutables or hparams, under the names that its method gave them."""
    prefix = _prefix(index)
    return {name.removeprefix(prefix): value for name, value in tree.items() if name.startswith(prefix)}


def named(tree: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The inverse of `own`: 'encoder' of layer 1 is 'layer_1_encoder' in the stack."""
    return {_prefix(index) + name: value for name, value in tree.items()}


def _own_context(context: Context, index: int, start: int) -> Context:
    """What the layer would see if it were trained alone: its steps count from the first of its stage."""
    return context.replace(step=context.step - start, hparams=own(context.hparams, index))


@dataclasses.dataclass(frozen=True)
class StackedAE:
    """See the module.

    Attributes:
        layers: the methods, the one next to the data first; each takes the codes of the one before as its data.
        pretrained: whether the layers are trained at all; if not, only fine-tuning is left.
        hparams: those of all layers, named by `named`.
    """

    layers: tuple[Any, ...]
    pretrained: bool
    hparams: Mapping[str, float]

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """Those of every layer in turn, 'layer_0', 'layer_1', ...; each begins with the codes of the layers below."""
        stages: list[Stage] = []
        for k, layer in enumerate(self.layers if self.pretrained else ()):
            (alone,) = layer.stages
            start = sum(stage.num_steps for stage in stages)
            phases = tuple(self._phase(phase, k, start) for phase in alone.phases)
            stages.append(Stage(_prefix(k)[:-1], phases, alone.num_steps, self._inputs(k)))
        return tuple(stages)

    def _inputs(self, index: int) -> Any:
        if index == 0:
            return None

        def codes(params: Params, batch: Batch) -> Batch:
            # Mutables are what sampling and running means need: no encoder asks for them.
            return {**batch, 'x': self.encode_up_to(index, params, {}, batch['x'])}

        return codes

    def _phase(self, phase: Phase, index: int, start: int) -> Phase:
        loss: LossFn = phase.loss

        def of_layer(params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
            out = loss(own(params, index), own(mutables, index), batch, _own_context(context, index, start))
            return out.replace(mutables=named(out.mutables, index))

        trains = tuple(named(dict.fromkeys(phase.trains), index))
        return dataclasses.replace(phase, loss=of_layer, trains=trains)

    @property
    def loss_name(self) -> str:
        """The reconstruction error that the lowest layer, and with it the unrolled network, minimises."""
        return self.layers[0].loss_name

    @property
    def selection(self) -> tuple[str, Literal['min', 'max']]:
        """The reconstruction error through all layers."""
        return self.loss_name, 'min'

    @property
    def encoder_groups(self) -> tuple[str, ...]:
        """Of all layers."""
        return self._groups('encoder')

    @property
    def decoder_groups(self) -> tuple[str, ...]:
        """Of all layers."""
        return self._groups('decoder')

    def _groups(self, kind: str) -> tuple[str, ...]:
        groups = [named(dict.fromkeys(getattr(layer, f'{kind}_groups', (kind,))), k) for k, layer in enumerate(self.layers)]
        return tuple(name for names in groups for name in names)

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Every layer's own, on the codes of the layers below."""
        params: dict[str, Any] = {}
        mutables: dict[str, Any] = {}
        for k, layer in enumerate(self.layers):
            codes = {**batch, 'x': self.encode_up_to(k, params, mutables, batch['x'])}
            new_params, new_mutables = layer.init(jax.random.fold_in(key, k), codes)
            params |= named(new_params, k)
            mutables |= named(new_mutables, k)
        return params, mutables

    def encode_up_to(self, num: int, params: Params, mutables: Mutables, x: Array) -> Array:
        """Code of the first `num` layers, x itself for 0."""
        for k, layer in enumerate(self.layers[:num]):
            x = layer.encode(own(params, k), own(mutables, k), x)
        return x

    def decode_down_to(self, lowest: int, params: Params, mutables: Mutables, z: Array) -> Array:
        """What the layers above `lowest` and it itself make of a top code: the inputs of layer `lowest`."""
        for k in reversed(range(lowest, len(self.layers))):
            z = self.layers[k].decode(own(params, k), own(mutables, k), z)
        return z

    def encode(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """The top layer's code."""
        return self.encode_up_to(len(self.layers), params, mutables, x)

    def decode(self, params: Params, mutables: Mutables, z: Array) -> Array:
        """From the top layer's code down to the data."""
        return self.decode_down_to(0, params, mutables, z)

    def reconstruct(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """Up through all layers and down again."""
        return self.decode(params, mutables, self.encode(params, mutables, x))

    def decoding_errors(self, params: Params, mutables: Mutables, x: Array, z: Array) -> dict[str, Array]:
        """Reconstruction errors [B] of x from a top code z."""
        hidden = self.decode_down_to(1, params, mutables, z)
        return self.layers[0].decoding_errors(own(params, 0), own(mutables, 0), x, hidden)

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """Reconstruction errors through all layers."""
        return self.decoding_errors(params, mutables, batch['x'], self.encode(params, mutables, batch['x']))

    def filters(self, params: Params, mutables: Mutables) -> Array:
        """Weights from the data to the units of the lowest layer, [D, m]."""
        return self.layers[0].filters(own(params, 0), own(mutables, 0))


class ProbabilisticStack(StackedAE):
    """A stack whose codes are probabilities, so that hidden layers can be drawn."""

    def regenerate(self, params: Params, mutables: Mutables, key: Key, x: Array) -> Array:
        """Up to the top code of x and down again with every hidden layer a Bernoulli draw: variations of x, [B, ...].

        Vincent et al. 2010, where samples of deep networks are compared.
        """
        z = self.encode(params, mutables, x)
        for k in reversed(range(len(self.layers))):
            # A code that a sigmoid gives is a vector of probabilities; the last mean, that of the data, is not drawn from.
            drawn = jax.random.bernoulli(jax.random.fold_in(key, k), z).astype(z.dtype)
            z = self.layers[k].decode(own(params, k), own(mutables, k), drawn)
        return z


def gives_probabilities(layer: ConfigDict) -> bool:
    """Whether the codes of a layer lie in [0, 1]: those of a sigmoid, which an RBM always has."""
    return layer.model.get('latent_activation', 'sigmoid') == 'sigmoid'


def layer_configs(config: ConfigDict) -> list[ConfigDict]:
    """One complete config a layer: `config.layer` with its width, epochs, learning rate and corruption level filled in.

    Raises:
        UserError: where `layer_epochs` or another list by layer does not have one entry for each of `widths`.
    """
    given = {name: tuple(config[name]) for name in ('layer_epochs', 'layer_learning_rates', 'layer_corruption_levels')}
    for name, values in given.items():
        if len(values) not in (0, len(config.widths)):
            raise UserError(f'{name} has {len(values)} entries for {len(config.widths)} layers; give one for each, or none')
    configs = []
    for k, width in enumerate(config.widths):
        layer = config.layer.copy_and_resolve_references()
        with layer.unlocked():
            layer.batch_size, layer.epochs = config.batch_size, max(1, config.epochs)
            layer.optimizer = config.optimizer.copy_and_resolve_references()
            if k == 0:
                layer.update(config.first_layer)
        layer.model.latents = width
        if given['layer_epochs']:
            layer.epochs = given['layer_epochs'][k]
        if given['layer_learning_rates']:
            layer.optimizer.learning_rate = given['layer_learning_rates'][k]
        if given['layer_corruption_levels']:
            layer.corruption.level = given['layer_corruption_levels'][k]
        configs.append(layer)
    return configs


def check_layers(config: ConfigDict, layers: list[Any]) -> None:
    """Raises UserError where the layers' method is none that can be stacked."""
    if any(not hasattr(layer, 'decoding_errors') or len(layer.stages) != 1 for layer in layers):
        raise UserError(f'a {config.layer.method} cannot be stacked: layers are autoencoders of one stage, or RBMs')


def build(config: ConfigDict, spec: DataSpec) -> StackedAE:
    """The stack of `config`; with epochs=0 its layers are not pretrained, the baseline that pretraining is held against.

    Raises:
        UserError: on a stack without layers, or whatever a layer's own method does not take.
    """
    if not config.widths:
        raise UserError('widths is empty: give the number of units of every layer')
    check_ranges(config, {'epochs': (0, math.inf)})
    finetune = config.get('finetune')
    if not config.epochs and (finetune is None or finetune.target == 'none'):
        raise UserError("epochs=0 leaves nothing to train: set finetune.target='classify', or epochs to 1 or more")
    layers: list[Any] = []
    layer_spec = spec
    for layer in layer_configs(config):
        layers.append(methods.build(layer, layer_spec))
        kind = 'scale' if gives_probabilities(layer) else 'standardise'
        layer_spec = dataclasses.replace(spec, shape=(layer.model.latents,), preprocessing=kind)
    check_layers(config, layers)
    hparams = {name: value for k, layer in enumerate(layers) for name, value in named(layer.hparams, k).items()}
    made = ProbabilisticStack if layer_spec.is_unit_interval else StackedAE
    return made(tuple(layers), config.epochs > 0, hparams)
