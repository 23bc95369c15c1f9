"""What the adversarial reproductions measure and judge, without their training."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from aejax.evaluation.clusters import cluster_errors, cluster_labels
from aejax.evaluation.parzen import parzen
from aejax.runs.clusters import cluster_figures
from aejax.types import TrainState
from experiments.reproductions import makhzani2015 as module
from experiments.reproductions.base import Bench, Part
from experiments.reproductions.results import content
from tests.support import digits, scaled

STATE = TrainState(jnp.asarray(0), {}, {}, {}, {}, None)


class Given:
    """Samples are training images, and logits of twelve clusters are pixels."""

    def sample(self, params: Any, mutables: Any, key: Any, num: int) -> Any:
        return jnp.asarray(scaled('train')[:num])

    def cluster_logits(self, params: Any, mutables: Any, x: Any) -> Any:
        return x.reshape(len(x), -1)[:, 20:32]


def stub_training(monkeypatch: pytest.MonkeyPatch, values: Any) -> None:
    """In place of training and measuring: `values` (name of the part, measure) -> what is measured of one seed."""

    def run_part(bench: Bench, name: str, config: Any, measure: Any, seeds: Any = (0,)) -> Part:
        stacked = {key: np.asarray(value)[None] for key, value in values(name, measure).items()}
        return Part(config, tuple(seeds), digits().describe(), stacked, (0.1,))

    monkeypatch.setattr(module, 'run_part', run_part)


def test_parzen_windows_are_those_of_the_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, 'NUM_SAMPLES', 300)
    found = module.measure_parzen(Given(), digits(), STATE)  # type: ignore[arg-type]
    expected = parzen(scaled('train')[:300], scaled('validation'), scaled('test'))
    assert found['parzen'].shape == (300,)
    assert found['parzen'].mean() == pytest.approx(expected['log_likelihood']['mean'], rel=1e-6)
    assert found['sigma'] == expected['sigma']
    np.testing.assert_allclose(found['grid'], [row['validation'] for row in expected['grid']], rtol=1e-6)


def test_clusters_are_named_by_validation_images() -> None:
    found = module.measure_clusters(Given(), digits(), STATE)['cluster_error']
    assert found.mean() == cluster_figures(Given(), digits(), STATE, 'test')['cluster_error']['mean']  # type: ignore[arg-type]
    logits, label = scaled('test').reshape(300, 64)[:, 20:32], digits().split('test')['label']
    assert not np.array_equal(found, cluster_errors(logits, label, cluster_labels(logits, label)))


@pytest.mark.parametrize(('nats', 'verdict'), [(325.0, 'reproduced'), (324.9, 'missed'), (-8.0, 'missed')])
def test_only_the_log_likelihood_of_the_autoencoder_is_judged(monkeypatch: pytest.MonkeyPatch, nats: float, verdict: str) -> None:
    stub_training(monkeypatch, lambda name, measure: {'parzen': np.full(5, nats), 'sigma': 0.1291})
    figures = module.run_parzen(Bench((0, 1), smoke=True)).figures
    assert [figure.verdict for figure in figures] == [verdict, 'stated']
    assert all(len(figure.measured.per_seed) == 1 for figure in figures)


def test_how_codes_fit_a_prior_stands_beside_how_the_prior_fits_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = {
        'mmd_squared': {'value': 0.3, 'prior_mean': 0.01, 'prior_std': 0.02},
        'classifier_accuracy': {'value': 0.8, 'prior_mean': 0.5, 'prior_std': 0.04},
    }
    monkeypatch.setattr(module, 'prior_figures', lambda *arguments: fit)
    monkeypatch.setattr(module, 'metrics', lambda *arguments: {'test_squared_error': np.ones(300)})
    monkeypatch.setattr(module, 'encode_split', lambda *arguments: np.zeros((300, 2)))
    monkeypatch.setattr('aejax.visualization.latents.latent_map', lambda *arguments, **named: None)
    stub_training(monkeypatch, lambda name, measure: measure(None, digits(), None))
    bench = Bench((0,), smoke=True)
    outcome = module.run_priors(bench)
    rows = {figure.name: figure.measured for figure in outcome.figures}
    assert rows['MMD², codes and mixture prior'].mean == 0.3
    assert rows['MMD², two samples of the mixture prior'][:2] == (0.01, 0.02)
    assert rows['told apart by a support vector machine, codes and swiss_roll prior'].mean == 0.8
    assert rows['told apart by a support vector machine, two samples of the normal prior'].mean == 0.5
    (table,) = (table for table in module.TABLES if table.name == 'makhzani2015.priors')
    assert content(table, outcome, bench)['verdict'] == 'missed', '0.8 are told apart'
    fit['classifier_accuracy']['value'] = module.TOLD_APART
    assert content(table, module.run_priors(bench), bench)['verdict'] == 'reproduced'


def nets(config: Any) -> str:
    """'784-1000-1000', of the encoder of a config for MNIST."""
    return '-'.join(map(str, (784, *config.model.hidden)))


def adam(config: Any, name: str) -> str:
    """'at 2e-4 NAME (b1 0.9)', NAME said as protocols do."""
    section = config.optimizers[name]
    digits, power = f'{section.learning_rate:.1e}'.split('e')
    what = 'adversaries' if name == 'generator' else name
    return f'at {digits.removesuffix(".0")}e{int(power)} for the {what} (b1 {section.b1})'


def test_protocols_name_what_was_trained() -> None:
    said = {table.name.split('.')[1]: table.protocol for table in module.TABLES}
    plain, gan = (module.parzen_configs()[name] for name in ('adversarial autoencoder', 'GAN'))
    plane, clusters, semi = module.prior_config('normal'), module.clustering_config(30), module.semi_supervised_config(100)
    phrases = {
        'parzen': [
            f'{nets(plain)}-{plain.model.latents} and mirrored',
            f'dropout {plain.model.dropout} in encoder, decoder and discriminator',
            f'N(0, {plain.prior.scale:g}^2 I)',
            f'{adam(plain, "reconstruction")} and {adam(plain, "generator")}, batches of {plain.batch_size}',
            f'{plain.epochs} epochs. The GAN',
            f'dropout {gan.discriminator.dropout} in D, labels smoothed to {gan.real_label}',
            f'{gan.epochs} epochs. ',
        ],
        'priors': [
            f'{nets(plane)}-{plane.model.latents} and mirrored',
            f'N(0, {plane.prior.scale:g}^2 I)',
            f'{adam(plane, "reconstruction")} and {adam(plane, "generator")}',
            f'cosine over {plane.epochs} epochs, batches of {plane.batch_size}',
        ],
        'clustering': [
            f'{nets(clusters)}-(K + {clusters.model.latents}) and mirrored',
            f'dropout {clusters.model.dropout} in encoder and decoder',
            f'{adam(clusters, "reconstruction")} and {adam(clusters, "generator")}',
            f'cosine over {clusters.epochs} epochs, batches of {clusters.batch_size}',
        ],
        'semi_supervised': [
            f'{nets(semi)}-(10 + {semi.model.latents}) and mirrored',
            f'noise of {semi.input_noise} on the input',
            f'dropout {semi.model.dropout} in encoder and decoder',
            adam(semi, 'generator'),
            f'cosine over {semi.epochs} epochs',
            f'steps of {semi.batch_size} images and {semi.data.labelled_batch_size} or',
        ],
    }
    for name, expected in phrases.items():
        for phrase in expected:
            assert phrase in said[name], name
    rates = {name: section.learning_rate for name, section in semi.optimizers.items()}
    assert rates == {'reconstruction': 1.6e-3, 'classification': 1.6e-3, 'discriminator': 8e-4, 'generator': 8e-4}
    assert 'Adam at 1.6e-3 for reconstruction and classification (b1 0.9)' in said['semi_supervised']
    assert {section.eps for section in semi.optimizers.values()} == {1e-6}
    for config in (clusters, semi):
        assert {section.schedule for section in config.optimizers.values()} == {'cosine'}
        assert config.optimizers.discriminator == config.optimizers.generator
        assert config.category_discriminator.spectral_norm
        assert not config.discriminator.spectral_norm
