"""The conditional VAE: its bound by another library, and styles that keep their class on real digits."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

from aejax import methods
from aejax.evaluation.per_example import make_evaluator
from aejax.types import DataSpec, UserError
from experiments.configs import conditional_vae, m1_m2, m2, vae
from tests.support import digits, scaled, train


@pytest.fixture(scope='module')
def trained():
    config = conditional_vae.get_config()
    config.epochs, config.optimizer.learning_rate = 60, 3e-3
    return train(config)


def test_the_bound_is_its_terms_by_numpyro():
    method = methods.build(conditional_vae.get_config(), digits('dynamic_binarisation').spec)
    x, label, noise = np.round(scaled('test')[:9]), np.arange(9), jax.random.normal(jax.random.key(1), (9, 8))
    params, _ = jax.jit(lambda key: method.init(key, {}))(jax.random.key(0))

    @jax.jit
    def ours(params):
        return [method.terms(params, {}, jnp.asarray(x), noise, *given) for given in ((label,), ())]

    @jax.jit
    def theirs(params):
        mean, log_variance = method.model.posterior(params, x, label)
        q = dist.Normal(mean, jnp.exp(log_variance / 2)).to_event(1)
        logits = method.model.decode(params, mean + jnp.exp(log_variance / 2) * noise, label)
        log_likelihood = dist.Bernoulli(logits=logits).to_event(1).log_prob(x.reshape(9, 64))
        return log_likelihood, dist.kl_divergence(q, dist.Normal(jnp.zeros((9, 8)), 1.0).to_event(1))

    (found, every), (log_likelihood, kl) = ours(params), theirs(params)
    np.testing.assert_allclose(found['kl'], kl, rtol=1e-4)
    np.testing.assert_allclose(found['elbo'], log_likelihood + np.log(0.1) - kl, rtol=1e-5)
    np.testing.assert_allclose(every['elbo'][np.arange(9), label], found['elbo'], rtol=1e-5)


def test_the_class_is_worth_nats(trained):
    dataset = digits('dynamic_binarisation')
    method, state = trained
    found = make_evaluator(method, dataset.spec, dataset.split('test'))(state)
    np.testing.assert_allclose(found['conditional_elbo'] - found['elbo'], np.log(10), rtol=1e-4)
    config = vae.get_config()
    config.epochs, config.optimizer.learning_rate, config.model.latents = 60, 3e-3, 8
    plain = make_evaluator(*(one := train(config))[:1], dataset.spec, dataset.split('test'))(one[1])
    assert found['conditional_elbo'].mean() > plain['elbo'].mean() + 0.3
    assert found['kl'].mean() < plain['kl'].mean() - 0.5


def nearest_class(images) -> np.ndarray:
    from sklearn.neighbors import KNeighborsClassifier

    split = digits().split('train')
    return KNeighborsClassifier(5).fit(scaled('train').reshape(-1, 64), split['label']).predict(np.reshape(images, (-1, 64)))


def test_a_style_can_be_given_every_class_and_samples_have_theirs(trained):
    method, state = trained
    x, label = jnp.asarray(scaled('test')[:20]), digits().split('test')['label'][:20]
    asked = np.tile(np.arange(10), 20)

    @jax.jit
    def look(params, key):
        z = method.conditional_encode(params, {}, x, jnp.asarray(label))
        given = method.conditional_decode(params, {}, jnp.repeat(z, 10, axis=0), asked)
        keys = jax.random.split(key)
        return given, method.conditional_sample(params, {}, keys[0], asked), method.sample(params, {}, keys[1], 200)

    given, drawn, rows = look(state.params, jax.random.key(0))
    assert given.shape == (200, 8, 8, 1)
    assert np.mean(nearest_class(given) == asked) > 0.8
    assert np.mean(nearest_class(drawn) == asked) > 0.8
    assert np.mean(nearest_class(rows) == asked) > 0.8
    same = np.asarray(given).reshape(20, 10, 64)
    assert np.mean(np.var(same, axis=0)) > 0.005, 'styles of one class differ'


@pytest.mark.parametrize('module', [conditional_vae, m2, m1_m2])
def test_a_few_samples_are_of_any_class(module, monkeypatch):
    method = methods.build(module.get_config(), digits().spec)
    monkeypatch.setattr(type(method), 'conditional_sample', lambda self, params, mutables, key, label: label)
    drawn = jax.vmap(lambda key: method.sample({}, {}, key, 3))(jax.random.split(jax.random.key(0), 30))
    assert set(np.asarray(drawn).ravel().tolist()) == set(range(10))


def test_data_without_labels_is_refused():
    with pytest.raises(UserError, match='rows has none'):
        methods.build(conditional_vae.get_config(), DataSpec('rows', (8, 8, 1), num_examples=500))
