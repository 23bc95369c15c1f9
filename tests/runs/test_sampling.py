"""What a run says of its samples and of how its codes fit the prior."""

import copy
import shutil

import jax
import numpy as np
import pytest

import aejax
from aejax import data, methods
from aejax.evaluation.parzen import SIGMAS
from aejax.evaluation.samples import draw
from aejax.files import write_json
from aejax.runs import figures, modes, sampling
from aejax.runs.codes import draw_codes, encode_split
from aejax.runs.sampling import figures_of_attribute, final_samples, sample_tables
from aejax.runs.setup import Folders, check
from aejax.runs.train import train
from aejax.training import loop
from aejax.training.sources import Resident
from aejax.types import UserError
from aejax.visualization.report import write_report
from aejax.visualization.verdict import verdict
from experiments.configs import ae, conditional_aae, vae
from tests.running import Heard, config, no_pictures, read
from tests.support import digits

COUNTS = {'evaluation.importance_samples': 0, 'evaluation.parzen_samples': 600, 'evaluation.samples': 200}


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp('sampled') / 'run'
    with no_pictures():
        train(config(vae, **COUNTS), folder)
    return folder


def head(page: str) -> str:
    return page.split('<header>')[1].split('</header>')[0]


def section(page: str, name: str) -> str:
    return page.split(f'id="{name}"')[1].split('</section>')[0]


def test_the_summary_has_all_three(run):
    summary = read(run, 'summary')
    assert (summary['parzen']['samples'], summary['parzen']['num_validation']) == (600, 200)
    assert [row['sigma'] for row in summary['parzen']['grid']] == pytest.approx(SIGMAS)
    assert summary['parzen']['log_likelihood']['n'] == 300
    assert summary['modes']['samples'] == 200
    assert len(summary['modes']['shares']) == 10
    assert summary['prior_fit']['points'] == 300
    assert summary['prior_fit']['mmd_squared']['value'] > 0
    assert abs(summary['prior_fit']['mmd_squared']['prior_mean']) < 0.1


def test_evaluating_again_gives_the_same_figures_and_prints_them(run, tmp_path):
    folder, heard = shutil.copytree(run, tmp_path / 'run'), Heard()
    result, stored = modes.evaluate(folder, 'test', 'last', Folders(), heard), read(run, 'summary')
    assert result['parzen']['log_likelihood']['mean'] == pytest.approx(stored['parzen']['log_likelihood']['mean'], rel=1e-4)
    assert result['modes']['shares'] == pytest.approx(stored['modes']['shares'], abs=0.02)
    printed = '\n'.join(heard.lines)
    assert 'Parzen log-likelihood, 600 samples' in printed
    assert 'codes against prior: mmd_squared' in printed


def test_a_collapse_is_said_in_the_report(run, tmp_path):
    folder, summary = shutil.copytree(run, tmp_path / 'run'), copy.deepcopy(read(run, 'summary'))
    summary['modes'] |= {'collapsed': True, 'missing': [3, 7], 'alike': False, 'alike_within_classes': True}
    write_json(folder / 'summary.json', summary)
    page = write_report(folder).read_text(encoding='utf-8')
    reasons = 'classes 3, 7 hardly ever or never drawn; the samples of a class differ far less than the data of that class do.'
    assert f'The model collapsed: {reasons}' in section(page, 'modes')
    assert f'Finished, but the model collapsed: {reasons}' in head(page)
    assert 'badge warn' in head(page)
    assert 'Diversity within classes' in section(page, 'modes')
    assert 'nats per image' in section(page, 'parzen')
    assert section(page, 'parzen').count('<tr>') == 11
    assert 'what two samples of the prior itself get' in section(page, 'prior_fit')
    summary['modes'] |= {'collapsed': False, 'missing': [], 'alike_within_classes': False}
    del summary['parzen'], summary['prior_fit']
    write_json(folder / 'summary.json', summary)
    page = write_report(folder).read_text(encoding='utf-8')
    assert 'No class is missing' in section(page, 'modes')
    assert 'badge good' in head(page)
    assert 'collapsed' not in head(page)
    assert 'id="parzen"' not in page
    assert 'id="prior_fit"' not in page


@pytest.mark.parametrize(
    ('found', 'kind', 'sentence'),
    [
        ({'samples': 1000, 'not_finite': 12, 'collapsed': None}, 'warn', '12 of 1,000 samples are not finite'),
        ({'samples': 20, 'not_finite': 0, 'diversity': 0.1, 'collapsed': None}, 'none', '20 samples are too few'),
        ({'samples': 100, 'collapsed': True, 'diversity': 0.1}, 'warn', 'collapsed: the samples differ far less than data do.'),
        ({'samples': 60, 'collapsed': None, 'alike': False, 'rare': [3]}, 'none', 'too few to say whether class 3 is missing.'),
        ({'samples': 60, 'collapsed': None, 'alike': False, 'rare': [3, 4]}, 'none', 'whether classes 3, 4 are missing.'),
        (
            {'samples': 100, 'collapsed': False, 'diversity': 0.5},
            'good',
            'between two samples is 0.50 times that between two of the',
        ),
        (
            {'samples': 100, 'collapsed': False, 'missing': [], 'diversity': 1.0, 'within_class_diversity': 0.31},
            'good',
            'No class is missing. The distance between two samples is 1.0 times that between two of the data, '
            'and 0.31 times within a class.',
        ),
        ({}, 'good', ''),
    ],
)
def test_samples_come_to_a_sentence(found, kind, sentence):
    """A summary from before the reasons were in it (the third) has them from what it says."""
    assert verdict(found)[0] == kind
    assert sentence in verdict(found)[1]
    tables = sample_tables('test', {'modes': found})
    assert len(tables) == (kind == 'warn')
    assert all(line.startswith('warning: ') and sentence in line for line in tables)


def test_samples_that_are_not_finite_are_told_as_such_in_the_report(run, tmp_path):
    folder, summary = shutil.copytree(run, tmp_path / 'run'), copy.deepcopy(read(run, 'summary'))
    write_json(folder / 'summary.json', {**summary, 'modes': {'samples': 200, 'not_finite': 3, 'collapsed': None}})
    page = write_report(folder).read_text(encoding='utf-8')
    assert '3 of 200 samples are not finite' in section(page, 'modes')
    assert 'differ' not in section(page, 'modes')
    assert 'Finished, but 3 of 200 samples are not finite' in head(page)


def ordered_rows(monkeypatch, name, num):
    """What a figure takes, where it takes `num` of 300."""
    monkeypatch.setattr(sampling, name, num)
    return np.linspace(0, 299, num).round().astype(int)


def test_codes_and_progressions_are_of_examples_from_all_over(monkeypatch):
    taken, dataset = {}, data.load('digits:thickness')
    method = methods.build(conditional_aae.get_config(), dataset.spec)
    state = loop.initial_state(method, Resident(dataset.split('train'), 1), dataset.spec, 0)
    rows = ordered_rows(monkeypatch, 'NUM_PROGRESSIONS', 60)
    monkeypatch.setattr(sampling, 'progressions', lambda method, state, x, levels: taken.update(x=x))
    monkeypatch.setattr(sampling, 'progression_figures', lambda drawn, label, *functions: taken.update(label=label) or {})
    figures_of_attribute(method, dataset, state, 'test')
    np.testing.assert_array_equal(taken['label'], dataset.split('test')['label'][rows])
    np.testing.assert_allclose(taken['x'], dataset.split('test')['x'][rows] / 255, rtol=1e-6)
    rows = ordered_rows(monkeypatch, 'NUM_POINTS', 9)
    monkeypatch.setattr(sampling, 'draw_codes', lambda *arguments: np.arange(300)[:, None])
    monkeypatch.setattr(sampling, 'prior_fit', lambda codes, prior: codes)
    np.testing.assert_array_equal(sampling.prior_figures(method, dataset, state, 'test', 0)[:, 0], rows)


def test_codes_are_draws_of_the_posterior_and_samples_are_as_many_as_asked_for(run):
    loaded = aejax.load(run)
    method, state, dataset = loaded.method, loaded.state, digits('dynamic_binarisation')
    drawn, means = draw_codes(method, dataset, state, 'test'), encode_split(method, dataset, state, 'test')
    assert drawn.shape == means.shape
    _, log_variance = jax.jit(method.posterior)(state.params, {}, dataset.split('test')['x'].astype(np.float32) / 255)
    assert np.std(drawn - means) == pytest.approx(np.sqrt(np.mean(np.exp(log_variance))), rel=0.2)
    samples = draw(method, state, 25, 0, batch_size=10)
    assert samples.shape == (25, 8, 8, 1)
    assert len(np.unique(samples.round(5), axis=0)) == 25


def test_progressions_are_measured_drawn_and_told(run, tmp_path):
    dataset = data.load('digits:thickness')
    method = methods.build(conditional_aae.get_config(), dataset.spec)
    state = loop.initial_state(method, Resident(dataset.split('train'), 1), dataset.spec, 0)
    found = figures_of_attribute(method, dataset, state, 'test')
    assert (found['name'], found['examples'], found['levels']) == ('thickness', 300, 5)
    assert np.all(np.diff(found['data_measured']) > 0)
    assert found['class_of_data'] > 0.97
    assert found['class_kept']['mean'] < 0.3, 'nothing was learned'
    assert figures.Pictures(method, dataset, state).progressions() is not None
    folder = shutil.copytree(run, tmp_path / 'run')
    write_json(folder / 'summary.json', {**read(run, 'summary'), 'attribute': found})
    told = section(write_report(folder).read_text(encoding='utf-8'), 'attribute')
    assert 'Following the thickness' in told
    assert told.count('<tr>') == 9


def test_only_where_it_is_asked_for_and_can_be():
    assert final_samples(object(), None, None, 'test', config(ae), 0, print) == {}
    assert final_samples(object(), None, None, 'test', config(ae, **COUNTS), 0, print) == {}
    for num in (-1, 2 * 10**12):
        with pytest.raises(UserError, match=rf'evaluation.samples={num} must lie between 0, which is for none, and 1,000,000'):
            check(config(vae, **{'evaluation.samples': num}))
