"""Priors against numpyro's and scipy's densities, and what they sample against their densities."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import scipy.stats
from ml_collections import ConfigDict

from aejax.priors import mixture, prior, standard, vamp
from aejax.priors.mixture import Components
from aejax.types import DataSpec, UserError
from tests.support import at_once, digits, scaled

SPEC = DataSpec('made', (4,))
Z = jnp.asarray(np.random.default_rng(0).normal(scale=2, size=(30, 3)), jnp.float32)


def components(scale=1.0) -> Components:
    random = np.random.default_rng(1)
    made = (random.normal(size=5), scale * random.normal(size=(5, 3)), random.normal(size=(5, 3)))
    return Components(*(jnp.asarray(leaf, jnp.float32) for leaf in made))


def reference(made: Components):
    """numpyro's mixture; it broadcasts over ranks, which tests do not allow otherwise."""
    normals = dist.Normal(made.mean, jnp.exp(made.log_variance / 2)).to_event(1)
    return dist.MixtureSameFamily(dist.Categorical(logits=made.logits), normals)


def reference_log_prob(made: Components, z):
    with jax.numpy_rank_promotion('allow'):
        return at_once(lambda made, z: reference(made).log_prob(z), made, z)


def linear_posterior(params, x):
    """mu = x W, log_variance = x V."""
    flat = x.reshape(len(x), -1)
    return flat @ params['W'], flat @ params['V']


def test_the_standard_normal():
    np.testing.assert_allclose(standard.log_prob(Z), scipy.stats.norm.logpdf(Z).sum(axis=1), rtol=1e-5)
    drawn = np.asarray(standard.sample(jax.random.key(0), 4_000, 3))
    assert all(scipy.stats.kstest(column, 'norm').pvalue > 1e-3 for column in drawn.T)


def test_a_mixture_is_numpyros():
    np.testing.assert_allclose(at_once(mixture.log_prob, Z, components()), reference_log_prob(components(), Z), rtol=1e-4)


def test_narrow_components_far_away_keep_their_digits():
    far = components()._replace(mean=200 + components().mean, log_variance=jnp.full((5, 3), -12.0))
    z = far.mean + 0.001
    np.testing.assert_allclose(at_once(mixture.log_prob, z, far), reference_log_prob(far, z), rtol=1e-3)
    assert np.all(np.isfinite(at_once(mixture.log_prob, z + 1e4, far)))


def test_draws_of_a_mixture_have_its_density():
    """Mean and covariance in closed form, and the entropy -E[log p] as numpyro's draws give it."""
    made = components(scale=3.0)
    drawn = at_once(lambda key, made: mixture.sample(key, made, 20_000), jax.random.key(0), made)
    weights, mean = np.asarray(jax.nn.softmax(made.logits)), np.asarray(made.mean)
    centre = weights @ mean
    covariance = np.diag(weights @ np.exp(made.log_variance)) + (weights[:, None] * (mean - centre)).T @ (mean - centre)
    np.testing.assert_allclose(drawn.mean(axis=0), centre, atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.05 * np.abs(covariance).max())
    with jax.numpy_rank_promotion('allow'):
        others = at_once(lambda key, made: reference(made).sample(key, (20_000,)), jax.random.key(1), made)
    log_probs = [at_once(mixture.log_prob, z, made) for z in (drawn, others)]
    assert abs(log_probs[0].mean() - log_probs[1].mean()) < 4 * np.hypot(*(values.std() for values in log_probs)) / np.sqrt(
        20_000
    )


def test_a_vamp_prior_is_the_mean_of_its_posteriors():
    """With the training images themselves for pseudo-inputs it is the aggregated posterior."""
    random, x = np.random.default_rng(2), jnp.asarray(scaled('train')[:40])
    params = {name: jnp.asarray(0.1 * random.normal(size=(64, 3)), jnp.float32) for name in ('W', 'V')}
    made = at_once(lambda params, x: vamp.components(lambda x: linear_posterior(params, x), x), params, x)
    mean, log_variance = (leaf.astype(np.float64) for leaf in at_once(linear_posterior, params, x))
    densities = [scipy.stats.norm(mean, np.exp(log_variance / 2)).pdf(z[None]).prod(axis=1).mean() for z in np.asarray(Z)]
    np.testing.assert_allclose(at_once(mixture.log_prob, Z, made), np.log(densities), rtol=1e-4)


@pytest.mark.parametrize('in_unit_interval', [True, False])
def test_gradients_of_a_vamp_prior_reach_pseudo_inputs_and_encoder(in_unit_interval):
    free = vamp.init(jax.random.key(0), 6, (4,))
    inputs = np.asarray(vamp.pseudo_inputs(10 * free, in_unit_interval))
    assert (inputs.min() >= 0 and inputs.max() <= 1) == in_unit_interval
    made = prior.Prior('vamp', 6, 3, (4,), in_unit_interval, linear_posterior)
    keys = jax.random.split(jax.random.key(1), 2)
    params = {name: jax.random.normal(key, (4, 3)) for name, key in zip('WV', keys, strict=True)} | made.init(jax.random.key(2))
    slopes = at_once(jax.grad(lambda params: jnp.sum(made.log_prob(params, Z))), params)
    assert all(np.all(np.abs(leaf) > 0) for leaf in jax.tree.leaves(slopes))


@pytest.mark.parametrize('kind', prior.KINDS)
def test_a_prior_of_a_config(kind):
    made = prior.from_config(prior.default_config(kind, 7), digits().spec, 3, linear_posterior)
    params = {'W': jnp.ones((64, 3)), 'V': jnp.zeros((64, 3)), **made.init(jax.random.key(0))}
    assert made.groups == tuple(set(params) - {'W', 'V'})
    assert jax.eval_shape(made.log_prob, params, Z).shape == (30,)
    assert at_once(lambda params, key: made.sample(params, key, 11), params, jax.random.key(1)).shape == (11, 3)
    leaves = {'standard': 0, 'mixture': 3, 'vamp': 1}
    assert len(jax.tree.leaves(params)) == 2 + leaves[kind]


@pytest.mark.parametrize(
    ('section', 'message'),
    [
        ({'kind': 'flow', 'components': 3}, "prior.kind is 'flow'; choose one of standard, mixture, vamp"),
        ({'kind': 'vamp', 'components': 0}, 'prior.components=0 must be at least 1'),
    ],
)
def test_priors_that_cannot_be(section, message):
    with pytest.raises(UserError, match=message):
        prior.from_config(ConfigDict(section), SPEC, 3, linear_posterior)
