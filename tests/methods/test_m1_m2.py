"""M1+M2: which codes are kept, the bound through both models, and real digits with few labels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from aejax import methods
from aejax.evaluation.per_example import make_evaluator
from aejax.methods.m1_m2 import own
from aejax.runs.setup import make_source
from aejax.types import Context, UserError
from experiments.configs import m1_m2
from tests.support import digits, go_on, run, scaled


def config(**changes):
    made = m1_m2.get_config()
    with made.unlocked():
        made.update_from_flattened_dict(changes)
    return made


def train(num: int | None = None, **changes) -> tuple:
    """The method, and its states at the ends of its first `num` stages."""
    made = config(**changes)
    method, source = methods.build(made, digits().spec), make_source(made, digits())
    intervals = run(method, source, digits().spec, made.batch_size, num, log_every=1e9)
    return method, *(go_on(intervals, index) for index in range(len(intervals)))


@pytest.fixture(scope='module')
def trained():
    return train(m1_epochs=60, epochs=30)


def test_dimensions_that_m1_does_not_use_are_not_kept():
    # At this price of a code, M1 gives up most of its dimensions.
    method, state = train(1, **{'m1_epochs': 100, 'm1.beta': 6.0})
    deviation = np.std(jax.jit(method.m1.encode)(own(state.params, 'm1'), {}, jnp.asarray(scaled('train'))), axis=0)
    kept = np.asarray(method.kept(state.mutables))
    clear = np.abs(deviation - 0.1) > 0.04
    np.testing.assert_array_equal(kept[clear], deviation[clear] > 0.1)
    assert 3 <= np.sum(~kept[clear]) <= 14
    codes = np.asarray(jax.jit(method.codes)(state.params, state.mutables, jnp.asarray(scaled('test'))))
    np.testing.assert_array_equal(codes[:, ~kept], 0.0)
    assert np.all(np.any(codes[:, kept], axis=0))


def test_bounds_on_codes_are_named_apart_from_those_on_images(trained):
    """A curve of validation joins that of training with its name."""
    method, _, state = trained
    batch, context = (
        {name: {'x': scaled('train')[:9], 'label': np.zeros(9, int)} for name in method.streams},
        Context(key=jax.random.key(0), step=state.step, hparams=state.hparams),
    )
    found = jax.jit(method.m2_loss)(state.params, state.mutables, batch, context)
    assert not {'elbo', 'elbo_labelled', 'm1_elbo'} & set(found.metrics)
    assert not found.mutables


def test_m2_moves_nothing_of_m1(trained):
    between, state = trained[1:]
    for name in ('encoder', 'decoder', 'likelihood'):
        for a, b in zip(*(jax.tree.leaves(own(s.params, 'm1')[name]) for s in (between, state)), strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(between.mutables['code_variance'], state.mutables['code_variance'])


def test_the_likelihood_of_codes_is_that_of_the_kept(trained):
    method = trained[0]
    random, size = np.random.default_rng(0), 16
    x, out = (random.normal(size=(5, n)).astype(np.float32) for n in (size, 2 * size))
    kept = random.random(size) < 0.5
    expected = norm(out[:, :size], np.exp(out[:, size:] / 2)).logpdf(x)[:, kept].sum(axis=1)
    found = method.m2.log_likelihood({}, {'kept': jnp.asarray(kept)}, x, out)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def evaluate(method, params, mutables, x, label, key):
    context = Context(key=key, step=jnp.asarray(0), hparams={}, train=False)
    return method.evaluate(params, mutables, {'x': x, 'label': label}, context)


def test_without_any_code_kept_the_bound_is_that_of_m1(trained):
    """M2 then says nothing: with z2 at its prior and all classes alike its bound is zero."""
    method, _, state = trained
    params, x, label = dict(state.params), jnp.asarray(scaled('test')[:40]), jnp.arange(40) % 10
    for name in ('m2_encoder', 'm2_classifier'):
        params[name] = jax.tree.map(jnp.zeros_like, params[name])
    nothing = jax.tree.map(jnp.zeros_like, state.mutables)
    keys = jax.random.split(jax.random.key(0), 300)
    found = jax.jit(jax.vmap(lambda key: evaluate(method, params, nothing, x, label, key)))(keys)
    difference = np.mean(found['elbo'] - found['m1_elbo'], axis=0)
    error = np.std(found['elbo'] - found['m1_elbo'], axis=0) / np.sqrt(300)
    np.testing.assert_array_less(np.abs(difference), 4.5 * error)
    np.testing.assert_allclose(found['elbo'] - found['elbo_labelled'], np.log(10), rtol=1e-3)


def test_few_labels_and_a_better_prior_for_the_codes(trained):
    method, between, state = trained
    before, after = (make_evaluator(method, digits().spec, digits().split('test'))(one) for one in (between, state))
    assert after['classification_error'].mean() < 0.14
    assert after['elbo'].mean() > after['m1_elbo'].mean() > 10
    np.testing.assert_allclose(after['m1_elbo'], before['m1_elbo'], rtol=1e-5)


def test_samples_have_the_class_asked_for(trained):
    from sklearn.neighbors import KNeighborsClassifier

    method, _, state = trained
    near = KNeighborsClassifier(5).fit(scaled('train').reshape(-1, 64), digits().split('train')['label'])
    asked = np.tile(np.arange(10), 20)
    drawn = jax.jit(method.conditional_sample)(state.params, state.mutables, jax.random.key(0), jnp.asarray(asked))
    assert np.mean(near.predict(np.reshape(drawn, (-1, 64))) == asked) > 0.6


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'data.num_labelled': 0}, 'm1_m2 learns from few labels'),
        ({'code_threshold': -1.0}, 'code_threshold=-1.0 must be at least 0'),
        ({'m1_epochs': 0}, 'm1_epochs=0 must be at least 1'),
        ({'m1.model.latents': 0}, r'in section m1: model\.latents'),
        ({'m2.model.latents': 0}, r'in section m2: model\.latents'),
        ({'m2.optimizer.learning_rate': -1.0}, r'in section m2: optimizer\.learning_rate=-1\.0 must be at least 0'),
    ],
)
def test_configs_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        methods.build(config(**changes), digits().spec)
