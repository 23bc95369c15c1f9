"""Jacobians of encoders of digits: against formulas, numpy's SVD and each other."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

from aejax.evaluation import jacobian
from aejax.losses.contractive import jacobian_penalty
from tests.support import at_once


def digits(num=7):
    return np.asarray(load_digits().images[:num, :, :, None] / 16, np.float32)


def kernel(code_size):
    return np.asarray(np.random.default_rng(0).normal(0, 0.2, (64, code_size)), np.float32)


def encode(weight, x):
    return jax.nn.sigmoid(x.reshape(len(x), -1) @ weight)


@pytest.mark.parametrize('code_size', [10, 100])
def test_jacobians_are_the_formula_in_chunks_of_any_size(code_size):
    weight, x = kernel(code_size), digits()
    h = at_once(encode, weight, x)
    expected = (h * (1 - h))[:, :, None] * weight.T[None]
    chunks = at_once(
        lambda weight, x: [jacobian.jacobians(functools.partial(encode, weight), x, chunk) for chunk in (1, 3, 100)], weight, x
    )
    for found in chunks:
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize('code_size', [10, 100])
def test_norms_and_spectra(code_size):
    def look(weight, x):
        encoder = functools.partial(encode, weight)
        found = jacobian.frobenius_norms(encoder, x, chunk=3), jacobian.singular_values(encoder, x, chunk=3)
        penalty, _ = jacobian_penalty([(weight, jnp.zeros(code_size))], [jax.nn.sigmoid], x.reshape(7, 64))
        return jacobian.jacobians(encoder, x), *found, penalty

    full, norms, spectra, penalty = at_once(look, kernel(code_size), digits())
    full = full.astype(np.float64)
    np.testing.assert_allclose(norms, np.sqrt(penalty), rtol=1e-5)
    np.testing.assert_allclose(norms, np.linalg.norm(full, axis=(1, 2)), rtol=1e-5)
    assert spectra.shape == (7, min(code_size, 64))
    np.testing.assert_allclose(spectra, np.linalg.svd(full, compute_uv=False), rtol=1e-4, atol=1e-6)


def test_spectra_keep_the_tail():
    # The eigenvalues of J J^T would be off by the rounding of 1, and so the third singular value lost.
    scales = np.asarray([1.0, 1e-2, 1e-5])
    left, right = (np.linalg.qr(np.random.default_rng(0).normal(size=(n, 3)))[0] for n in (4, 6))
    matrix = np.asarray((left * scales) @ right.T, np.float32)
    spectra = at_once(lambda x: jacobian.singular_values(lambda x: x @ matrix.T, x), np.ones((2, 6)))
    np.testing.assert_allclose(spectra[:, :3], np.tile(scales, (2, 1)), rtol=0.02)


def test_codes_of_any_shape():
    full = at_once(lambda x: jacobian.jacobians(lambda x: jnp.square(x[:, ::2]), x), digits(2))
    assert full.shape == (2, 32, 64)
    np.testing.assert_allclose(full[0, 3, 3], 2 * digits(1)[0, 0, 3, 0])


def test_saturation_counts_both_ends():
    codes = jnp.asarray([[0.0, 0.04, 0.06, 0.5], [0.94, 0.96, 1.0, 0.99]])
    found, others = at_once(lambda codes: (jacobian.saturation(codes), jacobian.saturation(codes, low=-1, high=0.945)), codes)
    np.testing.assert_allclose(found, [0.5, 0.75])
    np.testing.assert_allclose(others, [0, 0.75])


def test_contraction_of_a_linear_encoder_is_flat():
    curve = jacobian.contraction_curve(lambda x: 3 * x, digits(), [0.1, 1.0, 10.0], jax.random.key(0), num_directions=3)
    np.testing.assert_allclose(curve['mean'], 3, rtol=1e-4)
    np.testing.assert_allclose(curve['standard_error'], 0, atol=1e-4)


def test_contraction_at_a_small_radius_is_the_jacobian():
    # The encoder x -> x_0 has one singular value, 1: the ratio is |u_0| for u uniform on the sphere of 3 dimensions, mean 1/2.
    x = jnp.asarray(np.random.default_rng(0).normal(size=(400, 3)), jnp.float32)
    curve = jacobian.contraction_curve(lambda x: x[:, :1], x, [0.5], jax.random.key(1), num_directions=50)
    assert 0.0005 < curve['standard_error'][0] < 0.004
    np.testing.assert_allclose(curve['mean'], 0.5, atol=4 * curve['standard_error'][0])


def test_contraction_falls_where_sigmoids_saturate():
    curve = jacobian.contraction_curve(functools.partial(encode, kernel(50)), digits(), [0.1, 1.0, 30.0], jax.random.key(0))
    norms = at_once(lambda x: jacobian.frobenius_norms(functools.partial(encode, kernel(50)), x), digits())
    np.testing.assert_allclose(curve['mean'][0], np.mean(norms) / 8, rtol=0.05)
    assert curve['mean'][2] < 0.5 * curve['mean'][0]
    assert curve['standard_error'].shape == (3,)


def test_a_radius_must_be_positive():
    with pytest.raises(ValueError, match='radii above zero'):
        jacobian.contraction_curve(lambda x: x, digits(), [0.0, 1.0], jax.random.key(0))


def test_the_mean_spectrum_falls_and_is_numpys():
    weight, x = kernel(10), digits()
    h = at_once(encode, weight, x).astype(np.float64)
    singular = np.linalg.svd((h * (1 - h))[:, :, None] * weight.astype(np.float64).T, compute_uv=False)
    found = jacobian.mean_spectrum(functools.partial(encode, weight), x)
    np.testing.assert_allclose(found['mean'], singular.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found['standard_error'], singular.std(axis=0, ddof=1) / np.sqrt(len(x)), rtol=1e-3)
    assert np.all(np.diff(found['mean']) < 0)
