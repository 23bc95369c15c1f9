"""M2: the bound of unlabelled data, what multiplies what, and real digits with few labels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from aejax import methods
from aejax.evaluation.per_example import make_evaluator
from aejax.methods.m2 import M2
from aejax.runs.setup import make_source
from aejax.training.fit import fit
from aejax.types import Context, UserError
from experiments.configs import m2
from tests.support import digits, error_from_labels_alone, go_on, run, scaled


def config(**changes):
    made = m2.get_config()
    with made.unlocked():
        made.update_from_flattened_dict(changes)
    return made


def built(**changes):
    return methods.build(config(**changes), digits().spec)


def initial(method) -> dict:
    return jax.jit(lambda key: method.init(key, {})[0])(jax.random.key(0))


def linear_gaussian() -> tuple:
    """p(x given y, z) = N(b + W z + V_y, s^2 I) with orthogonal W, of which q is the exact posterior; and exact log p(x, y)."""
    changes = {'model.hidden': (), 'model.latents': 3, 'model.output': 'identity', 'classifier_hidden': ()}
    method = built(**changes, **{'likelihood.learns_variance': False, 'likelihood.log_variance': -2.0})
    random, variance, x = np.random.default_rng(0), np.exp(-2.0), scaled('test')[:12]
    W = np.linalg.qr(random.normal(size=(64, 3)))[0].T * np.asarray([[2.0], [1.0], [0.5]])
    b, V = scaled('train').mean(axis=0).reshape(-1), 0.1 * random.normal(size=(10, 64))
    covariance = 1 / (1 + np.sum(W**2, axis=1) / variance)
    toward = W.T * covariance / variance
    params = initial(method)
    encoder = np.concatenate([np.concatenate([toward, -V @ toward]), np.zeros((74, 3))], axis=1)
    bias = np.concatenate([-b @ toward, np.log(covariance)])
    params['encoder'] = {'layer_0': {'kernel': encoder.astype(np.float32), 'bias': bias.astype(np.float32)}}
    params['decoder'] = {'layer_0': {'kernel': np.concatenate([W, V]).astype(np.float32), 'bias': b.astype(np.float32)}}
    around = W.T @ W + variance * np.eye(64)
    exact = np.stack([multivariate_normal(b + V[y], around).logpdf(x.reshape(12, 64)) for y in range(10)], axis=1) - np.log(10)
    return method, jax.tree.map(jnp.asarray, params), jnp.asarray(x), exact, (b, V, around)


def test_the_bound_of_unlabelled_data_is_tight_where_both_posteriors_are_exact():
    method, params, x, exact, (b, V, around) = linear_gaussian()
    noise = jax.random.normal(jax.random.key(0), (500, 12, 3))
    bounds = np.mean(jax.jit(jax.vmap(lambda eps: method.terms(params, {}, x, eps)['elbo']))(noise), axis=0)
    np.testing.assert_allclose(bounds, exact, atol=0.3)

    @jax.jit
    def bound(params):
        keys = jax.random.split(jax.random.key(1), 500)
        return jnp.mean(jax.vmap(lambda key: method.unlabelled_bound(params, {}, x, key))(keys), axis=0)

    found = np.asarray(bound(params))
    assert np.all(found < logsumexp(exact, axis=1))
    # log p(x, y), but for what all classes share, is linear in x.
    precision = np.linalg.inv(around)
    bias = -np.sum((b + 0.5 * V) @ precision * V, axis=1)
    params['classifier'] = {
        'layer_0': {'kernel': jnp.asarray(precision @ V.T, jnp.float32), 'bias': jnp.asarray(bias, jnp.float32)}
    }
    tight = np.asarray(bound(params))
    np.testing.assert_allclose(tight, logsumexp(exact, axis=1), atol=0.3)
    assert np.all(tight > found)


def streams(num: int = 20) -> dict:
    x, label = jnp.asarray(scaled('train')), jnp.asarray(digits().split('train')['label'])
    return {'labelled': {'x': x[:num], 'label': label[:num]}, 'unlabelled': {'x': x[num : 3 * num]}}


def loss_of(method, params, batch, key=0):
    hparams = {name: jnp.asarray(value) for name, value in method.hparams.items()}
    return jax.jit(method.loss)(params, {}, batch, Context(key=jax.random.key(key), step=jnp.asarray(0), hparams=hparams))


def test_what_multiplies_what():
    """Over N examples with n labels, loss N = -sum elbo(x) - sum elbo(x, y) + alpha N / n sum -log q(y given x)."""
    method, batch, (N, n, alpha) = built(alpha=0.3), streams(), (1297, 100, 0.3)
    assert method.hparams == {'alpha': 0.3}
    out = loss_of(method, initial(method), batch)
    terms = {name: np.asarray(values, np.float64) for name, values in out.metrics.items()}
    assert terms['elbo'].shape == (40,)
    assert terms['elbo_labelled'].shape == terms['classification_nll'].shape == (20,)
    sums = {name: (N if name == 'elbo' else n) * values.mean() for name, values in terms.items()}
    expected = -sums['elbo'] - sums['elbo_labelled'] + alpha * N / n * sums['classification_nll']
    np.testing.assert_allclose(out.loss * N, expected, rtol=1e-5)


def test_a_sampled_gradient_is_that_of_all_classes_on_average():
    eps = jax.random.normal(jax.random.key(1), (8, 8))

    class FixedNoise(M2):
        def noise(self, key, x):
            return eps

    exact, sampled = (FixedNoise(**vars_of(built(gradient=name))) for name in ('exact', 'sampled'))
    params, x, num = initial(exact), streams(4)['unlabelled']['x'], 1000

    def bound(params, method, key):
        return jnp.mean(method.unlabelled_bound(params, {}, x, key))

    value, whole = jax.jit(lambda key: jax.value_and_grad(bound)(params, exact, key))(jax.random.key(0))
    keys = jax.random.split(jax.random.key(2), num)
    values, draws = jax.jit(jax.vmap(lambda key: jax.value_and_grad(bound)(params, sampled, key)))(keys)
    np.testing.assert_allclose(values, value, rtol=1e-5)
    for group in params:
        for a, b in zip(jax.tree.leaves(draws[group]), jax.tree.leaves(whole[group]), strict=True):
            off = np.abs(np.mean(a, axis=0) - b) > 4 * np.std(a, axis=0) / np.sqrt(num) + 1e-4
            assert np.mean(off) < 0.01, group
    assert np.std(jax.tree.leaves(draws['decoder'])[0], axis=0).max() > 1e-3
    np.testing.assert_allclose(np.std(jax.tree.leaves(draws['classifier'])[1], axis=0), 0.0, atol=1e-5)


def vars_of(method) -> dict:
    return {name: getattr(method, name) for name in method.__dataclass_fields__}


@pytest.fixture(scope='module')
def digits_m2():
    made = config(epochs=40)
    method, source = methods.build(made, digits().spec), make_source(made, digits())
    return method, go_on(run(method, source, digits().spec, made.batch_size, log_every=1e9), -1)


def test_a_hundred_labels_go_further_with_unlabelled_digits(digits_m2):
    method, state = digits_m2
    test = digits().split('test')
    baseline = error_from_labels_alone(make_source(config(), digits()).data['labelled'], test)
    found = make_evaluator(method, digits().spec, test)(state)
    assert found['classification_error'].mean() < baseline - 0.02
    assert found['elbo'].mean() > 20
    assert found['elbo'].mean() > found['elbo_labelled'].mean()


def test_codes_and_reconstructions_are_those_of_the_likeliest_class(digits_m2):
    method, state = digits_m2
    x = jnp.asarray(scaled('test')[:30])

    @jax.jit
    def look(params):
        label = jnp.argmax(method.class_logits(params, {}, x), axis=-1)
        z = method.conditional_encode(params, {}, x, label)
        given = z, method.conditional_decode(params, {}, z, label)
        return given, (method.encode(params, {}, x), method.reconstruct(params, {}, x))

    for expected, found in zip(*look(state.params), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'data.num_labelled': 0}, 'set data.num_labelled to their number'),
        ({'finetune.target': 'classify'}, "set finetune.target='none'"),
        ({'alpha': -1.0}, 'alpha=-1.0 must be at least 0'),
        ({'gradient': 'none'}, "choose 'exact' or 'sampled'"),
        ({'classifier_hidden': (0,)}, r'classifier_hidden=\(0,\): widths must be'),
    ],
)
def test_configs_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        built(**changes)


def test_draws_of_the_labels_run_as_one_ensemble_each_as_it_would_alone():
    method = built(**{'epochs': 2, 'model.hidden': (16,), 'model.latents': 4, 'classifier_hidden': ()})
    options = {'batch_size': 100, 'num_labelled': 100, 'labelled_batch_size': 50, 'log_every': 2.0}
    together = fit(method, digits(), seeds=(0, 0, 1), label_seed=(0, 3, 3), **options)
    for member, (seed, label_seed) in enumerate([(0, 0), (0, 3), (1, 3)]):
        alone = fit(method, digits(), seed=seed, label_seed=label_seed, **options)
        for name in ('validation/elbo', 'validation/classification_nll'):
            np.testing.assert_allclose(together.history[-1][name][member], alone.history[-1][name], rtol=1e-4)
    assert len(set(together.history[-1]['validation/classification_nll'])) == 3
    with pytest.raises(UserError, match='label_seed has one value for each member'):
        fit(method, digits(), seeds=(0, 1), label_seed=(0, 1, 2), **options)
    with pytest.raises(UserError, match=r'label_seed=-1 must be'):
        fit(method, digits(), seeds=(0, 1), label_seed=(0, -1), **options)
