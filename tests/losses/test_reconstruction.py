"""Reconstruction losses are the likelihoods that they are said to be."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_digits

from aejax.distributions import normal
from aejax.losses import reconstruction


def digits():
    return jnp.asarray(load_digits().images[:6, :, :, None] / 16, jnp.float32)


def test_squared_error_is_a_gaussian_log_likelihood_up_to_scale_and_constant():
    x, mean = digits(), 0.5 * digits() + 0.1
    log_prob = -0.5 * reconstruction.squared_error(x, mean) - 32 * math.log(2 * math.pi)
    np.testing.assert_allclose(log_prob, normal.log_prob(x, mean, jnp.zeros_like(x)), rtol=1e-5)
    np.testing.assert_allclose(reconstruction.squared_error(x, mean), np.square(x - mean).sum((1, 2, 3)), rtol=1e-5)


def test_cross_entropy_equals_optax_summed_over_pixels():
    x, logits = digits(), 20 * digits() - 10
    expected = optax.sigmoid_binary_cross_entropy(logits, x).sum((1, 2, 3))
    np.testing.assert_allclose(reconstruction.cross_entropy(x, logits), expected, rtol=1e-5)


def test_cross_entropy_is_finite_at_saturation():
    x, logits = digits(), 1e4 * (1 - 2 * digits())
    loss, gradient = jax.value_and_grad(lambda logits: reconstruction.cross_entropy(x, logits).sum())(logits)
    assert np.isfinite(loss)
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize('loss', [reconstruction.squared_error, reconstruction.cross_entropy])
def test_shapes_must_agree(loss):
    with pytest.raises(AssertionError):
        loss(jnp.ones((3, 4)), jnp.ones((3, 1)))
