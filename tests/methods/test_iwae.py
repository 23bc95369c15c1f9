"""Importance weighted autoencoders: bounds in their order, a level on real digits, gradients that agree through the networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax import methods
from aejax.evaluation.per_example import make_evaluator
from aejax.types import Context, UserError
from experiments.configs import iwae, vae
from tests.gradients import deviation, slopes
from tests.support import digits, scaled, train

NUM = 300


def config(module=iwae, **changes):
    made = module.get_config()
    with made.unlocked():
        made.update_from_flattened_dict({'model.latents': 8, 'optimizer.learning_rate': 3e-3, 'epochs': 60, **changes})
    return made


def build(module=iwae, **changes):
    return methods.build(config(module, **changes), digits('dynamic_binarisation').spec)


@pytest.fixture(scope='module')
def trained():
    return train(config())


def images(num: int):
    return jnp.round(jnp.asarray(scaled('test')[:num]))


def evaluated(method, state, seed=0):
    dataset = digits('dynamic_binarisation')
    return make_evaluator(method, dataset.spec, dataset.split('test'), seed=seed)(state)


def test_the_bound_reaches_its_level_and_is_above_the_elbo_of_every_image(trained):
    found = evaluated(*trained)
    # Independent pixels give -27.2 nats, a VAE of the same size and training -23.4.
    assert found['iwae_bound'].mean() > -23.2
    assert np.all(found['elbo'] <= found['iwae_bound'] + 1e-4)
    np.testing.assert_allclose(found['elbo'], found['log_likelihood'] - found['kl'], rtol=1e-4, atol=1e-4)


def test_more_samples_raise_the_bound_and_leave_the_elbo(trained):
    found = {k: evaluated(build(num_samples=k), trained[1]) for k in (1, 5, 50)}
    bounds = [found[k]['iwae_bound'].mean() for k in found]
    assert bounds[0] + 0.3 < bounds[1] < bounds[2] - 0.1
    difference = found[5]['elbo'] - found[50]['elbo']
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(300)
    np.testing.assert_allclose(found[1]['elbo'], found[1]['iwae_bound'], rtol=1e-5)


def test_its_elbo_is_that_of_a_vae(trained):
    params, x = trained[1].params, images(10)
    single, several = build(vae), build(num_samples=50)

    @jax.jit
    @jax.vmap
    def both(key):
        keys = jax.random.split(key)
        context = Context(key=keys[1], step=jnp.asarray(0), hparams={}, train=False)
        return single.bound(params, x, keys[0], 1.0)['elbo'], several.evaluate(params, {}, {'x': x}, context)['elbo']

    exact, sampled = (np.asarray(leaf) for leaf in both(jax.random.split(jax.random.key(0), NUM)))
    error = np.sqrt((exact.var(axis=0) + sampled.var(axis=0)) / NUM)
    np.testing.assert_array_less(np.abs(exact.mean(axis=0) - sampled.mean(axis=0)), 4.5 * error)


@pytest.mark.parametrize('kind', ['standard', 'vamp'])
def test_dreg_and_plain_gradients_agree_through_encoder_decoder_and_prior(trained, kind):
    """A VampPrior reaches the encoder's parameters beside q, and there the ordinary weights hold."""
    shared = {'prior.kind': kind, 'prior.components': 4, 'num_samples': 4}
    params = {**trained[1].params, **build(**shared).prior.init(jax.random.key(3))}
    both = [build(**shared, gradient=gradient) for gradient in ('plain', 'dreg')]
    plain, dreg = (slopes(method, params, {'x': images(5)}, NUM, seed) for seed, method in enumerate(both))
    for name in plain:
        assert np.max(deviation(plain[name], dreg[name])) < 4.5, name
    assert np.sum(dreg['encoder'].var(axis=0)) < 0.8 * np.sum(plain['encoder'].var(axis=0))


def test_the_objective_names_the_loss():
    params, batch = jax.jit(build().init)(jax.random.key(0), {'x': images(5)})[0], {'x': images(5)}
    for objective, bound in (('iwae', 'iwae_bound'), ('vae', 'elbo')):
        context = Context(key=jax.random.key(1), step=jnp.asarray(0), hparams={})
        out = jax.jit(build(objective=objective).loss)(params, {}, batch, context)
        np.testing.assert_allclose(out.loss, -np.mean(out.metrics[bound]), rtol=1e-6)
        assert np.all(out.metrics['iwae_bound'] > out.metrics['elbo'])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'objective': 'elbo'}, "objective is 'elbo'; choose one of iwae, vae"),
        ({'gradient': 'vimco'}, "gradient is 'vimco'; choose one of plain, stl, dreg"),
        ({'gradient': 'dreg', 'objective': 'vae'}, "gradient='dreg' belongs to objective='iwae'"),
        ({'num_samples': 0}, 'num_samples=0 must be at least 1'),
    ],
)
def test_configs_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        build(**changes)
