import dataclasses
import json
import pathlib
import re
import sys
from typing import Any

import numpy as np
import pytest
from ml_collections import ConfigDict

from aejax import methods
from aejax.files import flatten
from aejax.runs.folder import plain
from aejax.runs.setup import load_data
from aejax.types import UserError
from experiments import reproductions
from experiments.configs import ae
from experiments.reproductions import few_labels, members, results
from experiments.reproductions.base import Bench, Part
from experiments.reproductions.figures import Figure, Interval, Measured, Tolerance, over_examples, over_seeds, ratio
from experiments.reproductions.members import as_ensemble
from experiments.reproductions.parts import metrics, part_file, run_part
from tests.commands import Commands

ROOT = pathlib.Path(__file__).parents[2]


def bench(tmp_path: pathlib.Path, **changes: object) -> tuple[Bench, list[str]]:
    said: list[str] = []
    return dataclasses.replace(Bench((0,), cache=tmp_path / 'parts', smoke=True, say=said.append), **changes), said


def small_config() -> ConfigDict:
    config = ae.get_config()
    config.model.hidden = (16,)
    return config


@pytest.mark.parametrize(
    ('relation', 'bound', 'value', 'verdict'),
    [
        ('at most', 0.5, 0.5, 'reproduced'),
        ('at most', 0.5, 0.51, 'missed'),
        ('at least', -101.5, -101.2, 'reproduced'),
        ('at least', -101.5, -101.6, 'missed'),
        ('within ±', 0.01, -0.009, 'reproduced'),
        ('within ±', 0.01, -0.02, 'missed'),
        ('at least', 10.0, float('nan'), 'missed'),
        ('at most', 10.0, float('nan'), 'missed'),
        ('within ±', 10.0, float('nan'), 'missed'),
    ],
)
def test_verdict(relation: str, bound: float, value: float, verdict: str) -> None:
    figure = Figure('x', Measured(value, 0.1, 10, (value,)), '', tolerance=Tolerance(relation, bound))
    assert figure.verdict == verdict
    assert figure.to_json()['tolerance'].startswith(relation)


@pytest.mark.parametrize(
    ('value', 'verdict'), [(335, 'reproduced'), (350, 'reproduced'), (334, 'missed'), (351, 'missed'), (float('nan'), 'missed')]
)
def test_verdict_of_an_interval(value: float, verdict: str) -> None:
    figure = Figure('x', Measured(value, 0.1, 10, (value,)), 'nats', tolerance=Interval(335.0, 350.0))
    assert (figure.verdict, figure.to_json()['tolerance']) == (verdict, '335 to 350')
    assert read_tolerance('335 to 350') == figure.tolerance


def test_a_relation_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match='about'):
        Tolerance('about', 1.0)


def test_measures_over_examples_and_seeds() -> None:
    values = np.array([[1.0, 2.0, 6.0], [3.0, 4.0, 8.0]])
    measured = over_examples(values)
    assert measured.per_seed == (3.0, 5.0)
    assert (measured.mean, measured.n) == (4.0, 3)
    np.testing.assert_allclose(measured.standard_error, np.std([2.0, 3.0, 7.0], ddof=1) / np.sqrt(3))
    assert over_seeds([1.0, 3.0]) == Measured(2.0, 1.0, None, (1.0, 3.0))
    assert measured.scaled(-2.0, 1.0).mean == -10.0
    assert measured.scaled(-2.0).standard_error == 2 * measured.standard_error


def test_the_error_of_a_ratio_agrees_with_the_bootstrap() -> None:
    random = np.random.RandomState(0)
    below = random.gamma(4.0, size=400)
    above = 0.3 * below + random.gamma(2.0, scale=0.2, size=400)
    rows = random.randint(400, size=(4000, 400))
    measured = ratio(above[None], below[None])
    np.testing.assert_allclose(measured.mean, above.mean() / below.mean())
    bootstrap = (above[rows].mean(axis=1) / below[rows].mean(axis=1)).std()
    np.testing.assert_allclose(measured.standard_error, bootstrap, rtol=0.06)


def test_smoke_run_writes_a_table_that_reads_back(tmp_path: pathlib.Path) -> None:
    (table,) = reproductions.find('hinton2006.pca')
    chosen, said = bench(tmp_path)
    outcome = table.run(chosen)
    path = results.write(table, outcome, chosen, tmp_path)
    check_schema(json.loads(path.read_text()))
    assert any('epoch 2 of 2' in line for line in said)
    assert results.read(table.name, tmp_path)['verdict'] == 'missed', 'two epochs cannot beat PCA'
    (judged,) = results.table([table], tmp_path).splitlines()[2:]
    assert judged.endswith('| 300 | 1 | missed |')
    first, second, _ = results.table([table], tmp_path, 'all').splitlines()[2:]
    assert first == judged.replace('](experiments/results/', '](')
    assert second.startswith('|  |')
    assert second.endswith('| stated |')
    listing = results.listing(reproductions.ALL, tmp_path)
    assert listing.count('not measured yet') == len(reproductions.ALL) - 1
    assert 'at most 0.5: missed' in listing


@pytest.mark.parametrize(('name', 'smoke'), [('mnist_basic', 'digits'), ('mnist:rotation', 'digits:rotation')])
def test_smoke_runs_are_on_the_digits_with_the_attribute_that_was_asked_for(name: str, smoke: str) -> None:
    config = small_config()
    config.data.name = name
    assert Bench(smoke=True).config(config).data.name == smoke
    assert Bench().config(config).data.name == name
    assert config.data.name == name


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, Part, Part, list[str]]:
    """Seed 0, then seeds 0 and 1 in the same folder, with what was said about the second."""
    folder = tmp_path_factory.mktemp('trained')
    chosen, said = bench(folder)
    first = run_part(chosen, 'first', small_config())
    said.clear()
    return folder, first, run_part(chosen, 'again', small_config(), seeds=(0, 1)), said


def test_finished_parts_are_read_and_only_those(trained: tuple[pathlib.Path, Part, Part, list[str]]) -> None:
    folder, first, both, said = trained
    np.testing.assert_array_equal(both.values['test_squared_error'][0], first.values['test_squared_error'][0])
    assert both.seconds[0] == first.seconds[0]
    assert said[0] == 'again: seed 0 is finished already'
    assert all('seed 1' in line for line in said[1:])
    assert not np.array_equal(both.values['test_squared_error'][0], both.values['test_squared_error'][1])
    assert len(list((folder / 'parts').iterdir())) == 2


def test_another_config_or_commit_is_another_part(trained: tuple[pathlib.Path, Part, Part, list[str]]) -> None:
    chosen, _ = bench(trained[0])
    dataset, config = load_data(chosen.config(small_config())), chosen.config(small_config())
    other = chosen.config(small_config())
    other.optimizer.learning_rate = 2e-3
    newer = dataclasses.replace(chosen, git={'commit': 'abc'})
    names = {part_file(chosen, config, dataset, (metrics,), 0), part_file(chosen, other, dataset, (metrics,), 0)}
    assert len({*names, part_file(newer, config, dataset, (metrics,), 0), part_file(chosen, config, dataset, (metrics,), 1)}) == 4


def test_a_part_is_known_again_wherever_data_lie(
    trained: tuple[pathlib.Path, Part, Part, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, _ = bench(trained[0])
    config = chosen.config(small_config())

    def file() -> pathlib.Path:
        return part_file(chosen, config, load_data(config), (metrics,), 0)

    before = file()
    monkeypatch.setenv('AEJAX_DOWNLOAD_DIR', 'elsewhere')
    monkeypatch.setenv('JAX_COMPILATION_CACHE_DIR', 'elsewhere')
    assert file() == before
    monkeypatch.setenv('JAX_DEFAULT_MATMUL_PRECISION', 'tensorfloat32')
    assert file() != before


def finetuned_config(rate: float = 1e-3):
    config = small_config()
    config.finetune.target, config.finetune.optimizer.name, config.finetune.optimizer.learning_rate = 'classify', 'adam', rate
    config.test_checkpoint = 'best'
    return config


def both_metrics(method: Any, dataset: Any, state: Any) -> dict:
    return metrics(method, dataset, state, ('validation',))


def test_fine_tuning_goes_on_from_what_was_pretrained_and_the_best_epoch_is_measured(tmp_path: pathlib.Path) -> None:
    chosen, said = bench(tmp_path)
    first = run_part(chosen, 'first', finetuned_config(), after={'train': both_metrics})
    assert any(line.startswith('first, seed 0: train,') for line in said)
    said.clear()
    other = run_part(chosen, 'other', finetuned_config(3e-3), after={'train': both_metrics})
    assert all('finetune,' in line for line in said), 'pretrained once, whatever the fine-tuning'
    before = 'train/validation_squared_error'
    np.testing.assert_array_equal(other.values[before], first.values[before])
    assert not np.array_equal(other.values['validation_squared_error'], first.values['validation_squared_error'])
    seen = [float(line.split('validation ')[1].split(',')[0]) for line in said]
    assert len(seen) == 2
    np.testing.assert_allclose(other.values['validation_classification_error'].mean(), min(seen), rtol=1e-4)


@pytest.mark.parametrize('checkpoint', ['last', 'best'])
def test_a_training_that_was_interrupted_goes_on(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, checkpoint: str
) -> None:
    monkeypatch.setattr(members, 'SAVE_EVERY', 0.0)
    config = small_config()
    config.test_checkpoint = checkpoint
    # The best is then that of the first epoch, from before the interruption.
    config.optimizer.learning_rate, config.optimizer.schedule = 3.0, 'constant'
    config.optimizer.name = 'sgd'
    chosen, said = bench(tmp_path)
    whole = run_part(dataclasses.replace(chosen, cache=tmp_path / 'others'), 'whole', config)
    assert len(said) == 2
    if checkpoint == 'best':
        first, second = (float(line.split('validation ')[1].split(',')[0]) for line in said)
        assert first < second

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_part(dataclasses.replace(chosen, say=stop), 'stopped', config)
    assert [path.suffix for path in chosen.cache.iterdir()] == ['.msgpack']
    said.clear()
    again = run_part(chosen, 'again', config)
    assert [line.split(',')[2] for line in said] == [' epoch 2 of 2']
    for name, values in whole.values.items():
        np.testing.assert_array_equal(again.values[name], values)
    assert [path.suffix for path in chosen.cache.iterdir()] == ['.npz']


def test_members_with_inputs_of_their_own_are_trained_one_by_one() -> None:
    together = Bench((0, 1), ensemble=True)
    probe, classify = finetuned_config(), finetuned_config()
    probe.finetune.target = 'probe'
    spec = load_data(probe).spec
    assert not as_ensemble(together, methods.build(probe, spec))
    assert as_ensemble(together, methods.build(classify, spec))
    assert not as_ensemble(Bench((0, 1)), methods.build(classify, spec))


def test_an_ensemble_gives_what_its_members_give_alone(
    trained: tuple[pathlib.Path, Part, Part, list[str]], tmp_path: pathlib.Path
) -> None:
    chosen, _ = bench(tmp_path, seeds=(0, 1), ensemble=True)
    together = run_part(chosen, 'together', small_config())
    for name, values in trained[2].values.items():
        np.testing.assert_allclose(together.values[name], values, rtol=1e-4)


def check_schema(result: dict) -> None:
    (table,) = reproductions.find(result['name'])
    assert result['split'] == 'test'
    assert set(result) >= {'source', 'protocol', 'target', 'preprocessing', 'binarisation', 'num_samples', 'seeds', 'seconds'}
    assert result['provenance']['versions']['jax']
    assert result['provenance']['data']['fingerprint']
    assert set(result['hyperparameters']) == {'chosen', 'search'}
    assert all(part['config']['method'] and part['seeds'] and part['seconds'] for part in result['parts'].values())
    verdicts = [figure['verdict'] for figure in result['figures']]
    assert set(verdicts) <= {'reproduced', 'missed', 'stated'}
    assert result['verdict'] == next(verdict for verdict in ('missed', 'reproduced', 'stated') if verdict in verdicts)
    for figure in result['figures']:
        check_figure(figure)
    assert table.title == result['title']


def check_figure(figure: dict) -> None:
    np.testing.assert_allclose(figure['mean'], np.mean(figure['per_seed']), rtol=0.02)
    assert (figure['tolerance'] is None) == (figure['verdict'] == 'stated')
    if figure['tolerance']:
        judged = figure['per_seed'] if figure['n'] is None else [figure['mean']]
        assert (figure['verdict'] == 'reproduced') == all(map(read_tolerance(figure['tolerance']).met, judged))


def read_tolerance(text: str) -> Tolerance | Interval:
    if ' to ' in text:
        return Interval(*map(float, text.split(' to ')))
    relation = next(name for name in ('at most', 'at least', 'within ±') if text.startswith(name))
    return Tolerance(relation, float(text.removeprefix(relation)))


@pytest.mark.parametrize('table', reproductions.ALL, ids=lambda table: table.name)
def test_committed_results(table: reproductions.Reproduction) -> None:
    result = results.read(table.name, results.FOLDER)
    assert result is not None, f'python -m experiments.reproduce {table.name}'
    check_schema(result)
    about = result['provenance']['data']
    assert about['name'].startswith('mnist') or table.name == 'vincent2010.patches'
    if about['name'] == 'mnist':
        first = next(iter(result['parts'].values()))['config']['data']
        assert about['sizes'] == {'train': first.get('num_train') or 50_000, 'validation': 10_000, 'test': 10_000}
    assert result['protocol'] == table.protocol, 'the protocol was changed after the figures were measured'
    assert (result['target'], result['hyperparameters']['chosen']) == (table.target, table.chosen)
    assert result['provenance']['git']['commit']
    assert not result['provenance']['git']['dirty']
    assert set(result['provenance']) >= {'versions', 'device', 'command', 'finished'}
    if table.name == 'kingma2013.latents':
        assert (results.FOLDER / f'{table.name}.png').read_bytes().startswith(b'\x89PNG')


def test_headlines_are_what_is_judged_or_else_published_or_else_first() -> None:
    plain, published = {'tolerance': '', 'target': ''}, {'tolerance': '', 'target': '1.3'}
    judged = {'tolerance': 'at most 2', 'target': ''}
    assert results.headlines([plain, published, judged]) == [judged]
    assert results.headlines([plain, published]) == [published]
    assert results.headlines([plain, {**plain, 'name': 'b'}]) == [plain]


class NothingMeasuredError(Exception):
    """Asked of `Nothing`."""


WHEN_TO_TELL = ('log_every', 'checkpoint_every')
"""What a reproduction does not look at."""


class Nothing(dict):
    """Values of a part that was not trained."""

    def __getitem__(self, name: str) -> Any:
        raise NothingMeasuredError(name)


WITHOUT_SEARCH = [
    table
    for table in reproductions.ALL
    if (found := results.read(table.name, results.FOLDER)) is not None and not found['hyperparameters']['search']
]


@pytest.mark.parametrize('table', WITHOUT_SEARCH, ids=lambda table: table.name)
def test_committed_results_are_of_the_configs_of_now(table: reproductions.Reproduction, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the parts that a table trains before it looks at what the first has measured."""
    result, asked = results.read(table.name, results.FOLDER), []

    def record(bench: Bench, name: str, config: ConfigDict, *rest: Any, **options: Any) -> Part:
        asked.append({key: value for key, value in flatten(plain(bench.config(config))).items() if key not in WHEN_TO_TELL})
        return Part(config, (0,), {}, Nothing(), (0.0,))

    module = getattr(table.run, 'func', table.run).__module__
    for trainer in (sys.modules[module], few_labels):
        monkeypatch.setattr(trainer, 'run_part', record)
    with pytest.raises(NothingMeasuredError):
        table.run(Bench(seeds=result['seeds'], say=lambda text: None))
    stored = [flatten(part['config']) for part in result['parts'].values()]
    for config in asked:
        # Keys that were added since have defaults that change nothing, or their results would have been measured again.
        assert any(all(config[key] == value for key, value in one.items() if key in config) for one in stored)


CHOSEN_BY_A_CLASSIFIER = [
    'makhzani2014.codes',
    'rifai2011.penalties',
    'rifai2011.table',
    'rifai2011.two_layers',
    'vincent2010.background',
    'vincent2010.basic',
]


class Away(Nothing):
    """Values of a part with a validation error alone: how far its settings are from those that were chosen."""

    def __init__(self, distance: float):
        super().__init__()
        self.distance = distance

    def __getitem__(self, name: str) -> Any:
        return np.full((1, 1), self.distance) if name == 'validation_classification_error' else super().__getitem__(name)


def between(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Summed over the settings that both have: how far numbers are apart, 1 for anything else that differs."""
    pairs = [(one[key], other[key]) for key in one.keys() & other.keys() - set(WHEN_TO_TELL)]
    numbers = (int, float)
    return sum(abs(a - b) if isinstance(a, numbers) and isinstance(b, numbers) else float(a != b) for a, b in pairs)


@pytest.mark.parametrize('name', CHOSEN_BY_A_CLASSIFIER)
def test_what_a_search_chose_can_be_chosen_now(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (table,), result = reproductions.find(name), results.read(name, results.FOLDER)
    stored = {part: flatten(found['config']) for part, found in result['parts'].items()}
    asked: dict[str, list[float]] = {part: [] for part in stored}

    def record(bench: Bench, name: str, config: ConfigDict, *rest: Any, **options: Any) -> Part:
        (part,) = (part for part in stored if f'{name},'.startswith(f'{part},'))
        asked[part].append(between(flatten(plain(bench.config(config))), stored[part]))
        return Part(config, (0,), {}, Away(asked[part][-1]), (0.0,))

    module = getattr(table.run, 'func', table.run).__module__
    monkeypatch.setattr(f'{module}.run_part', record)
    for other in ('load_data', 'pixel_errors'):
        monkeypatch.setattr(f'{module}.{other}', lambda *_: np.zeros(1), raising=False)
    monkeypatch.setattr(f'{module}.machine_errors', lambda *_: (np.zeros(1), []), raising=False)
    with pytest.raises(NothingMeasuredError):
        table.run(Bench(seeds=result['seeds'], say=lambda text: None))
    assert all(0 in distances for distances in asked.values()), asked


@pytest.mark.parametrize(
    ('readme', 'extent'), [(ROOT / 'README.md', 'headlines'), (results.FOLDER / 'README.md', 'all')], ids=['root', 'results']
)
def test_readmes_hold_their_tables(readme: pathlib.Path, extent: str) -> None:
    begin, end = results.MARKERS
    held = readme.read_text(encoding='utf-8').split(begin)[1].split(end)[0].strip()
    hint = f'paste what `python -m experiments.reproduce --table={extent}` prints'
    assert held == results.table(reproductions.ALL, results.FOLDER, extent), hint


def test_what_missed_is_told_and_has_a_note() -> None:
    missed = {table.name for table in reproductions.ALL if results.read(table.name, results.FOLDER)['verdict'] == 'missed'}
    told = (ROOT / 'README.md').read_text(encoding='utf-8').split(results.MARKERS[0])[0].split('judged missed')[1]
    assert set(re.findall(r'^- `(.+?)`', told, flags=re.MULTILINE)) == missed
    notes = re.split(r'^## ', (results.FOLDER / 'notes.md').read_text(encoding='utf-8'), flags=re.MULTILINE)[1:]
    headings = [note.splitlines()[0] for note in notes]
    assert set(headings) <= {*(table.name for table in reproductions.ALL), 'Without a table'}
    assert missed == {heading for heading, note in zip(headings, notes, strict=True) if 'Missed: ' in note}


def test_a_damaged_result_is_one_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / 'baldi1989.pca.json').write_text('{')
    with pytest.raises(UserError, match=r'damaged.*again'):
        results.read('baldi1989.pca', tmp_path)


def test_names() -> None:
    tables = [table.name for table in reproductions.find('kingma2013')]
    assert tables == ['kingma2013.bound', 'kingma2013.latents', 'kingma2013.sizes', 'kingma2013.manifold']
    with pytest.raises(UserError, match=r"'rifai2011.tabel', did you mean rifai2011.table"):
        reproductions.find('rifai2011.tabel')
    with pytest.raises(UserError, match="no reproduction 'foo': --list shows"):
        reproductions.find('foo')
    assert len({table.name for table in reproductions.ALL}) == len(reproductions.ALL)


def test_command_line_lists_and_refuses(commands: Commands, tmp_path: pathlib.Path) -> None:
    module = 'experiments.reproduce'
    listed = commands.run('--list', f'--results_dir={tmp_path}', 'hinton2006', module=module).out
    assert listed.startswith('hinton2006.pca: deep autoencoder against PCA\n  target: ')
    assert 'baldi1989' not in listed
    unknown = "error: there is no reproduction 'kingma2013.bond', did you mean kingma2013.bound? --list shows them all"
    assert commands.refused('kingma2013.bond', '--smoke', module=module) == unknown
    assert '--seeds=0,x' in commands.refused('--seeds=0,x', 'hinton2006', '--smoke', module=module)
    assert '--seeds=4294967296 must' in commands.refused('--seeds=0,4294967296', 'hinton2006', '--smoke', module=module)
