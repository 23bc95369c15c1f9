"""The prior that a config asks for, with its parameters in the group 'prior'."""

import dataclasses
from collections.abc import Callable

from ml_collections import ConfigDict

from aejax.priors import mixture, standard, vamp
from aejax.priors.mixture import Components
from aejax.settings import check_ranges
from aejax.types import Array, DataSpec, Key, Params, UserError

KINDS = ('standard', 'mixture', 'vamp')
MAX_COMPONENTS = 1_000_000


@dataclasses.dataclass(frozen=True)
class Prior:
    """p(z): 'standard', N(0, I) without parameters; 'mixture', of learned Gaussians; 'vamp', of posteriors of pseudo-inputs.

    Attributes:
        kind: one of KINDS.
        num_components: K, of a mixture or VampPrior.
        latents: d.
        shape: of one example.
        in_unit_interval: whether data, and so pseudo-inputs, lie in [0, 1].
        posterior: (params, x [B, ...]) -> (mean, log_variance), each [B, d]: the encoder that a VampPrior goes through.
    """

    kind: str
    num_components: int
    latents: int
    shape: tuple[int, ...]
    in_unit_interval: bool
    posterior: Callable[[Params, Array], tuple[Array, Array]]

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of parameters that are learned for it."""
        return () if self.kind == 'standard' else ('prior',)

    def init(self, key: Key) -> Params:
        """{'prior': ...}, or {} for the standard normal."""
        if self.kind == 'mixture':
            return {'prior': mixture.init(key, self.num_components, self.latents)._asdict()}
        if self.kind == 'vamp':
            return {'prior': {'pseudo_inputs': vamp.init(key, self.num_components, self.shape)}}
        return {}

    def _components(self, params: Params) -> Components:
        if self.kind == 'mixture':
            return Components(**params['prior'])
        inputs = vamp.pseudo_inputs(params['prior']['pseudo_inputs'], self.in_unit_interval)
        return vamp.components(lambda x: self.posterior(params, x), inputs)

    def log_prob(self, params: Params, z: Array) -> Array:
        """log p(z): [B, d] -> [B], in nats."""
        return standard.log_prob(z) if self.kind == 'standard' else mixture.log_prob(z, self._components(params))

    def sample(self, params: Params, key: Key, num: int) -> Array:
        """`num` draws of z, [num, d]."""
        if self.kind == 'standard':
            return standard.sample(key, num, self.latents)
        return mixture.sample(key, self._components(params), num)


def default_config(kind: str = 'standard', components: int = 100) -> ConfigDict:
    """The `prior` section of a config; `components` is K, of a mixture or VampPrior."""
    return ConfigDict({'kind': kind, 'components': components})


def from_config(
    config: ConfigDict, spec: DataSpec, latents: int, posterior: Callable[[Params, Array], tuple[Array, Array]]
) -> Prior:
    """The prior of a `prior` section over `latents` dimensions; `posterior` as in `Prior`.

    Raises:
        UserError: on a kind that does not exist, or a number of components below 1 or absurd.
    """
    if config.kind not in KINDS:
        raise UserError(f'prior.kind is {config.kind!r}; choose one of {", ".join(KINDS)}')
    check_ranges(config, {'components': (1, MAX_COMPONENTS + 1)}, 'prior')
    return Prior(config.kind, config.components, latents, spec.shape, spec.is_unit_interval, posterior)
