"""Priors of a given shape, for codes that an adversary fits to them: normal, uniform, a ring of Gaussians, a swiss roll.

None has parameters to learn. Each samples, has a log-density in nats, and where it falls into as many parts as there are classes
gives every class a part of its own. Anything else that has `sample(key, num) -> [num, latents]` may stand in their place.

Source: Makhzani et al. 2016, Adversarial autoencoders, https://arxiv.org/abs/1511.05644, sections 2.2 and 2.3.
"""

import dataclasses
import math
from typing import Protocol

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax.distributions import normal
from aejax.priors import mixture
from aejax.priors.mixture import Components
from aejax.settings import check_ranges
from aejax.types import Array, Key, UserError

KINDS = ('normal', 'uniform', 'mixture', 'swiss_roll')
PER_CLASS = ('mixture', 'swiss_roll')
"""The kinds with a part for every class, `sample_class`."""


class Samples(Protocol):
    """What the adversarial systems ask of a prior."""

    def sample(self, key: Key, num: int) -> Array:
        """`num` draws, [num, latents]."""
        ...


@dataclasses.dataclass(frozen=True)
class Normal:
    """N(0, scale^2 I) over `latents` dimensions."""

    latents: int
    scale: float = 1.0

    def log_prob(self, z: Array) -> Array:
        """log N(z; 0, scale^2 I): [B, d] -> [B], in nats."""
        return normal.log_prob(z, jnp.zeros_like(z), jnp.full_like(z, 2 * math.log(self.scale)))

    def sample(self, key: Key, num: int) -> Array:
        """`num` draws, [num, d]."""
        return self.scale * jax.random.normal(key, (num, self.latents))


@dataclasses.dataclass(frozen=True)
class Uniform:
    """Uniform on the box [-scale, scale]^d."""

    latents: int
    scale: float = 1.0

    def log_prob(self, z: Array) -> Array:
        """-d log(2 scale) inside the box, -inf outside: [B, d] -> [B], in nats."""
        inside = jnp.all(jnp.abs(z) <= self.scale, axis=1)
        return jnp.where(inside, -self.latents * math.log(2 * self.scale), -jnp.inf)

    def sample(self, key: Key, num: int) -> Array:
        """`num` draws, [num, d]."""
        return jax.random.uniform(key, (num, self.latents), minval=-self.scale, maxval=self.scale)


def _rotated(points: Array, angle: Array) -> Array:
    """Points [B, 2] turned anticlockwise about the origin by angles [B]."""
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.stack([cos * points[:, 0] - sin * points[:, 1], sin * points[:, 0] + cos * points[:, 1]], axis=1)


@dataclasses.dataclass(frozen=True)
class RadialMixture:
    """K equally likely Gaussians on a ring, petals that point outwards: component k is the first, turned by 2 pi k / K.

    The first is N((radius, 0), diag(along^2, across^2)).

    Attributes:
        num_components: K.
        radius: of the ring of means.
        along: standard deviation of a petal away from the centre.
        across: standard deviation of a petal along the ring.
    """

    num_components: int = 10
    radius: float = 4.0
    along: float = 1.0
    across: float = 0.3
    latents: int = 2

    @property
    def modes(self) -> Array:
        """The means, [K, 2]."""
        angles = 2 * math.pi * jnp.arange(self.num_components) / self.num_components
        return self.radius * jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=1)

    def log_prob(self, z: Array) -> Array:
        """log 1/K sum_k N(z; mu_k, Sigma_k), each computed in the frame of its petal: [B, 2] -> [B], in nats."""
        petal = Components(
            jnp.zeros((1,)), jnp.asarray([[self.radius, 0.0]]), 2 * jnp.log(jnp.asarray([[self.along, self.across]]))
        )
        turns = 2 * math.pi * jnp.arange(self.num_components) / self.num_components
        each = jax.vmap(lambda angle: mixture.log_prob(_rotated(z, jnp.full(z.shape[:1], -angle)), petal))(turns)
        return jax.nn.logsumexp(each, axis=0) - math.log(self.num_components)

    def sample(self, key: Key, num: int) -> Array:
        """`num` draws, [num, 2]."""
        choice_key, noise_key = jax.random.split(key)
        return self.sample_class(noise_key, jax.random.randint(choice_key, (num,), 0, self.num_components))

    def sample_class(self, key: Key, label: Array) -> Array:
        """A draw from component `label` [B], [B, 2]."""
        noise = jax.random.normal(key, (label.shape[0], 2)) * jnp.asarray([[self.along, self.across]])
        return _rotated(noise + jnp.asarray([[self.radius, 0.0]]), 2 * math.pi * label / self.num_components)


@dataclasses.dataclass(frozen=True)
class SwissRoll:
    """The spiral r = radius t / (2 pi turns), t = 2 pi turns sqrt(u), u uniform on [0, 1], and N(0, noise^2 I) around it.

    Equal shares of u are nearly equal lengths of the spiral, so class y of C has the stretch u in [y / C, (y + 1) / C).

    Attributes:
        num_classes: C.
        radius: of the outer end.
        turns: from the centre to that end.
        noise: standard deviation about the spiral.
    """

    num_classes: int = 10
    radius: float = 4.0
    turns: float = 2.0
    noise: float = 0.1
    latents: int = 2

    def curve(self, u: Array) -> Array:
        """Points of the spiral, [B, 2], for u [B] in [0, 1]."""
        root = jnp.sqrt(u)
        angle = 2 * math.pi * self.turns * root
        return self.radius * root[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)

    def log_prob(self, z: Array, num_points: int = 2_000) -> Array:
        """log of the integral over u of N(z; curve(u), noise^2 I), by the midpoint rule: [B, 2] -> [B], in nats.

        Good while the points lie closer than the noise: length of the spiral / num_points < noise.
        """
        centres = self.curve((jnp.arange(num_points) + 0.5) / num_points)
        log_variance = jnp.full_like(centres, 2 * math.log(self.noise))
        return mixture.log_prob(z, Components(jnp.zeros((num_points,)), centres, log_variance))

    def sample(self, key: Key, num: int) -> Array:
        """`num` draws, [num, 2]."""
        place_key, noise_key = jax.random.split(key)
        return self._around(noise_key, jax.random.uniform(place_key, (num,)))

    def sample_class(self, key: Key, label: Array) -> Array:
        """A draw from the stretch of class `label` [B], [B, 2]."""
        place_key, noise_key = jax.random.split(key)
        return self._around(noise_key, (label + jax.random.uniform(place_key, label.shape)) / self.num_classes)

    def _around(self, key: Key, u: Array) -> Array:
        return self.curve(u) + self.noise * jax.random.normal(key, (u.shape[0], 2))


def default_config(kind: str = 'normal', scale: float = 1.0) -> ConfigDict:
    """The `prior` section of a config; `scale` is the standard deviation, half-width or radius."""
    return ConfigDict({'kind': kind, 'scale': scale, 'components': 10})


def from_config(config: ConfigDict, latents: int) -> Normal | Uniform | RadialMixture | SwissRoll:
    """The prior of a `prior` section over `latents` dimensions; the shapes in the plane keep their proportions at any scale.

    Raises:
        UserError: on a kind that does not exist, one of the plane over other than two latents, or a scale that is not positive.
    """
    if config.kind not in KINDS:
        raise UserError(f'prior.kind is {config.kind!r}; choose one of {", ".join(KINDS)}')
    check_ranges(config, {'scale': (1e-6, 1e6), 'components': (1, 1_000)}, 'prior')
    if config.kind in PER_CLASS and latents != 2:
        raise UserError(f'prior.kind={config.kind!r} lies in the plane: set model.latents=2, not {latents}')
    if config.kind == 'normal':
        return Normal(latents, config.scale)
    if config.kind == 'uniform':
        return Uniform(latents, config.scale)
    if config.kind == 'mixture':
        return RadialMixture(config.components, config.scale, config.scale / 4, 0.3 * config.scale / 4)
    return SwissRoll(config.components, config.scale, noise=0.1 * config.scale / 4)
