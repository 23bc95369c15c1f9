"""The evidence lower bound."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from aejax.distributions import normal
from aejax.losses.elbo import elbo, kl_with_free_bits, warmed_up
from tests.support import at_once


def test_terms_and_beta():
    log_likelihood, kl = jnp.asarray([-1.0, -2.0]), jnp.asarray([0.5, 1.5])
    np.testing.assert_allclose(elbo(log_likelihood, kl), [-1.5, -3.5])
    np.testing.assert_allclose(elbo(log_likelihood, kl, beta=jnp.asarray(4.0)), [-3.0, -8.0])


def test_it_is_the_log_likelihood_of_a_linear_gaussian_model_at_the_exact_posterior():
    # z ~ N(0, 1), x | z ~ N(z, 1): the posterior is N(x / 2, 1 / 2) and the marginal N(0, 2).
    def look(x):
        log_half = jnp.full((2, 1), -jnp.log(2.0))
        kl, keys = normal.kl_standard(x / 2, log_half), jax.random.split(jax.random.key(0), 20_000)
        z = jax.vmap(lambda key: normal.sample(key, x / 2, log_half))(keys)
        log_likelihood = jnp.mean(jax.vmap(lambda z: normal.log_prob(x, z, jnp.zeros_like(z)))(z), axis=0)
        return elbo(log_likelihood, kl), elbo(log_likelihood, kl + 0.5)

    x = np.asarray([[0.3], [-2.0]], np.float32)
    marginal = scipy.stats.norm(scale=np.sqrt(2)).logpdf(x[:, 0])
    found, with_less = at_once(look, x)
    np.testing.assert_allclose(found, marginal, atol=0.03)
    assert np.all(with_less < marginal)


def test_shapes_must_agree():
    for log_likelihood, kl, beta in [((3, 4), (4,), ()), ((4,), (4, 1), ()), ((4,), (4,), (4,)), ((4,), (1,), ())]:
        with pytest.raises(AssertionError):
            elbo(jnp.ones(log_likelihood), jnp.ones(kl), jnp.ones(beta))


def test_beta_grows_in_a_line_and_stays():
    np.testing.assert_allclose(
        [warmed_up(4.0, jnp.asarray(step), 10) for step in (0, 1, 5, 10, 11, 10_000)], [0, 0.4, 2, 4, 4, 4]
    )


def test_a_dimension_pays_for_what_the_batch_spends_beyond_its_free_bits():
    kl = jnp.asarray([[0.0, 3.0, 0.1], [0.6, 1.0, 0.1]])
    np.testing.assert_allclose(kl_with_free_bits(kl, 0.5), 0.5 + 2.0 + 0.5)
    np.testing.assert_allclose(kl_with_free_bits(kl, 0.0), kl.sum() / 2)
    # 0.6 of one example is paid for by the 0 of the other: the mean of the batch counts.
    np.testing.assert_allclose(jax.grad(kl_with_free_bits)(kl, 0.5), [[0.0, 0.5, 0.0], [0.0, 0.5, 0.0]])
    with pytest.raises(AssertionError):
        kl_with_free_bits(kl[0], 0.5)


def test_terms_by_dimension_sum_to_the_divergence():
    mean, log_variance = jnp.asarray([[0.3, -2.0], [0.0, 1.0]]), jnp.asarray([[0.0, -3.0], [0.5, 1e-4]])
    terms = normal.kl_standard_by_dimension(mean, log_variance)
    np.testing.assert_allclose(terms.sum(axis=1), normal.kl_standard(mean, log_variance), rtol=1e-6)
    np.testing.assert_allclose(terms[0, 0], 0.045, rtol=1e-6)
