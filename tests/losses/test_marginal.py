"""The bound with y summed out, against what scipy sums."""

import jax
import numpy as np
from scipy.special import log_softmax, logsumexp

from aejax.losses.marginal import marginal_bound

BOUNDS = np.random.default_rng(0).normal(-20, 3, size=(7, 10)).astype(np.float32)


def test_it_is_tight_where_q_is_the_bounds_own_posterior():
    np.testing.assert_allclose(marginal_bound(BOUNDS, BOUNDS + 5.0), logsumexp(BOUNDS, axis=1), rtol=1e-5)
    np.testing.assert_allclose(jax.grad(lambda q: marginal_bound(BOUNDS, q).sum())(BOUNDS), 0.0, atol=1e-5)


def test_any_other_q_loses_its_divergence():
    logits = np.random.default_rng(1).normal(size=BOUNDS.shape).astype(np.float32)
    log_q, log_p = log_softmax(logits, axis=1), log_softmax(BOUNDS, axis=1)
    lost = np.sum(np.exp(log_q) * (log_q - log_p), axis=1)
    np.testing.assert_allclose(marginal_bound(BOUNDS, logits), logsumexp(BOUNDS, axis=1) - lost, rtol=1e-4)


def test_a_class_that_is_all_but_impossible_leaves_it_finite():
    sure = np.where(np.arange(10) == 3, 0.0, -1e4)[None].astype(np.float32)
    np.testing.assert_allclose(marginal_bound(BOUNDS[:1], sure), BOUNDS[0, 3], rtol=1e-6)
