"""The evidence lower bound."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from aejax.distributions import normal
from aejax.losses.elbo import elbo


def test_terms_and_beta():
    log_likelihood, kl = jnp.asarray([-1.0, -2.0]), jnp.asarray([0.5, 1.5])
    np.testing.assert_allclose(elbo(log_likelihood, kl), [-1.5, -3.5])
    np.testing.assert_allclose(elbo(log_likelihood, kl, beta=jnp.asarray(4.0)), [-3.0, -8.0])


def test_it_is_the_log_likelihood_of_a_linear_gaussian_model_at_the_exact_posterior():
    # z ~ N(0, 1), x | z ~ N(z, 1): the posterior is N(x / 2, 1 / 2) and the marginal N(0, 2).
    x, log_half = jnp.asarray([[0.3], [-2.0]]), jnp.full((2, 1), -jnp.log(2.0))
    kl = normal.kl_standard(x / 2, log_half)
    keys = jax.random.split(jax.random.key(0), 20_000)
    z = jax.vmap(lambda key: normal.sample(key, x / 2, log_half))(keys)
    log_likelihood = jnp.mean(jax.vmap(lambda z: normal.log_prob(x, z, jnp.zeros_like(z)))(z), axis=0)
    marginal = scipy.stats.norm(scale=np.sqrt(2)).logpdf(x[:, 0])
    np.testing.assert_allclose(elbo(log_likelihood, kl), marginal, atol=0.03)
    assert np.all(elbo(log_likelihood, kl + 0.5) < marginal)


def test_shapes_must_agree():
    for log_likelihood, kl, beta in [((3, 4), (4,), ()), ((4,), (4, 1), ()), ((4,), (4,), (4,)), ((4,), (1,), ())]:
        with pytest.raises(AssertionError):
            elbo(jnp.ones(log_likelihood), jnp.ones(kl), jnp.ones(beta))
