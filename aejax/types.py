"""The vocabulary that every part of aejax shares.

Everything numerical in aejax is a pure function of arrays and explicit keys. The types here say how such functions are put
together into a trainable system: a `LossFn` becomes a `Phase` (one gradient update), phases become a `Stage` (phases in turn,
many steps), stages become a `Method`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import jax
import optax
from flax import struct

Array = jax.Array
Key = jax.Array
Params = Mapping[str, Any]
"""Parameters by top-level group ('encoder', 'decoder', ...): the unit in which a phase may move them."""
Mutables = Mapping[str, Any]
"""What a forward pass changes beside the gradient: batch statistics, persistent chains."""
Batch = Mapping[str, Any]
"""'x' [B, ...] in model space, and where the data has them 'label' [B] int32, 'attribute' [B] int32 and 'coordinates' [B, c]."""
STREAMS = ('labelled', 'unlabelled')
"""The streams of a nested batch, {'labelled': {'x', 'label'}, 'unlabelled': {'x'}}: what few labels make of a training split."""

UNIT_INTERVAL_PREPROCESSING = ('scale', 'dynamic_binarisation', 'static_binarisation')
"""Stored as uint8; the model input is x / 255, or a Bernoulli draw with that mean."""
PREPROCESSING = (*UNIT_INTERVAL_PREPROCESSING, 'centre', 'standardise', 'whiten', 'whiten_low_pass', 'raw')
"""Every value of `DataSpec.preprocessing`; the others are stored as float32 and are model inputs as they are."""


class UserError(Exception):
    """A failure that the user caused and can mend. The command line prints its message as one line and exits with 1."""


@dataclasses.dataclass(frozen=True)
class DataSpec:
    """What a method may know about its data before it has seen any.

    Attributes:
        name: the data set, as given to `aejax.data.load`.
        shape: of one example, without the batch axis.
        preprocessing: how stored values become model inputs: 'scale' (to [0, 1]), 'dynamic_binarisation' (a fresh Bernoulli draw
            at every use), 'static_binarisation' (one seeded draw), 'centre' (images: 'scale' less the mean of training data),
            'standardise' (zero mean, unit variance on training data), 'whiten' (also decorrelated), 'whiten_low_pass' (all but
            the finest details, patches only) or 'raw' (as they are). One of `PREPROCESSING`.
        num_classes: how many values 'label' takes; 0 without labels.
        num_examples: in the training split; with the batch size it gives the steps of an epoch.
        num_levels: how many values 'attribute' takes, in order; 0 without it.
    """

    name: str
    shape: tuple[int, ...]
    preprocessing: str = 'scale'
    num_classes: int = 0
    num_examples: int = 0
    num_levels: int = 0

    @property
    def is_image(self) -> bool:
        """True for [height, width, channels]."""
        return len(self.shape) == 3

    @property
    def is_unit_interval(self) -> bool:
        """True where model inputs lie in [0, 1], as a Bernoulli likelihood asks for."""
        return self.preprocessing in UNIT_INTERVAL_PREPROCESSING


class Context(struct.PyTreeNode):
    """What a loss may know beside parameters and batch.

    Attributes:
        key: for all randomness of this call; never reused between calls.
        step: global training step, scalar int32.
        hparams: scalars that an ensemble may vary by member (beta, penalty weights).
        train: static; False in evaluation.
    """

    key: Key
    step: Array
    hparams: Mapping[str, Array]
    train: bool = struct.field(pytree_node=False, default=True)


class LossOutput(struct.PyTreeNode):
    """A scalar loss, metrics per example [B] or scalar, and the mutables to carry on with."""

    loss: Array
    metrics: Mapping[str, Array]
    mutables: Mutables = struct.field(default_factory=dict)


LossFn = Callable[[Params, Mutables, Batch, Context], LossOutput]


@dataclasses.dataclass(frozen=True)
class Phase:
    """One gradient update inside a step: `loss` moves the groups in `trains`, all others are held still.

    `repeats` runs the update that many times a step on the same batch, each time with a fresh key.
    """

    name: str
    loss: LossFn
    trains: tuple[str, ...]
    optimizer: optax.GradientTransformation
    repeats: int = 1


@dataclasses.dataclass(frozen=True)
class Stage:
    """Phases in turn, `num_steps` times. Parameters carry over from the stage before, optimiser state is fresh.

    `inputs(params, batch)`, when given, maps the data once as the stage begins (codes of the layer below, say).
    """

    name: str
    phases: tuple[Phase, ...]
    num_steps: int
    inputs: Callable[[Params, Batch], Batch] | None = None


class Method(Protocol):
    """One system of the family. Every module in `aejax.methods` has `build(config, spec) -> Method`.

    Beside these three, a method has those of the following that the system can honestly do; the rest of aejax asks with
    `hasattr` and never by name:

    encode(params, mutables, x) -> [B, d]                     the code, or the mean of its posterior
    decode(params, mutables, z) -> [B, ...]                   mean of p(x given z), in model space
    reconstruct(params, mutables, x) -> [B, ...]
    sample(params, mutables, key, num) -> [num, ...]          means of p(x given z) for z drawn from the prior
    posterior(params, mutables, x) -> (mean, log_variance)    of the diagonal Gaussian q(z given x), each [B, d]
    likelihood(params, mutables, z, x) -> [B]                 log p(x given z) in nats
    prior_log_prob(params, mutables, z) -> [B]                log p(z) in nats
    sample_prior(params, mutables, key, num) -> [num, d]      z from the prior
    propose(params, mutables, key, x, num) -> (z, log_q)      z [num, B, d] from q(z given x), log q(z given x) [num, B] in nats
    draw_code(params, mutables, key, x) -> [B, d]             z from q(z given x), where its density is not known
    filters(params, mutables) -> [D, m] or None               weights from the input to the first layer's m units; None where
                                                              they are no such matrix (convolutions)
    corrupt(params, mutables, key, x) -> [B, ...]             x as the model was given it in training
    denoise(params, mutables, x) -> [B, ...]                  what it makes of a corrupted x
    regenerate(params, mutables, key, x) -> [B, ...]          up to the top code of x, down again with every layer drawn
    free_energy(params, mutables, x) -> [B]                   -log p(x) - log Z in nats
    decoding_errors(params, mutables, x, z) -> {name: [B]}    reconstruction errors of x from the code z
    class_logits(params, mutables, x) -> [B, classes]         log p(y given x) of every class y, but for a constant an example
    cluster_logits(params, mutables, x) -> [B, K]             log q(y given x) of K clusters without names, as class_logits
    conditional_encode(params, mutables, x, label) -> [B, d]  the code of x given its class [B]
    conditional_decode(params, mutables, z, label) -> [B, ...]      mean of p(x given y, z), in model space
    conditional_sample(params, mutables, key, label) -> [B, ...]    means of p(x given y, z) for z drawn from the prior
    attribute_decode(params, mutables, z, attribute) -> [B, ...]    x given z and the level [B] of its ordered attribute
    streams: tuple of names                                   `STREAMS` of a method that trains on batches of both; without it,
                                                              batches are flat
    active_above: float                                       what a unit of the code exceeds, in size, where it counts as active;
                                                              0 without it
    encoder_groups, decoder_groups: tuples of names           the groups behind encode and decode, where they are not 'encoder'
                                                              and 'decoder'
    """

    @property
    def stages(self) -> tuple[Stage, ...]:
        """In the order in which they are trained."""
        ...

    @property
    def hparams(self) -> Mapping[str, float]:
        """Initial values of `Context.hparams`."""
        ...

    @property
    def selection(self) -> tuple[str, Literal['min', 'max']]:
        """The metric of `evaluate` that chooses the best checkpoint, on the validation split only, and its better direction."""
        ...

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Draws parameters and mutables; `batch` gives the shapes, and roughly the mean of the data where that is needed."""
        ...

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """Metrics per example, each [B]; sums, squares and the like are the evaluator's to take."""
        ...


class TrainState(struct.PyTreeNode):
    """All that a run must store, and arrays only: optimisers and functions live in the closure of the step.

    Attributes:
        step: global step, scalar int32.
        params: by top-level group.
        mutables: see `Mutables`.
        optimizer_states: one per phase of the current stage, by the phase's name.
        hparams: scalars; with a leading member axis in an ensemble, as everything here.
        key: base key of the run. It is folded with the step, never split, so that a resumed run draws the same numbers.
    """

    step: Array
    params: Params
    mutables: Mutables
    optimizer_states: Mapping[str, optax.OptState]
    hparams: Mapping[str, Array]
    key: Key
