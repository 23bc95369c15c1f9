"""The adversarial game on discrete distributions, where the best discriminator is known, and R1 against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import rel_entr

from aejax.losses.adversarial import discriminator_health, discriminator_loss, generator_loss, r1_penalty
from aejax.types import UserError
from tests.support import at_once

REAL, FAKE = np.asarray([0.5, 0.3, 0.15, 0.05]), np.asarray([0.1, 0.2, 0.3, 0.4])


def value(logits) -> jax.Array:
    """V = E_real[log D] + E_fake[log(1 - D)], from the losses on every pair of outcomes."""
    outcome = jnp.arange(4)
    losses = discriminator_loss(logits[jnp.repeat(outcome, 4)], logits[jnp.tile(outcome, 4)])
    return -jnp.sum(losses * (REAL[:, None] * FAKE[None]).reshape(-1))


def test_the_best_discriminator_reaches_the_jensen_shannon_divergence():
    between = (REAL + FAKE) / 2
    divergence = 0.5 * np.sum(rel_entr(REAL, between)) + 0.5 * np.sum(rel_entr(FAKE, between))
    derivatives = (value, jax.grad(value), jax.hessian(value))
    reached, slope, curvature = at_once(lambda logits: [function(logits) for function in derivatives], np.log(REAL / FAKE))
    np.testing.assert_allclose(reached, 2 * divergence - 2 * np.log(2), rtol=1e-5)
    np.testing.assert_allclose(slope, 0.0, atol=1e-6)
    assert np.linalg.eigvalsh(curvature).max() < 0, 'the discriminator maximises V'


def test_the_generator_plays_against_that_value_and_both_kinds_push_the_same_way():
    logits = jnp.asarray([-30.0, -2.0, 0.0, 3.0])
    probability = jax.nn.sigmoid(logits.astype(jnp.float32))
    # log(1 - D) is the very term of V that the generator has a say in: to minimise V is to minimise this.
    np.testing.assert_allclose(generator_loss(logits, 'minimax')[1:], np.log(1 - probability[1:]), rtol=1e-5)
    np.testing.assert_allclose(generator_loss(logits)[1:], -np.log(probability[1:]), rtol=1e-5)
    slopes = {
        kind: jax.grad(lambda a, kind=kind: jnp.sum(generator_loss(a, kind)))(logits) for kind in ('non_saturating', 'minimax')
    }
    assert np.all(slopes['non_saturating'] < 0)
    assert np.all(slopes['minimax'] < 0)
    np.testing.assert_allclose([slopes['non_saturating'][0], slopes['minimax'][0]], [-1.0, 0.0], atol=1e-6)


def test_a_smoothed_label_is_the_cross_entropy_to_it():
    real, fake = jnp.asarray([0.3, -1.0]), jnp.asarray([2.0, 0.1])
    d_real, d_fake = (1 / (1 + np.exp(-np.asarray(logits, np.float64))) for logits in (real, fake))
    expected = -0.9 * np.log(d_real) - 0.1 * np.log(1 - d_real) - np.log(1 - d_fake)
    np.testing.assert_allclose(discriminator_loss(real, fake, 0.9), expected, rtol=1e-5)
    health = discriminator_health(real, fake)
    np.testing.assert_allclose(health['d_real'], d_real, rtol=1e-5)
    np.testing.assert_allclose(health['d_fake'], d_fake, rtol=1e-5)
    slope = jax.grad(lambda a: jnp.sum(discriminator_loss(a, fake, 0.9)))(jnp.full((2,), np.log(9.0)))
    np.testing.assert_allclose(slope, 0.0, atol=1e-6)


def test_r1_is_half_the_squared_slope_of_the_logits():
    kernel = jax.random.normal(jax.random.key(0), (2, 3, 5))

    @jax.jit
    def discriminate(x):
        return jnp.sum(jnp.tanh(jnp.einsum('bij,ijk->bk', x, kernel)), axis=1)

    x = np.random.default_rng(0).normal(scale=0.3, size=(4, 2, 3)).astype(np.float32)
    differences = []
    for i, j in np.ndindex(2, 3):
        step = np.zeros_like(x)
        step[:, i, j] = 0.01
        differences.append((discriminate(x + step) - discriminate(x - step)) / 0.02)
    found = at_once(lambda x: r1_penalty(discriminate, x), x)
    np.testing.assert_allclose(found, 0.5 * np.sum(np.square(differences), axis=0), rtol=2e-2)


def test_what_cannot_be():
    with pytest.raises(UserError, match='choose one of non_saturating, minimax'):
        generator_loss(jnp.zeros(2), 'maximax')
    with pytest.raises(AssertionError):
        discriminator_loss(jnp.zeros(2), jnp.zeros(3))
