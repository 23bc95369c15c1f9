"""Adversarial autoencoder: an autoencoder whose codes, over all the data, a discriminator D cannot tell from draws of a prior.

    q(z) = E_x[q(z given x)]  is fitted to  p(z)  by the game over  V = E_{z' ~ p}[log D(z')] + E_{z ~ q}[log(1 - D(z))]

which D maximises and the encoder minimises. Each step has three phases on one batch: 'reconstruction' (encoder and decoder
minimise L(x, g(z))), 'discriminator', and 'generator' (the encoder against D). Nothing but samples of p(z) is needed: it may be
any of `aejax.priors.shapes`, or whatever a user passes that has `sample(key, num)`.

q(z given x) is deterministic, Gaussian, or an encoder with noise among its inputs. The class, where it is known, may be told

- to D (`labels='discriminator'`), beside z: every class is drawn to its own mode or stretch of the prior; with few labels the
  rest of the images come under a class of their own, 'unlabelled', whose prior is the whole;
- to the decoder (`labels='decoder'`): the code can leave out the class, and does where it is narrow.

Checkpoints are chosen by the reconstruction error, which says nothing of how well q(z) fits p(z): look at 'd_real' and 'd_fake',
both near 1/2 where it does, and at two-sample tests.

Source: Makhzani et al. 2016, Adversarial autoencoders, https://arxiv.org/abs/1511.05644.
"""

import dataclasses

from ml_collections import ConfigDict

from aejax.methods._adversarial import AdversarialCore, game, networks
from aejax.methods._priors import chosen, sample_in_turn
from aejax.models import discriminator
from aejax.priors import shapes
from aejax.priors.shapes import Samples
from aejax.types import STREAMS, Array, DataSpec, Key, Mutables, Params, UserError

LABELS = ('none', 'discriminator', 'decoder')


class AdversarialAE(AdversarialCore):
    """See the module; no label reaches the decoder."""

    def decode(self, params: Params, mutables: Mutables, z: Array) -> Array:
        """g(z), in model space."""
        return self.networks.mean(self.networks.decode_linear(params, z))

    def reconstruct(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """g of the code of x."""
        return self.decode(params, mutables, self.encode(params, mutables, x))

    def sample(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """g(z) for z drawn from the prior."""
        return self.decode(params, mutables, self.prior.sample(key, num))


@dataclasses.dataclass(frozen=True, kw_only=True)
class PartlyLabelledAAE(AdversarialAE):
    """Trained on two streams: the discriminator is told the class of the labelled one."""

    streams: tuple[str, ...] = STREAMS


class SupervisedAAE(AdversarialCore):
    """The decoder is told the class: style and content apart."""

    def conditional_encode(self, params: Params, mutables: Mutables, x: Array, label: Array) -> Array:
        """The code of x, its style: the encoder is not told the class."""
        return self.encode(params, mutables, x)

    def conditional_decode(self, params: Params, mutables: Mutables, z: Array, label: Array) -> Array:
        """g(z, y), in model space."""
        return self.networks.mean(self.networks.decode_linear(params, self.decoder_input(z, label)))

    def conditional_sample(self, params: Params, mutables: Mutables, key: Key, label: Array) -> Array:
        """g(z, y) for the classes asked for, and z drawn from the prior."""
        return self.conditional_decode(params, mutables, self.prior.sample(key, label.shape[0]), label)

    def sample(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """As `conditional_sample`, each class as often as any other, in turn."""
        return sample_in_turn(self, params, mutables, key, num, self.num_classes)


def _check_labels(config: ConfigDict, spec: DataSpec, prior: Samples) -> None:
    """Raises UserError where the label information that a config asks for is not to be had."""
    if config.labels not in LABELS:
        raise UserError(f'labels is {config.labels!r}; choose one of {", ".join(LABELS)}')
    if config.labels != 'none' and not spec.num_classes:
        raise UserError(f'labels={config.labels!r} needs labels, and {spec.name} has none')
    if config.data.get('num_labelled', 0) and config.labels != 'discriminator':
        raise UserError("data.num_labelled, few labels, are for the discriminator: set labels='discriminator'")
    if config.data.get('num_labelled', 0) and config.get('finetune') is not None and config.finetune.target != 'none':
        raise UserError("a stage of fine-tuning needs every label: set data.num_labelled=0, or finetune.target='none'")
    if config.labels != 'discriminator':
        return
    if not hasattr(prior, 'sample_class'):
        choices = ' or '.join(shapes.PER_CLASS)
        raise UserError(
            "labels='discriminator' needs a prior with a part for each class: "
            f'set prior.kind to {choices}, or give your own sample_class(key, label)'
        )
    parts = getattr(prior, 'num_components', getattr(prior, 'num_classes', spec.num_classes))
    if parts != spec.num_classes:
        raise UserError(f'prior.components={parts} must be the {spec.num_classes} classes of {spec.name}')


def build(config: ConfigDict, spec: DataSpec, prior: Samples | None = None) -> AdversarialCore:
    """The adversarial autoencoder of `config`.

    Args:
        config: see `experiments.configs.adversarial_ae`.
        spec: of the data.
        prior: in place of the config's: anything with `sample(key, num) -> [num, latents]`, and for `labels='discriminator'`
            `sample_class(key, label [B]) -> [B, latents]`.

    Raises:
        UserError: on a loss, posterior, prior or use of labels that does not exist or does not fit.
    """
    nets = networks(config, spec)
    prior = chosen(config, prior)
    _check_labels(config, spec, prior)
    kinds = {'none': AdversarialAE, 'discriminator': AdversarialAE, 'decoder': SupervisedAAE}
    kind = PartlyLabelledAAE if config.data.get('num_labelled', 0) else kinds[config.labels]
    return kind(
        networks=nets,
        critic=discriminator.from_config(config.discriminator),
        prior=prior,
        latents=config.model.latents,
        labels=config.labels,
        num_classes=spec.num_classes,
        **game(config, spec),
    )
