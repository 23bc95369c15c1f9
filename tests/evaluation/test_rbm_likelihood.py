"""Partition functions: exact against brute force, annealed importance sampling against exact, on an RBM of real digits."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import chisquare, norm

from aejax.distributions import bernoulli
from aejax.evaluation import rbm_likelihood
from aejax.evaluation.rbm_likelihood import ais, base_rate_bias, exact_log_z, inverse_temperatures, log_prob, reverse_ais
from aejax.models import rbm
from aejax.types import UserError
from experiments.configs import rbm as configs
from tests.support import digits, scaled, train

NUM_HIDDEN = 15


def machine(num_visible: int, num_hidden: int, std: float = 1.0) -> dict[str, jax.Array]:
    draw = np.random.default_rng(2).normal
    shapes = {'kernel': (num_visible, num_hidden), 'visible_bias': (num_visible,), 'hidden_bias': (num_hidden,)}
    return {name: jnp.asarray(std * draw(size=shape), jnp.float32) for name, shape in shapes.items()}


def transposed(params):
    """The same machine with its sides exchanged."""
    swapped = {'visible_bias': params['hidden_bias'], 'hidden_bias': params['visible_bias']}
    return {'kernel': params['kernel'].T, **swapped}


def binary(num: int) -> np.ndarray:
    return (np.arange(2**num)[:, None] >> np.arange(num) & 1).astype(np.float64)


def hidden_log_weights(params, visible) -> np.ndarray:
    """Unnormalised log p(h) of all h of `binary`, float64."""
    W, b, c = (np.asarray(params[name], np.float64) for name in ('kernel', 'visible_bias', 'hidden_bias'))
    h = binary(len(c))
    eta = b + h @ W.T
    gaussian = 0.5 * (np.square(eta) + np.log(2 * np.pi)).sum(axis=1)
    return h @ c + (np.logaddexp(0, eta).sum(axis=1) if visible is rbm.BINARY else gaussian)


def exact_samples(params, num: int, visible=rbm.BINARY) -> jax.Array:
    log_p = hidden_log_weights(params, visible)
    chosen = np.random.default_rng(3).choice(len(log_p), num, p=np.exp(log_p - logsumexp(log_p)))
    h = jnp.asarray(binary(int(np.log2(len(log_p))))[chosen], jnp.float32)
    return visible.sample(jax.random.key(4), rbm.visible_parameter(params, h))


@pytest.mark.parametrize(('num_visible', 'num_hidden'), [(7, 9), (6, 6)])
def test_exact_log_z_by_brute_force_from_both_sides(num_visible, num_hidden):
    params = machine(num_visible, num_hidden)
    v, h = binary(num_visible), binary(num_hidden)
    W, b, c = (np.asarray(params[name], np.float64) for name in ('kernel', 'visible_bias', 'hidden_bias'))
    expected = logsumexp((v @ b)[:, None] + (h @ c)[None, :] + v @ W @ h.T)
    for chunk in (10, 2**13):
        assert exact_log_z(params, chunk=chunk) == pytest.approx(expected, abs=2e-5)
        assert exact_log_z(transposed(params), chunk=chunk) == pytest.approx(expected, abs=2e-5)
    log_p = np.asarray(log_prob(params, jnp.asarray(v, jnp.float32), exact_log_z(params)), np.float64)
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize('visible', [rbm.BINARY, rbm.GAUSSIAN])
def test_exact_draws_have_the_probabilities_of_the_model(visible):
    params = machine(5, 3, 0.5)
    v, h = rbm_likelihood.exact_samples(params, jax.random.key(0), 5_000, visible, chunk=4)
    log_p = hidden_log_weights(params, visible)
    counts = np.bincount(np.asarray(h, int) @ (1, 2, 4), minlength=8)
    assert chisquare(counts, 5_000 * np.exp(log_p - logsumexp(log_p))).pvalue > 1e-3
    mean = np.asarray(visible.mean(rbm.visible_parameter(params, h)))
    assert v.shape == (5_000, 5)
    assert np.abs((np.asarray(v) - mean).mean(axis=0)).max() < 5 / np.sqrt(5_000)


def test_exact_log_z_of_gaussian_units_integrates_the_free_energy():
    params = machine(1, 4)
    v = np.linspace(-15, 15, 3001)
    log_p = np.asarray(log_prob(params, jnp.asarray(v[:, None]), exact_log_z(params, rbm.GAUSSIAN), rbm.GAUSSIAN), np.float64)
    assert np.trapezoid(np.exp(log_p), v) == pytest.approx(1, abs=1e-4)


def test_a_machine_without_weights_is_its_base_rate():
    x = np.random.default_rng(0).normal(2, 1, (500, 3))
    params = {**machine(3, 2), 'kernel': jnp.zeros((3, 2)), 'visible_bias': jnp.asarray(base_rate_bias(x, rbm.GAUSSIAN))}
    found = log_prob(params, jnp.asarray(x, jnp.float32), exact_log_z(params, rbm.GAUSSIAN), rbm.GAUSSIAN)
    np.testing.assert_allclose(found, norm.logpdf(x, x.mean(axis=0)).sum(axis=1), rtol=1e-4)


@functools.cache
def of_digits(visible=rbm.BINARY):
    """An RBM with few hidden units trained on the digits, with data and base-rate biases."""
    config = configs.get_config('' if visible is rbm.BINARY else 'gaussian')
    config.model.latents, config.epochs = NUM_HIDDEN, 40
    config.optimizer.learning_rate *= 2
    params = train(config)[1].params['rbm']
    split = {name: digits(config.data.preprocessing).split(name)['x'] for name in ('train', 'test')}
    if visible is rbm.BINARY:
        draw = np.random.default_rng(0).random
        split = {name: (draw(scaled(name).shape) < scaled(name)).astype(np.float32) for name in split}
    return params, jnp.asarray(split['test'].reshape(-1, 64)), base_rate_bias(split['train'], visible)


def test_training_on_digits_raises_the_exact_likelihood():
    params, x, base = of_digits()
    base_rate = float(np.mean(bernoulli.log_prob(x, jnp.broadcast_to(base[None, :], x.shape))))
    assert base_rate == pytest.approx(-27.2, abs=0.2)
    found = float(np.mean(log_prob(params, x, exact_log_z(params))))
    assert found > -24  # -23.4 after 200 epochs


def test_training_on_digits_raises_the_exact_density():
    params, x, base = of_digits(rbm.GAUSSIAN)
    found = float(np.mean(log_prob(params, x, exact_log_z(params, rbm.GAUSSIAN), rbm.GAUSSIAN)))
    assert found > norm.logpdf(x, base).sum(axis=1).mean() + 5


@pytest.mark.parametrize('visible', [rbm.BINARY, rbm.GAUSSIAN])
def test_annealed_importance_sampling_brackets_the_exact_log_z(visible):
    params, _, base = of_digits(visible)
    exact, betas = exact_log_z(params, visible), inverse_temperatures(300)
    forward = ais(params, jax.random.key(0), base, betas, 100, visible)
    backward = reverse_ais(params, jax.random.key(1), base, exact_samples(params, 100, visible), betas, visible)
    for found in (forward, backward):
        assert found.log_z == pytest.approx(exact, abs=0.1)
        assert found.lower <= exact <= found.upper
        assert 0.02 < found.standard_error < 0.1
    # Jensen: the mean of log weights lies below log Z forward and above it in reverse.
    assert forward.log_weights.mean() < exact < backward.log_weights.mean()


def test_few_temperatures_show_on_which_side_each_direction_errs():
    params, _, base = of_digits()
    exact, betas = exact_log_z(params), np.linspace(0, 1, 5)
    assert ais(params, jax.random.key(0), base, betas).log_weights.mean() < exact - 0.5
    assert reverse_ais(params, jax.random.key(0), base, exact_samples(params, 100), betas).log_weights.mean() > exact + 0.5


def test_without_a_temperature_in_between_it_is_importance_sampling():
    params, base = machine(5, 4, 0.5), np.zeros(5, np.float32)
    log_p = np.asarray(-rbm.free_energy(params, jnp.asarray(binary(5), jnp.float32)), np.float64)
    possible = log_p + 5 * np.log(2)
    for found in (
        ais(params, jax.random.key(0), base, [0, 1], 20_000),
        reverse_ais(params, jax.random.key(0), base, binary(5), [0, 1]),
    ):
        assert np.all(np.abs(found.log_weights[:, None] - possible[None, :]).min(axis=1) < 1e-4)
    forward = ais(params, jax.random.key(0), base, [0, 1], 20_000)
    assert forward.log_z == pytest.approx(exact_log_z(params), abs=4 * forward.standard_error)


def test_the_standard_error_is_the_spread_of_repeated_estimates():
    params, base = machine(6, 5), np.zeros(6, np.float32)
    runs = [ais(params, jax.random.key(seed), base, np.linspace(0, 1, 6), 400) for seed in range(60)]
    errors = np.asarray([run.standard_error for run in runs])
    assert np.std([run.log_z for run in runs], ddof=1) == pytest.approx(errors.mean(), rel=0.35)
    inside = np.mean([run.lower < exact_log_z(params) < run.upper for run in runs])
    assert inside > 0.9


def test_base_rates_are_finite_and_near_the_data():
    x = scaled('train')
    bias = base_rate_bias(x)
    assert np.all(np.isfinite(bias))
    np.testing.assert_allclose(1 / (1 + np.exp(-bias)), x.reshape(-1, 64).mean(axis=0), atol=1e-3)


def test_the_ladder_is_that_of_the_paper():
    betas = inverse_temperatures()
    assert len(betas) == 14_500
    assert [np.sum(betas < end) for end in (0.5, 0.9)] == [500, 4500]
    assert np.all(np.diff(betas) > 0)


def test_the_shortest_ladder_still_begins_at_zero():
    betas = inverse_temperatures(29)
    assert (len(betas), betas[0], betas[1], betas[-1]) == (29, 0, 0.5, 1)
    with pytest.raises(ValueError, match='at least 29'):
        inverse_temperatures(28)


def test_what_cannot_be():
    with pytest.raises(UserError, match='this RBM has 64 visible and 23 hidden ones: use ais'):
        exact_log_z(machine(64, 23))
    with pytest.raises(UserError, match='at most 22 units can be summed out'):
        exact_log_z(machine(3, 23), rbm.GAUSSIAN)
    assert rbm_likelihood.LARGEST_EXACT == 22
    with pytest.raises(ValueError, match='betas must rise from 0 to 1'):
        ais(machine(3, 2), jax.random.key(0), np.zeros(3), [0, 0.5])
    with pytest.raises(ValueError, match='betas must rise from 0 to 1'):
        ais(machine(3, 2), jax.random.key(0), np.zeros(3), [])
    with pytest.raises(ValueError, match='num_chains=0 must be at least 1'):
        ais(machine(3, 2), jax.random.key(0), np.zeros(3), num_chains=0)
    with pytest.raises(ValueError, match='samples are empty'):
        reverse_ais(machine(3, 2), jax.random.key(0), np.zeros(3), np.zeros((0, 3)))


def test_the_interval_is_three_standard_errors_of_the_mean_weight():
    params, base = machine(6, 5, 0.3), np.zeros(6, np.float32)
    forward = ais(params, jax.random.key(0), base, [0, 0.5, 1], 400)
    backward = reverse_ais(params, jax.random.key(0), base, exact_samples(params, 400), [0, 0.5, 1])
    for found, sign in ((forward, 1), (backward, -1)):
        weights = np.exp(sign * found.log_weights)
        error = weights.std(ddof=1) / np.sqrt(400)
        expected = np.log(weights.mean() + np.asarray([-3, 0, 3]) * error)
        ends = [found.lower, found.log_z, found.upper]
        np.testing.assert_allclose(ends if sign == 1 else [-end for end in ends[::-1]], expected, rtol=1e-5)
        assert found.standard_error == pytest.approx(error / weights.mean(), rel=1e-5)
