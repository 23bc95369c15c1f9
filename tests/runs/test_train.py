"""A run in its folder, from Python: what is written, which checkpoint is taken, how it stops, and what is loaded again."""

import importlib
import json
import math
import shutil
import signal

import numpy as np
import pytest

import aejax
from aejax.runs import modes
from aejax.runs.console import Quiet
from aejax.runs.interruption import Interrupted
from aejax.runs.loading import restore_config
from aejax.runs.setup import Folders
from aejax.runs.train import train
from aejax.training.checkpoint import Checkpoints
from aejax.training.loop import NonFiniteError
from aejax.types import UserError
from experiments.configs import ae, cae, linear_ae, vae
from tests.running import Heard, config, no_pictures, read, rows, validation_times
from tests.running import state as state_of
from tests.support import assert_equal_bytes, digits

TRAIN = importlib.import_module('aejax.runs.train')  # by its name alone it is the function


@pytest.fixture(scope='module', autouse=True)
def _no_pictures():
    with no_pictures():
        yield


@pytest.fixture(scope='module')
def runs(tmp_path_factory, whole):
    """A folder for each kind of run, and its summary."""
    folder = tmp_path_factory.mktemp('runs')
    kinds = {
        'conv': config(ae, 'conv', **{'model.hidden': (4,)}),
        'linear_ae': config(linear_ae, batch_size=100, **{'data.preprocessing': 'standardise'}),
    }
    trained = {name: (folder / name, train(settings, folder / name)) for name, settings in kinds.items()}
    return {'vae': (whole, read(whole, 'summary')), **trained}


@pytest.mark.parametrize(('kind', 'latents'), [('vae', 2), ('conv', 8), ('linear_ae', 10)])
def test_a_model_from_its_folder(runs, kind, latents):
    model = aejax.load(runs[kind][0])
    assert (model.checkpoint, model.config.method) == (36 if kind == 'vae' else 24, 'ae' if kind == 'conv' else kind)
    x = digits('standardise' if kind == 'linear_ae' else 'scale').split('test')['x'][:7]
    codes, back = model.encode(x), model.reconstruct(x)
    assert (type(codes), codes.shape, codes.dtype) == (np.ndarray, (7, latents), np.float32)
    assert (back.shape, back.dtype) == ((7, 8, 8, 1), np.float32)
    np.testing.assert_allclose(model.decode(codes), back, rtol=1e-5, atol=1e-6)
    scaled = x / np.float32(255) if x.dtype == np.uint8 else x
    # Bytes are scaled as in training: the same picture gives the same code.
    np.testing.assert_allclose(model.encode(scaled), codes, rtol=1e-5, atol=1e-6)
    if kind != 'linear_ae':
        with pytest.raises(UserError, match='pixels are uint8, and what was prepared is floats: these are int64'):
            model.encode(x.astype(np.int64))
    state = model.state
    np.testing.assert_allclose(codes, model.method.encode(state.params, state.mutables, scaled), rtol=1e-4, atol=1e-5)
    if kind == 'vae':
        assert model.sample(5).shape == (5, 8, 8, 1)
        np.testing.assert_array_equal(model.sample(5, seed=3), model.sample(5, seed=3))
        assert not np.array_equal(model.sample(5, seed=3), model.sample(5, seed=4))
        assert repr(model) == '<Model vae of digits, step 36: encode, decode, reconstruct, sample>'
        for num in (0, -1, 2.5, True):
            with pytest.raises(UserError, match=f'num={num} must be a whole number of at least 1'):
                model.sample(num)
        for seed in (-1, 2**70, 2.5):
            with pytest.raises(UserError, match=f'seed={seed} must be a whole number between 0 and 4294967295'):
                model.sample(1, seed=seed)
    else:
        with pytest.raises(UserError, match=f'method {model.config.method} cannot sample: it can encode, decode, reconstruct'):
            model.sample(5)


@pytest.mark.parametrize('shape', [(8, 8, 1), (7, 8, 8), (7, 64), (7, 8, 8, 3), (0, 8, 8, 1), ()])
def test_a_model_takes_its_own_shape_alone(runs, shape):
    with pytest.raises(UserError, match=r'this model takes \[n, 8, 8, 1\]'):
        aejax.load(runs['vae'][0]).encode(np.zeros(shape, np.float32))


@pytest.mark.parametrize('shape', [(7, 3), (2,), (0, 2), (7, 2, 1)])
def test_a_model_takes_codes_of_its_own_width_alone(runs, shape):
    with pytest.raises(UserError, match=r'codes of this model are \[n, 2\], not '):
        aejax.load(runs['vae'][0]).decode(np.zeros(shape, np.float32))


def test_checkpoints_by_name_and_step(runs):
    folder, summary = runs['vae']
    assert [aejax.load(folder, name).checkpoint for name in ('last', 36, '36', 24, '24')] == [36, 36, 36, 24, 24]
    assert aejax.load(folder, 'best').checkpoint == summary['best']['step']
    for wrong in ('first', 13, ''):
        with pytest.raises(UserError, match=r"choose 'last', 'best' or one of \[24, 36\]"):
            aejax.load(folder, wrong)


def test_configs_come_back_as_they_were():
    settings = config(vae, 'gaussian')
    again = restore_config(json.loads(json.dumps(settings.to_dict())))
    assert again == settings
    assert again.model.hidden == (128,)


@pytest.mark.parametrize('kind', ['vae', 'conv'])
def test_evaluating_again_gives_the_same_figures(runs, kind):
    folder, summary = runs[kind]
    result = modes.evaluate(folder, 'test', 'configured', Folders(), Quiet())
    assert result['metrics'] == json.loads((folder / 'evaluation-test.json').read_text())['metrics']
    assert set(result['metrics']) == set(summary['metrics'])
    for name, value in summary['metrics'].items():
        assert result['metrics'][name]['n'] == value['n'] == 300
        assert result['metrics'][name]['mean'] == pytest.approx(value['mean'], rel=1e-5)
        assert result['metrics'][name]['standard_error'] == pytest.approx(value['standard_error'], rel=1e-4)


def test_data_that_changed_is_not_evaluated(runs, tmp_path):
    folder = shutil.copytree(runs['vae'][0], tmp_path / 'run')
    path = folder / 'provenance.json'
    path.write_text(path.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    with pytest.raises(UserError, match='fingerprint'):
        modes.evaluate(folder, 'test', 'last', Folders(), Quiet())


def test_the_folder_of_a_run_that_has_no_checkpoint_yet(tmp_path):
    with pytest.raises(UserError, match='train first'):
        aejax.load(tmp_path)
    (tmp_path / 'config.json').write_text(json.dumps(config(ae).to_dict()))
    with pytest.raises(UserError, match='train first'):
        aejax.load(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['config.json']


def test_the_summary_tells_of_the_run(runs):
    folder, summary = runs['vae']
    assert json.loads((folder / 'summary.json').read_text()) == summary
    assert (summary['status'], summary['steps'], summary['epochs'], summary['split']) == ('finished', 36, 3, 'test')
    last = json.loads((folder / 'metrics.jsonl').read_text().splitlines()[-1])
    assert summary['seconds'] == last['seconds'] > 0
    assert summary['throughput_examples_per_second'] > 0
    assert 0 < summary['seconds_to_first_step'] < 300
    best = max(rows(folder, 'validation'), key=lambda row: row['elbo'])
    assert summary['best'] == {'step': best['step'], 'metric': 'elbo', 'value': best['elbo']}
    assert [row['step'] for row in rows(folder, 'train')] == [12, 24, 36]


@pytest.mark.parametrize('which', ['last', 'best'])
def test_the_test_figures_are_of_the_checkpoint_asked_for(tmp_path, which):
    with validation_times(2.0, 1.0, 3.0):
        summary = train(config(ae, epochs=3, test_checkpoint=which), tmp_path)
    errors = {row['step']: row['squared_error'] for row in rows(tmp_path, 'validation')}
    assert summary['best'] == {'step': 24, 'metric': 'squared_error', 'value': min(errors.values())}
    assert aejax.load(tmp_path).checkpoint == (36 if which == 'last' else 24)
    model = aejax.load(tmp_path, 'configured')
    x = digits().split('test')['x']
    error = np.sum((x / np.float32(255) - model.reconstruct(x)) ** 2, axis=(1, 2, 3)).mean()
    assert summary['metrics']['squared_error']['mean'] == pytest.approx(error, rel=1e-4)


def test_being_stopped_makes_no_checkpoint_the_best(tmp_path, monkeypatch):
    # The second of three epochs is the best, but only the third ends with a checkpoint that falls due.
    settings = config(ae, epochs=3, checkpoint_every=3.0)
    log = TRAIN._log

    def stop(run, interval, *rest):
        log(run, interval, *rest)
        if interval.step == 24:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch, validation_times(2.0, 1.0):
        patch.setattr(TRAIN, '_log', stop)
        with pytest.raises(Interrupted, match='stopped at step 24 of 36'):
            train(settings, tmp_path)
    assert aejax.load(tmp_path, 'last').checkpoint == 24
    with pytest.raises(UserError, match="no checkpoint 'best'"):
        aejax.load(tmp_path, 'best')
    with validation_times(3.0):
        assert train(settings, tmp_path)['best']['step'] == 36
    assert aejax.load(tmp_path, 'best').checkpoint == 36


def test_a_loss_that_overflows_leaves_the_last_good_checkpoint(tmp_path, monkeypatch):
    settings = config(ae, epochs=4, **{'optimizer.name': 'sgd', 'optimizer.learning_rate': 1e-3})
    save = Checkpoints.save

    def spoil(checkpoints, state, metrics):
        save(checkpoints, state, metrics)
        if int(state.step) == 24:
            monkeypatch.setattr(TRAIN, 'means', lambda values: dict.fromkeys(values, math.nan))

    monkeypatch.setattr(Checkpoints, 'save', spoil)
    with pytest.raises(NonFiniteError, match=r"phase 'validation' in stage 'train' is nan .* step 36: training stopped"):
        train(settings, tmp_path)
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary['status'].startswith('stopped: ')
    assert summary['steps'] == 36
    assert 'stopped' in (tmp_path / 'report.html').read_text()
    assert aejax.load(tmp_path).checkpoint == 24
    # The row in which it happened stays, with null for what is not finite.
    assert [row['squared_error'] is None for row in rows(tmp_path, 'validation')] == [False, False, True]
    assert 'NaN' not in (tmp_path / 'metrics.jsonl').read_text()


def test_an_overflow_before_the_first_checkpoint(tmp_path):
    settings = config(ae, epochs=6, loss='squared_error', **{'optimizer.name': 'sgd', 'optimizer.learning_rate': 1e6})
    settings.model.output = 'identity'
    with pytest.raises(
        NonFiniteError, match=r"loss of phase 'reconstruction' in stage 'train' is (nan|inf) .*step 12: .*\(optimizers\.PHASE"
    ):
        train(settings, tmp_path)
    assert json.loads((tmp_path / 'summary.json').read_text())['status'].startswith('stopped: ')
    # Nothing of it is worth keeping: another rate may start in its place, and does so from nothing.
    settings.optimizer.learning_rate, settings.epochs = 1e-3, 2
    heard = Heard()
    assert train(settings, tmp_path, console=heard)['status'] == 'finished'
    assert (
        heard.lines[0] == f'what is in {tmp_path} diverged before its first checkpoint: it is removed, and the run starts again'
    )
    assert [row['step'] for row in rows(tmp_path, 'train')] == [12, 24]
    assert 'resumed' not in read(tmp_path, 'provenance')


def test_a_stream_resumes_to_the_same_bytes(tmp_path, monkeypatch):
    settings = config(cae, epochs=3, **{'data.streaming': True})
    train(settings, tmp_path / 'whole')

    def stop(run, *arguments):
        raise InterruptedError

    with monkeypatch.context() as patch:
        keep = TRAIN._log
        patch.setattr(TRAIN, '_log', lambda run, interval, *rest: (stop if interval.step == 24 else keep)(run, interval, *rest))
        with pytest.raises(InterruptedError):
            train(settings, tmp_path / 'cut')
    assert aejax.load(tmp_path / 'cut').checkpoint == 12
    train(settings, tmp_path / 'cut')
    assert_equal_bytes(state_of(tmp_path / 'cut'), state_of(tmp_path / 'whole'))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'log_every': 0.0}, 'log_every=0.0'),
        ({'log_every': math.nan}, 'log_every=nan'),
        ({'optimizer.drops': ((0.5, math.inf),)}, r'optimizer.drops=\(\(0.5, inf\),\) must be finite'),
        ({'checkpoint_every': -1.0}, 'checkpoint_every=-1.0'),
        ({'checkpoint_every': math.inf}, 'checkpoint_every=inf'),
        ({'test_checkpoint': 'foo'}, "test_checkpoint is 'foo'; choose 'last' or 'best'"),
        ({'parallel': 'foo'}, "parallel is 'foo'; choose one of jit, pmap"),
        ({'batch_size': 0}, 'batch_size=0'),
        ({'batch_size': 2_000}, 'batch_size=2000'),
        ({'epochs': 0}, 'epochs=0'),
        ({'seed': -1}, 'seed=-1'),
        ({'data.seed': 2**32}, r'data\.seed=4294967296'),
        ({'data.preprocessing': 'foo'}, "preprocessing 'foo'"),
        ({'data.preprocessing': 'standardise'}, "set model.output='identity'"),
        ({'data.name': 'digitz'}, "did you mean 'digits'"),
        ({'data.name': 'swiss_roll', 'data.preprocessing': 'standardise', 'model.output': 'identity', 'model.encoder': 'conv'},
         "model.encoder='conv' needs images"),
        ({'method': 'foo'}, "no method 'foo'"),
        ({'method': 'vae'}, "lacks 'beta', which a run of method 'vae' needs"),
        ({'loss': 'foo'}, "loss is 'foo'"),
        ({'model.activation': 'foo'}, "no activation 'foo'"),
        ({'model.hidden': ('8',)}, 'whole numbers'),
        ({'model.hidden': (3.5,)}, 'whole numbers'),
        ({'model.latents': 0}, 'whole numbers'),
        ({'optimizer.name': 'foo'}, "optimizer.name is 'foo'"),
        ({'optimizer.schedule': 'foo'}, "optimizer.schedule is 'foo'"),
        ({'optimizer.learning_rate': -1.0}, 'optimizer.learning_rate=-1.0 must be at least 0'),
        ({'optimizer.learning_rate': math.nan}, 'optimizer.learning_rate=nan'),
        ({'optimizer.b1': 1.0}, 'optimizer.b1=1.0 must be at least 0 and below 1'),
        ({'optimizer.warmup_steps': -1}, 'optimizer.warmup_steps=-1'),
        ({'optimizer.clip_norm': -1.0}, 'optimizer.clip_norm=-1.0'),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, changes, message):
    with pytest.raises(UserError, match=message) as caught:
        train(config(ae, **changes), tmp_path / 'run')
    assert '\n' not in str(caught.value)
    assert not (tmp_path / 'run').exists()


def test_a_config_that_lacks_a_key(tmp_path):
    for key in ('log_every', 'loss'):
        settings = config(ae)
        del settings[key]
        with pytest.raises(UserError, match=f"the config lacks '{key}', which a run of method 'ae' needs"):
            train(settings, tmp_path)
