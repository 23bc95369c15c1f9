"""What a run says of log p(x)."""

import copy
import shutil

import numpy as np
import pytest

from aejax.runs import modes
from aejax.runs.likelihood import likelihood_figures, likelihood_table, num_importance_samples
from aejax.runs.opening import open_run
from aejax.runs.setup import Folders, check
from aejax.types import UserError
from aejax.visualization.report import write_report
from experiments.configs import ae, conditional_vae, vae
from tests.running import Heard, config, read


def test_the_summary_and_the_report_state_it(whole):
    summary = read(whole, 'summary')
    found = summary['likelihood']
    assert found['samples'] == 50
    assert set(found['log_likelihood']) == {'mean', 'standard_error', 'n'}
    assert found['log_likelihood']['n'] == 300
    at = {row['samples']: row['mean'] for row in found['at']}
    assert list(at) == [5, 50]
    assert summary['metrics']['elbo']['mean'] < at[5] < at[50] == found['log_likelihood']['mean']
    assert 0 < found['monte_carlo_standard_error'] < 0.1 * found['log_likelihood']['standard_error']
    assert 1 < found['effective_sample_size'] < 50
    page = write_report(whole).read_text(encoding='utf-8')
    section = page.split('id="likelihood"')[1].split('</section>')[0]
    assert 'Mean over the test split of log p(x)' in section
    assert section.count('<tr>') == 1 + len(at)
    assert 'effective sample size, mean over images' in section


def test_evaluating_again_gives_the_same_figures_and_prints_them(whole, tmp_path):
    folder, heard = shutil.copytree(whole, tmp_path / 'run'), Heard()
    result = modes.evaluate(folder, 'test', 'last', Folders(), heard)
    stored = read(whole, 'summary')['likelihood']
    assert result['likelihood']['samples'] == 50
    np.testing.assert_allclose(result['likelihood']['log_likelihood']['mean'], stored['log_likelihood']['mean'], rtol=1e-5)
    assert read(folder, 'evaluation-test')['likelihood'] == result['likelihood']
    assert 'log p(x) of the test split from 50 samples an example' in heard.lines
    assert likelihood_table('test', result['likelihood']) in '\n'.join(heard.lines)


def test_the_report_says_where_the_figure_is_not_to_be_trusted(whole, tmp_path):
    from aejax.files import write_json

    folder, summary = shutil.copytree(whole, tmp_path / 'run'), copy.deepcopy(read(whole, 'summary'))
    assert 'likely too small' not in write_report(folder).read_text()
    summary['likelihood'] |= {'share_with_few': 0.3, 'monte_carlo_standard_error': None, 'note': 'grey values'}
    write_json(folder / 'summary.json', summary)
    page = write_report(folder).read_text()
    assert 'For 30% of the images fewer than 10 carry it' in page
    assert 'Grey values.' in page
    del summary['likelihood']
    write_json(folder / 'summary.json', summary)
    assert 'id="likelihood"' not in write_report(folder).read_text()


def test_only_where_it_is_asked_for_and_can_be():
    assert likelihood_figures(object(), None, None, 'test', 500, 0) == {}
    assert num_importance_samples(config(ae)) == 0
    assert num_importance_samples(config(vae)) == 50
    before = config(vae)
    del before.evaluation
    assert num_importance_samples(before) == 0
    with pytest.raises(UserError, match=r'evaluation.importance_samples=-1 must lie between 0'):
        check(config(vae, **{'evaluation.importance_samples': -1}))
    with pytest.raises(UserError, match='and 1,000,000,000'):
        check(config(vae, **{'evaluation.importance_samples': 10**10}))


@pytest.mark.parametrize(
    ('module', 'finetune', 'told'), [(conditional_vae, 'none', True), (vae, 'none', False), (vae, 'probe', False)]
)
def test_what_cannot_be_had_is_told(tmp_path, module, finetune, told):
    heard, settings = Heard(), config(module, **{'evaluation.importance_samples': 50, 'finetune.target': finetune})
    open_run(settings, tmp_path / 'run', Folders(), False, heard, 0.0).checkpoints.close()
    expected = ['warning: evaluation.importance_samples is for methods that have log p(x), and conditional_vae has none']
    assert heard.warnings == (expected if told else [])
