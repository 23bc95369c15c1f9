"""p(x given z) as the decoder gives it: Bernoulli from logits, or Gaussian with one fixed or learned variance."""

import dataclasses

import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax.distributions import bernoulli, normal
from aejax.models.activations import activation
from aejax.settings import check_ranges
from aejax.types import Array, Params, UserError

FAMILIES = ('bernoulli', 'gaussian')


@dataclasses.dataclass(frozen=True)
class Observation:
    """p(x given z) = Bernoulli(x; sigmoid(g(z))), or N(x; o(g(z)), sigma^2 I) with o the output's activation.

    Attributes:
        family: one of FAMILIES.
        output: name of o.
        log_variance: log sigma^2 of the Gaussian: where it starts, or stays.
        learns_variance: whether one log-variance, shared by all dimensions, is learned as the group 'likelihood'.
    """

    family: str
    output: str
    log_variance: float
    learns_variance: bool

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of parameters that are learned for it."""
        return ('likelihood',) if self.learns_variance else ()

    def init(self) -> Params:
        """{'likelihood': ...}, or {} where nothing is learned."""
        return {'likelihood': {'log_variance': jnp.asarray(self.log_variance, jnp.float32)}} if self.learns_variance else {}

    def log_prob(self, params: Params, x: Array, linear: Array) -> Array:
        """log p(x given z) [B], nats, from x [B, ...] and the decoder's pre-activation g(z) [B, ...]."""
        if self.family == 'bernoulli':
            return bernoulli.log_prob(x, linear)
        log_variance = params['likelihood']['log_variance'] if self.learns_variance else self.log_variance
        return normal.log_prob(x, activation(self.output)(linear), jnp.full_like(x, log_variance))


def default_config(family: str = 'bernoulli', log_variance: float = 0.0, learns_variance: bool = False) -> ConfigDict:
    """The `likelihood` section of a config."""
    return ConfigDict({'family': family, 'log_variance': log_variance, 'learns_variance': learns_variance})


def from_config(config: ConfigDict, output: str) -> Observation:
    """The observation model of a `likelihood` section, for a decoder with this output.

    Raises:
        UserError: on a family that does not exist, or that does not fit the output, or a variance out of its range.
    """
    if config.family not in FAMILIES:
        raise UserError(f"likelihood.family is {config.family!r}; choose 'bernoulli' or 'gaussian'")
    if config.family == 'bernoulli' and output != 'sigmoid':
        raise UserError("likelihood.family='bernoulli' needs model.output='sigmoid'")
    check_ranges(config, {'log_variance': (-30.0, 30.0)}, 'likelihood')
    learns_variance = config.family == 'gaussian' and config.learns_variance
    return Observation(config.family, output, config.log_variance, learns_variance)
