"""A method with a closed form for all that is otherwise estimated: z ~ N(0, I), x ~ N(W z + b, sigma^2 I)."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import multivariate_normal

from aejax.distributions import normal


@dataclasses.dataclass(frozen=True)
class LinearGaussian:
    """q(z given x) is the diagonal Gaussian with the posterior's means and marginal variances."""

    log_variance: float = -2.0

    def posterior(self, params, mutables, x):
        W, variance = params['W'], jnp.exp(self.log_variance)
        precision = jnp.eye(W.shape[1]) + W.T @ W / variance
        mean = jnp.linalg.solve(precision, W.T @ (x - params['b'][None]).T / variance).T
        return mean, jnp.broadcast_to(jnp.log(jnp.diag(jnp.linalg.inv(precision)))[None], mean.shape)

    def likelihood(self, params, mutables, z, x):
        return normal.log_prob(x, z @ params['W'].T + params['b'][None], jnp.full_like(x, self.log_variance))

    def prior_log_prob(self, params, mutables, z):
        return normal.log_prob(z, jnp.zeros_like(z), jnp.zeros_like(z))

    def sample_prior(self, params, mutables, key, num):
        return jax.random.normal(key, (num, params['W'].shape[1]))


def linear_gaussian(num_dimensions: int = 6, num_latents: int = 3):
    """(method, params)."""
    draw = np.random.default_rng(0).normal
    params = {'W': draw(0, 0.7, (num_dimensions, num_latents)), 'b': draw(size=num_dimensions)}
    return LinearGaussian(), {name: jnp.asarray(value, jnp.float32) for name, value in params.items()}


def simulate(method: LinearGaussian, params, num: int):
    """x [num, D] and the codes [num, d] that they were drawn from."""

    @jax.jit
    def draw(key):
        z_key, x_key = jax.random.split(key)
        z = method.sample_prior(params, {}, z_key, num)
        mean = z @ params['W'].T + params['b'][None]
        return normal.sample(x_key, mean, jnp.full_like(mean, method.log_variance)), z

    return draw(jax.random.key(7))


def exact_log_prob(method: LinearGaussian, params, x) -> np.ndarray:
    """log N(x; b, W W^T + sigma^2 I), [B], float64."""
    W, b = np.asarray(params['W'], np.float64), np.asarray(params['b'], np.float64)
    return multivariate_normal(b, W @ W.T + np.exp(method.log_variance) * np.eye(len(b))).logpdf(np.asarray(x, np.float64))
