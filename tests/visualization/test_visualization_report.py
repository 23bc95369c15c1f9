# ruff: noqa: RUF001 (mathematical signs are meant)
import base64
import html.parser
import json
import re

import numpy as np
import pytest
from sklearn.datasets import load_digits

from aejax.types import UserError
from aejax.visualization import image_grid, save
from aejax.visualization.figure_words import Subject, figure_words
from aejax.visualization.metric_words import METRICS, meaning, shown
from aejax.visualization.numbers import count, duration, moment, number, with_error
from aejax.visualization.report import write_report
from aejax.visualization.run_folder import read_run, subject

VOID = {'meta', 'img', 'br'}
HOSTILE = '</style></title><script>alert(1)</script><img src=x onerror=alert(2)>"\'&${x}'
CONFIG = {'method': 'cae', 'seed': 0, 'data': {'name': 'digits'}, 'optimizer': {'learning_rate': 0.002}}
PROVENANCE = {
    'environment': {'XLA_FLAGS': '--a b'},
    'versions': {'jax': '0.10.2'},
    'git': {'commit': 'abc123', 'dirty': False},
    'data': {
        'name': 'digits',
        'shape': [8, 8, 1],
        'num_classes': 10,
        'preprocessing': 'dynamic_binarisation',
        'sizes': {'train': 1297},
    },
    'device': 'cpu x1',
    'seed': 7,
    'command': 'python -m experiments.run --config=configs/cae.py',
    'started': '2025-11-20T10:42:07+00:00',
}
SUMMARY = {
    'status': 'finished',
    'split': 'test',
    'code': {'dead_units': {'mean': 0.125, 'standard_error': 0.015, 'n': 64}},
    'metrics': {
        'elbo': {'mean': -1234.5678, 'standard_error': 1.23, 'n': 300},
        'squared_error': {'mean': 4.2, 'standard_error': 0.1, 'n': 300},
        'novel_thing': {'mean': 0.5, 'standard_error': 0.02, 'n': 300},
    },
    'throughput_examples_per_second': 31000,
    'seconds_to_first_step': 3.1,
    'seconds': 200.0,
    'steps': 2000,
    'epochs': 100,
    'checkpoint': 'last',
    'best': {'step': 1800, 'metric': 'squared_error', 'value': 4.1},
}


class Page(html.parser.HTMLParser):
    """Checks that tags are balanced, and keeps tags, attributes and visible text."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(source)
        self.close()
        assert self.open == []
        self.text = re.sub(r'\s+', ' ', ' '.join(self.words))

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if 'style' not in self.open:
            self.words.append(data)


def metrics_lines():
    rows = []
    for step, value in ((200, 9.0), (400, 4.1), (600, 4.4)):
        shared = {'step': step, 'epoch': step / 20, 'stage': 'train', 'seconds': 1.0}
        rows.append({**shared, 'split': 'train', 'contractive/loss': value})
        rows.append({**shared, 'split': 'validation', 'squared_error': value, 'elbo': -value, 'jacobian_norm': value})
    return ''.join(json.dumps(row) + '\n' for row in rows)


def write_run(folder, config=CONFIG, provenance=PROVENANCE, summary=SUMMARY, metrics=True, figures=('latent_map', 'filters')):
    (folder / 'figures').mkdir(parents=True)
    for name, content in (('config', config), ('provenance', provenance), ('summary', summary)):
        if content is not None:
            (folder / f'{name}.json').write_text(json.dumps(content))
    if metrics:
        (folder / 'metrics.jsonl').write_text(metrics_lines())
    images = load_digits().images[:4, :, :, None] / 16.0
    for stem in figures:
        save(image_grid(images), folder / 'figures' / f'{stem}.png')
    return folder


def report(folder, **files):
    return Page(write_report(write_run(folder, **files)).read_text(encoding='utf-8'))


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    return report(tmp_path_factory.mktemp('run') / 'cae')


@pytest.mark.parametrize(
    'words',
    [
        'cae on digits',
        'Finished',
        '20 November 2025, 10:42 UTC',
        'Trained on 1,297 images (8 × 8 × 1) from digits for 100 epochs (2,000 steps), in 3 min 20 s, on cpu x1.',
        'test squared error 4.20 ± 0.10',
        '−1,234.6 ± 1.2',
        '0.500 ± 0.020',
        'Novel thing',
        'higher is better',
        'Measured on the test split (300 images); weights of the last checkpoint; inputs binarised anew',
        'seed 7',
        'nats per image',
        'examples a second 31,000',
        'to the first step 3.1 s',
        'validation squared error of the best kept checkpoint, step 1,800 4.100',
        'Best row',
        'Each dot is one image of the test split at its code, coloured by class.',
        'Map of the latent space',
        "git checkout abc123 XLA_FLAGS='--a b' python -m experiments.run --config=configs/cae.py",
        'The code Statistic',
        'Dead units dead_units 12.5 ± 1.5 % 64',
        'optimizer.learning_rate 0.002',
        'versions.jax 0.10.2',
    ],
)
def test_the_story_is_told(page, words):
    assert words in page.text


def test_figures_are_inside_and_nothing_is_fetched(tmp_path):
    page = report(tmp_path / 'run', figures=('latent_map', 'reconstructions', 'my_own'))
    sources = [value for tag, name, value in page.attributes if name == 'src']
    assert len(sources) == 4  # learning curves are drawn from metrics.jsonl
    prefix = 'data:image/png;base64,'
    assert all(source.startswith(prefix) for source in sources)
    stems = ('reconstructions', 'latent_map', 'my_own')
    expected = [(tmp_path / 'run' / 'figures' / f'{stem}.png').read_bytes() for stem in stems]
    assert [base64.b64decode(source.removeprefix(prefix)) for source in sources[:3]] == expected
    assert all(value.startswith('#') for _, name, value in page.attributes if name == 'href')
    assert not {'script', 'link', 'iframe', 'object', 'embed'} & set(page.tags)
    style = (tmp_path / 'run' / 'report.html').read_text(encoding='utf-8').split('</style>')[0]
    assert 'url(' not in style
    assert '@import' not in style
    assert 'My own' in page.text
    assert [value for tag, name, value in page.attributes if (tag, name) == ('figure', 'class')] == ['wide']


def test_links_lead_somewhere(page):
    names = {value for _, name, value in page.attributes if name == 'id'}
    assert {value[1:] for _, name, value in page.attributes if name == 'href'} == names


def test_learning_curves_of_the_folder_are_preferred(tmp_path):
    page = report(tmp_path / 'run', figures=('learning_curves',))
    (source,) = [value for _, name, value in page.attributes if name == 'src']
    assert base64.b64decode(source.split(',')[1]) == (tmp_path / 'run/figures/learning_curves.png').read_bytes()


def test_first_best_and_last_validation_values_follow_each_metrics_direction(page):
    assert 'Squared error 9.000 step 200 4.100 step 400 4.400 step 600' in page.text
    assert 'Evidence lower bound −9.000 step 200 −4.100 step 400 −4.400 step 600' in page.text
    assert 'Jacobian norm 9.000 step 200 – 4.400 step 600' in page.text


def poisoned(value):
    """Every string and every key of a JSON value with the hostile string behind it."""
    if isinstance(value, dict):
        return {f'{key}{HOSTILE}' if key[0] == 'o' else key: poisoned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    return f'{value}{HOSTILE}' if isinstance(value, str) else value


def test_hostile_strings_stay_text(tmp_path):
    summary = {**poisoned(SUMMARY), 'metrics': {HOSTILE: {'mean': 1.0, 'n': HOSTILE}, 'kl': HOSTILE}}
    folder = write_run(tmp_path / '<b onclick=x>', poisoned(CONFIG), poisoned(PROVENANCE), summary)
    image = folder / 'figures' / 'filters.png'
    image.rename(folder / 'figures' / 'x" onerror="alert(1)"><script>.png')
    bad = {'step': HOSTILE, 'epoch': 1, 'stage': HOSTILE, 'split': 'validation', HOSTILE: 1.0, f'{HOSTILE}$': 2.0}
    with (folder / 'metrics.jsonl').open('a') as file:
        file.write(json.dumps(bad) + '\n')
    page = Page(write_report(folder).read_text(encoding='utf-8'))
    assert 'script' not in page.tags
    assert not [name for _, name, _ in page.attributes if name.startswith('on')]
    assert all(value.startswith('data:image/png;base64,') for _, name, value in page.attributes if name == 'src')
    assert page.text.count('<script>alert(1)</script>') > 10


def test_unfinished_and_stopped_runs_say_so(tmp_path):
    young = report(tmp_path / 'young', summary=None, provenance=None, metrics=False, figures=())
    assert 'Unfinished: there is no summary yet' in young.text
    assert 'It has logged no metrics yet.' in young.text
    assert 'Not there: provenance.json, summary.json, metrics.jsonl.' in young.text
    assert 'img' not in young.tags
    stopped = report(tmp_path / 'stopped', summary={'status': 'stopped: loss is nan at step 640'})
    assert 'Stopped: loss is nan at step 640. Its last line of metrics is at 600 steps, 30 epochs.' in stopped.text
    assert 'There are no test figures' in stopped.text
    broken = report(
        tmp_path / 'broken', summary={**SUMMARY, 'metrics': {'kl': {'mean': float('nan'), 'standard_error': 0.1, 'n': 3}}}
    )
    assert 'not finite' in broken.text


@pytest.mark.parametrize('kept', [{'config'}, {'provenance'}, {'summary'}, {'metrics'}])
def test_any_single_file_is_enough(tmp_path, kept):
    files = {name: None for name in ('config', 'provenance', 'summary') if name not in kept}
    page = report(tmp_path / 'run', metrics='metrics' in kept, figures=(), **files)
    assert 'h1' in page.tags


def test_what_is_no_run_or_damaged_is_one_clear_line(tmp_path):
    with pytest.raises(UserError, match='is no run'):
        write_report(tmp_path)
    folder = write_run(tmp_path / 'run')
    (folder / 'figures' / 'half.png').write_bytes(b'\x89PN')
    with pytest.raises(UserError, match=r'half\.png is no PNG'):
        write_report(folder)
    (folder / 'figures' / 'half.png').unlink()
    (folder / 'summary.json').write_text('{"status": ')
    with pytest.raises(UserError, match='no valid JSON') as caught:
        write_report(folder)
    assert '\n' not in str(caught.value)
    assert not (folder / 'report.html').exists()


def test_the_same_files_give_the_same_bytes(tmp_path):
    folder = write_run(tmp_path / 'run')
    assert write_report(folder).read_bytes() == write_report(folder).read_bytes()


def test_uncommitted_changes_are_told(tmp_path):
    dirty = report(tmp_path / 'run', provenance={**PROVENANCE, 'git': {'commit': 'abc', 'dirty': True}})
    assert 'changes that were not committed' in dirty.text


def test_few_labels_are_told_and_their_error_comes_first(tmp_path):
    metrics = {**SUMMARY['metrics'], 'classification_error': {'mean': 0.063, 'standard_error': 0.014, 'n': 300}}
    config = {**CONFIG, 'data': {'name': 'digits', 'num_labelled': 100}}
    page = report(tmp_path / 'run', config=config, summary={**SUMMARY, 'metrics': metrics})
    assert 'Trained on 1,297 images (8 × 8 × 1) from digits, 100 of them with a label, for 100 epochs' in page.text
    assert 'test classification error 6.3 ± 1.4 %' in page.text


def test_points_are_called_points_and_their_figures_say_what_they_show(tmp_path):
    data = {
        'name': 'ring',
        'shape': [2],
        'num_classes': 0,
        'num_coordinates': 1,
        'preprocessing': 'whiten',
        'sizes': {'train': 4000},
    }
    page = report(tmp_path / 'run', provenance={'data': data}, figures=('reconstructions', 'latent_map', 'contraction_curve'))
    assert 'Trained on 4,000 points in 2 dimensions from ring' in page.text
    assert 'Measured on the test split (300 points)' in page.text
    assert 'inputs whitened by the training split' in page.text
    assert 'Data and reconstruction Points of the test split, coloured by a true coordinate of the data, beside' in page.text
    assert 'Each dot is one point of the test split at its code, coloured by a true coordinate of the data.' in page.text
    assert not [word for word in ('image', 'by class', 'its class', 'pixel', '{') if word in page.text]


def test_what_the_data_is_follows_its_description(tmp_path):
    def about(**data):
        return subject(read_run(write_run(tmp_path / str(len(data)), provenance={'data': data}, figures=())))

    assert about() == Subject('example', False, False)
    assert about(shape=[12, 12, 1]) == Subject('image', False, False)
    assert about(shape=[30], num_classes=3) == Subject('example', True, False)
    assert figure_words('latent_map', Subject('image'))[2] == 'Each dot is one image of the test split at its code.'


def test_shares_are_shown_in_per_cent(tmp_path):
    summary = {**SUMMARY, 'metrics': {'classification_error': {'mean': 0.0233, 'standard_error': 0.0087, 'n': 300}}}
    summary['best'] = {'step': 600, 'metric': 'classification_error', 'value': 0.03}
    folder = write_run(tmp_path / 'run', summary=summary, figures=())
    row = {'step': 700, 'epoch': 35, 'stage': 'train', 'seconds': 1.0, 'split': 'validation', 'classification_error': 0.5}
    with (folder / 'metrics.jsonl').open('a') as file:
        file.write(json.dumps(row))
    text = Page(write_report(folder).read_text(encoding='utf-8')).text
    assert text.count('2.33 ± 0.87 %') == 2
    assert '% of images' in text
    assert 'validation classification error of the best kept checkpoint, step 600 3.000 %' in text
    assert '50.00 % step 700' in text
    assert shown(meaning('classification_error'), float('nan'), 0.1) == 'not finite'


def test_meanings_know_phases_counts_and_images():
    assert meaning('contractive/jacobian_norm').title == 'Jacobian norm (contractive)'
    assert meaning('iwae_bound_5000').title == 'Importance-weighted bound, k = 5000'
    assert meaning('squared_error', 'image').definition.startswith('sum over pixels')
    assert meaning('squared_error', 'point').unit == 'squared input units per point'
    assert meaning('unheard_of_3') == ('Unheard of 3', '', '', '', False)
    assert all(words.better in ('lower', 'higher', '') for words in METRICS.values())


@pytest.mark.parametrize(
    ('mean', 'error', 'shown'),
    [
        (4.2, 0.1, '4.20 ± 0.10'),
        (-87.654, 0.0456, '−87.654 ± 0.046'),
        (123456.0, 789.0, '123,460 ± 790'),
        (0.5, 0.0, '0.5000'),
        (94.2, 7.9e-15, '94.20'),
        (0.5, None, '0.5000'),
        (float('nan'), 0.1, 'not finite'),
        (3e-12, 1e-13, '3e−12 ± 1e−13'),
    ],
)
def test_errors_set_the_digits_of_means(mean, error, shown):
    assert with_error(mean, error) == shown


def test_numbers_are_written_as_people_do():
    assert [number(value) for value in (2000, 0.0, 12345.678, 0.00012345, 1e-9)] == [
        '2,000',
        '0',
        '12,346',
        '0.0001234',
        '1.000e−09',
    ]
    assert number(np.float64(-2.5)) == '−2.500'
    times = [duration(s) for s in (0.85, 9.97, 42.0, 59.7, 200, 3600, 7500, 97200, -1, 'x')]
    assert times == ['0.85 s', '10 s', '42 s', '1 min', '3 min 20 s', '1 h', '2 h 5 min', '1 d 3 h', '', '']
    assert moment('2025-11-20T10:42:07') == '20 November 2025, 10:42'
    assert moment('yesterday') == 'yesterday'
    assert [count(1, 'step'), count(98.66, 'epoch'), count(None, 'step')] == ['1 step', '98.7 epochs', '']
