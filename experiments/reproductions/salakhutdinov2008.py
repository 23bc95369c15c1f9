"""Salakhutdinov & Murray 2008: annealed importance sampling of an RBM's partition function, held against the exact one."""

from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.evaluation import rbm_likelihood
from aejax.models import rbm as machine
from aejax.types import Array, TrainState
from experiments.configs import rbm
from experiments.reproductions.base import Bench, Outcome, Part, Reproduction
from experiments.reproductions.figures import Figure, Tolerance, over_examples, over_seeds
from experiments.reproductions.parts import Values, inputs, run_part

NUM_CHAINS = 100
FEWER_CHAINS = 25
"""Beside all of them: how much the estimate depends on their number."""
# Gibbs steps from training images to the draws of the model with which the reverse chains begin.
BURN_IN = 10_000
SMALL = 20
"""Hidden units of the machine whose log Z is summed exactly."""


def binary(dataset: Dataset, split: str, rows: slice = slice(None)) -> Array:
    """These images of a split, binarised by one seeded draw, [n, D]."""
    x = inputs(dataset, split, rows)
    return x.reshape(len(x), -1)


def measure(method: Any, dataset: Dataset, state: TrainState) -> Values:
    """log Z by AIS both ways with three standard errors either side, the exact one of a small machine, and -F(v) on test.

    'reverse' begins at exact draws of a small machine, else at the ends of Gibbs chains; of a small machine 'reverse_from_chains'
    begins there. 'forward_fewer' is the forward estimate from FEWER_CHAINS of its chains.
    """
    params, key = state.params['rbm'], jax.random.key(17)
    forward_key, burn_key, reverse_key = jax.random.split(key, 3)
    base = rbm_likelihood.base_rate_bias(np.asarray(binary(dataset, 'train')))
    forward = rbm_likelihood.ais(params, forward_key, base, num_chains=NUM_CHAINS)
    burn = jax.jit(machine.gibbs_chain, static_argnums=3)
    chains = burn(params, burn_key, binary(dataset, 'train', slice(NUM_CHAINS)), BURN_IN)
    estimates = {'forward': forward, 'reverse': rbm_likelihood.reverse_ais(params, reverse_key, base, chains)}
    found = {'minus_free_energy': -np.asarray(machine.free_energy(params, binary(dataset, 'test')))}
    if params['kernel'].shape[1] <= SMALL:
        samples, _ = rbm_likelihood.exact_samples(params, burn_key, NUM_CHAINS)
        estimates['reverse_from_chains'] = estimates['reverse']
        estimates['reverse'] = rbm_likelihood.reverse_ais(params, reverse_key, base, samples)
        found['exact'] = np.asarray(rbm_likelihood.exact_log_z(params))
    for name, estimate in estimates.items():
        found[name] = np.asarray([estimate.log_z, estimate.lower, estimate.upper, estimate.standard_error])
    fewer = forward.log_weights[:FEWER_CHAINS]
    return {**found, 'forward_fewer': np.logaddexp.reduce(fewer) - np.log(len(fewer))}


def small_config() -> ConfigDict:
    """configs/rbm.py:cd25 with few hidden units, CD-1, and the plain gradient at a constant rate."""
    made = rbm.get_config('cd25')
    made.model.latents, made.cd_steps, made.centred = SMALL, 1, False
    made.epochs, made.optimizer.schedule = 30, 'constant'
    return made


def _likelihoods(part: Part, log_z: np.ndarray) -> np.ndarray:
    """Test log-likelihoods in nats, [seeds, n]."""
    return part.values['minus_free_energy'] - log_z[:, None]


def _fewer(part: Part) -> Figure:
    difference = over_seeds(part.values['forward_fewer'] - part.values['forward'][:, 0])
    return Figure(f'log Z by forward AIS, {FEWER_CHAINS} chains minus {NUM_CHAINS}', difference, 'nats')


def run_exact(bench: Bench) -> Outcome:
    """A machine of 20 hidden units: AIS both ways beside the exact log Z."""
    part = run_part(bench, f'RBM, {SMALL} hidden units', small_config(), measure)
    exact = part.values['exact']
    likelihood = over_examples(_likelihoods(part, exact))
    figures = [
        Figure(f'log Z by {name} AIS minus the exact one', over_seeds(part.values[name][:, 0] - exact), 'nats', '0', bound)
        for name in ('forward', 'reverse')
        for bound in (Tolerance('within ±', 1.0),)
    ]
    from_chains = over_seeds(part.values['reverse_from_chains'][:, 0] - exact)
    figures += [
        Figure('the same by reverse AIS that begins at Gibbs chains', from_chains, 'nats', '0'),
        _fewer(part),
        Figure('test log-likelihood, by the exact log Z', likelihood, 'nats'),
    ]
    return Outcome(figures, {f'{SMALL} hidden units': part})


def run_cd25(bench: Bench) -> Outcome:
    """The machine of 500 hidden units."""
    part = run_part(bench, 'RBM, 500 hidden units, CD-25', rbm.get_config('cd25'), measure, bench.seeds[:1])
    forward, reverse = part.values['forward'], part.values['reverse']
    gap = over_seeds(reverse[:, 0] - forward[:, 0])
    figures = [
        Figure('log Z, reverse minus forward AIS', gap, 'nats', '', Tolerance('within ±', 2.0)),
        _fewer(part),
        Figure(
            'test log-likelihood, by forward AIS',
            over_examples(_likelihoods(part, forward[:, 0])),
            'nats',
            '-86.34 (from memory)',
        ),
        Figure('test log-likelihood, by reverse AIS', over_examples(_likelihoods(part, reverse[:, 0])), 'nats'),
        Figure('its fall at log Z three standard errors higher', over_seeds(forward[:, 2] - forward[:, 0]), 'nats'),
    ]
    return Outcome(figures, {'500 hidden units': part})


SOURCE = (
    'Salakhutdinov & Murray 2008, On the quantitative analysis of deep belief networks, https://doi.org/10.1145/1390156.1390266'
)
_AIS = (
    f'AIS: {NUM_CHAINS} chains, 14,500 temperatures spaced as in the paper, from the base-rate model; in reverse from '
    '{draws}. Test images are binarised by one seeded Bernoulli draw, training images afresh at every use.'
)
_CHAINS = f'the ends of {BURN_IN:,} Gibbs steps begun at training images'
_EXACT_DRAWS = f'exact draws of the model, and beside it from {_CHAINS}'
TABLES = (
    Reproduction(
        name='salakhutdinov2008.exact',
        title='RBM of 20 hidden units: AIS against the exact log Z',
        source=SOURCE,
        protocol=f'784-{SMALL} binary units, CD-1, gradient descent at 0.05 with momentum 0.5, 30 epochs, batches of 100. The '
        f'exact log Z sums over all 2^{SMALL} hidden configurations. {_AIS.format(draws=_EXACT_DRAWS)}',
        target='log Z by AIS, forward and reverse, within 1 nat of the exact one with every seed',
        chosen='Nothing was searched.',
        run=run_exact,
        num_samples=NUM_CHAINS,
    ),
    Reproduction(
        name='salakhutdinov2008.cd25',
        title='RBM of 500 hidden units, CD-25',
        source=SOURCE,
        protocol='784-500 binary units, CD-25, the centred gradient, gradient descent at 0.05 with momentum 0.5 and cosine '
        f'decay, 40 epochs, batches of 100. {_AIS.format(draws=_CHAINS)}',
        target='log Z by forward and by reverse AIS within 2 nats of each other',
        chosen='The gradient, by the log-likelihood of validation images and by the gap between the directions, in pilots of 8 '
        'to 20 epochs with one seed. The epochs were set by the time they take.',
        run=run_cd25,
        num_samples=NUM_CHAINS,
    ),
)
