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
    def active_above(self) -> float:
        """That of the top layer."""
        return getattr(self.layers[-1], 'active_above', 0.0)

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
    """A stack whose layers give probabilities both ways, of their codes and of those below them, so that they can be drawn."""

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


def returns_probabilities(layer: ConfigDict) -> bool:
    """Whether what a layer makes of its code lies in [0, 1]: a sigmoid's output, or the mean of an RBM's binary units."""
    return layer.model.get('output') == 'sigmoid' or layer.model.get('visible') == 'binary'


LISTS = {
    'layer_epochs': 'epochs',
    'layer_learning_rates': 'optimizer.learning_rate',
    'layer_corruption_levels': 'corruption.level',
}
"""What has one entry a layer, by the key of a layer's config that it sets."""


def changes_by_layer(config: ConfigDict) -> list[dict[str, tuple[str, Any]]]:
    """{key of a layer's config: (what of `config` sets it, value)} of every layer; `layer_overrides` come last.

    Raises:
        UserError: where a list does not have one entry for each of `widths`, or an override is of a layer that is not there.
    """
    changes: list[dict[str, tuple[str, Any]]] = [{} for _ in config.widths]
    for name, key in LISTS.items():
        values = tuple(config[name])
        if len(values) not in (0, len(changes)):
            raise UserError(f'{name} has {len(values)} entries for {len(changes)} layers; give one for each, or none')
        for k, value in enumerate(values):
            changes[k][key] = name, value
    for override in config.get('layer_overrides', ()):
        given = isinstance(override, tuple | list) and len(override) == 2 and isinstance(override[0], str)
        layer, _, key = override[0].partition('.') if given else ('', '', '')
        known = {_prefix(k)[:-1]: k for k in range(len(changes))}
        if layer not in known or not key:
            raise UserError(f"layer_overrides: {override!r} is not ('LAYER.KEY', value) with LAYER one of {', '.join(known)}")
        changes[known[layer]][key] = f'layer_overrides: {layer}', override[1]
    return changes


def change(layer: ConfigDict, key: str, told: str, value: Any) -> None:
    """Sets the value at a dotted key of a layer's config; UserError, with `told`, where it has none or one of another type."""
    try:
        layer.update_from_flattened_dict({key: value})
    except (KeyError, AttributeError):
        raise UserError(f'{told} sets {key}, which a layer of method {layer.method!r} does not have') from None
    except (TypeError, ValueError):
        raise UserError(f'{told} sets {key} to {value!r}, which is of another type') from None


def layer_configs(config: ConfigDict) -> list[ConfigDict]:
    """One complete config a layer: `config.layer` with its width, optimiser and epochs, and what is changed in that layer.

    Raises:
        UserError: as from `changes_by_layer`, or where a layer has no such key.
    """
    configs = []
    for width, changes in zip(config.widths, changes_by_layer(config), strict=True):
        layer = config.layer.copy_and_resolve_references()
        with layer.unlocked():
            layer.epochs, layer.optimizer = max(1, config.epochs), config.optimizer.copy_and_resolve_references()
            layer.model.latents = width
        layer.lock()
        for key, (told, value) in changes.items():
            change(layer, key, told, value)
        with layer.unlocked():
            # That of the whole run: it is not a layer's to change.
            layer.batch_size = config.batch_size
        configs.append(layer)
    return configs


def check_layers(config: ConfigDict, layers: list[Any]) -> None:
    """Raises UserError where the layers' method is none that can be stacked."""
    if any(not hasattr(layer, 'decoding_errors') or len(layer.stages) != 1 for layer in layers):
        raise UserError(f'method {config.layer.method} cannot be stacked: layers are autoencoders of one stage, or RBMs')


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
    layer_spec, configs = spec, layer_configs(config)
    for layer in configs:
        layers.append(methods.build(layer, layer_spec))
        kind = 'scale' if gives_probabilities(layer) else 'standardise'
        layer_spec = dataclasses.replace(spec, shape=(layer.model.latents,), preprocessing=kind)
    check_layers(config, layers)
    hparams = {name: value for k, layer in enumerate(layers) for name, value in named(layer.hparams, k).items()}
    # What a layer returns lies in [0, 1] only where the codes below it do: build refuses any other.
    can_be_drawn = gives_probabilities(configs[-1]) and all(map(returns_probabilities, configs[1:]))
    made = ProbabilisticStack if can_be_drawn else StackedAE
    return made(tuple(layers), config.epochs > 0, hparams)
