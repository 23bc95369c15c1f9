"""The command line as a person meets it: real processes, their streams, their exit codes and what they leave behind."""

import json
import os
import pathlib
import pty
import re
import shlex
import shutil
import signal
import struct
import subprocess
import threading

import matplotlib.image
import numpy as np
import pytest

from aejax.runs import folder as folders
from tests.commands import Strike
from tests.flags import QUICK, TWO_DEVICES

VAE = (
    '--config=configs/vae.py',
    '--config.epochs=3',
    '--config.log_every=1.0',
    '--config.checkpoint_every=1.0',
    '--config.evaluation.importance_samples=20',
)
FLAGS = f'{TWO_DEVICES} {QUICK}'
FILES = {
    'config.json',
    'provenance.json',
    'metrics.jsonl',
    'summary.json',
    'checkpoints',
    'figures',
    'tensorboard',
    'report.html',
}
OWN = """
from experiments.configs import ae

def get_config(variant=''):
    config = ae.get_config('')
    config.epochs, config.log_every, config.checkpoint_every = (1 if variant else 2), 1.0, 1.0
    config.model.hidden = (8,)
    return config
"""


@pytest.fixture(scope='module')
def run(commands, tmp_path_factory):
    """A run of the command line, after one that asked for what cannot be: (folder, stdout)."""
    folder = tmp_path_factory.mktemp('run') / 'vae, größer'
    assert 'log_every=0.0' in commands.refused(*VAE, '--config.log_every=0.0', f'--workdir={folder}')
    return folder, commands.run(*VAE, f'--workdir={folder}').out


@pytest.fixture(scope='module')
def own(commands, tmp_path_factory):
    """A folder with a config of its own, in which it was run."""
    folder = tmp_path_factory.mktemp('own')
    (folder / 'configs').mkdir()
    (folder / 'configs' / 'own.py').write_text(OWN)
    return folder, commands.run('--config=configs/own.py:short', folder=folder, pictures='none').out


def refuse_constants(text):
    raise AssertionError(f'{text} is no JSON')


def strict(text: str):
    return json.loads(text, parse_constant=refuse_constants)


def events(path: pathlib.Path) -> list[tuple[str, int, float]]:
    from tensorboardX.proto.event_pb2 import Event

    content, found = path.read_bytes(), []
    while content:
        (length,) = struct.unpack('<Q', content[:8])
        event = Event.FromString(content[12 : 12 + length])
        found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
        content = content[16 + length :]
    return found


def test_lines_for_a_pipe(run):
    lines = run[1].splitlines()
    assert [line.split()[:5] for line in lines[:3]] == [['train', 'epoch', str(i), 'step', f'{12 * i}/36'] for i in (1, 2, 3)]
    assert all('elbo/loss' in line and 'validation elbo' in line for line in lines[:3])
    assert 'examples/s' in lines[2]
    assert lines[3] == 'evaluating on the test split and drawing figures'
    assert lines[4] == 'log p(x) of the test split from 20 samples an example'
    assert [line.split()[0] for line in lines[8:12]] == ['elbo', 'kl', 'log_likelihood', 'squared_error']
    assert lines[13].startswith('test log p(x): samples')
    assert lines[-1] == f'report: {run[0]}/report.html'
    assert '\x1b' not in run[1]


def test_the_folder_holds_what_is_documented(run):
    folder = run[0]
    assert {path.name for path in folder.iterdir()} == {*FILES, '.lock'}
    assert {path.name for path in (folder / 'checkpoints').iterdir()} == {'24', '36', 'digests.json'}
    pictures = sorted(path.stem for path in (folder / 'figures').iterdir() if path.suffix == '.png')
    assert pictures == sorted(path.stem for path in (folder / 'figures').iterdir())
    assert {'reconstructions', 'samples', 'latent_map', 'learning_curves'} <= set(pictures)
    for path in (folder / 'figures').iterdir():
        assert min(matplotlib.image.imread(path).shape[:2]) > 50
    for name in ('config', 'provenance', 'summary'):
        assert strict((folder / f'{name}.json').read_text())
    provenance = strict((folder / 'provenance.json').read_text())
    assert {'versions', 'git', 'data', 'device', 'seed', 'command', 'started', 'environment'} == set(provenance)
    assert shlex.split(provenance['command']) == ['python', '-m', 'experiments.run', *VAE, f'--workdir={folder}']
    rows = [strict(line) for line in (folder / 'metrics.jsonl').read_text().splitlines()]
    assert all(list(row)[:5] == ['step', 'epoch', 'stage', 'seconds', 'split'] for row in rows)
    assert [(row['step'], row['split']) for row in rows] == [
        (s, split) for s in (12, 24, 36) for split in ('train', 'validation')
    ]
    (board,) = (folder / 'tensorboard').iterdir()
    expected = [
        (f'{row["split"]}/{name}', row['step'], value)
        for row in rows
        for name, value in row.items()
        if name not in ('step', 'epoch', 'stage', 'seconds', 'split')
    ]
    found = events(board)
    assert [event[:2] for event in found] == [event[:2] for event in expected]
    np.testing.assert_allclose([event[2] for event in found], [event[2] for event in expected], rtol=1e-6)


def test_a_finished_run_is_left_alone(commands, run):
    before = {path: path.stat().st_mtime_ns for path in run[0].rglob('*')}
    assert 'is finished: nothing to do' in commands.run(*VAE, f'--workdir={run[0]}').out
    assert {path: path.stat().st_mtime_ns for path in run[0].rglob('*')} == before


def test_another_config_or_process_is_refused(commands, run):
    before = {path: path.stat().st_mtime_ns for path in run[0].rglob('*')}
    line = commands.refused(*VAE[:1], '--config.epochs=4', *VAE[2:], f'--workdir={run[0]}')
    assert 'epochs: 3 -> 4' in line
    assert '--overwrite' in line
    with folders.locked(run[0]):
        assert 'another process is running' in commands.refused(*VAE, f'--workdir={run[0]}')
    assert {path: path.stat().st_mtime_ns for path in run[0].rglob('*')} == before


def test_evaluate_and_sample(commands, run):
    folder = run[0]
    out = commands.run('--mode=evaluate', f'--workdir={folder}', '--checkpoint=36').out
    table, written = out.rstrip().rsplit('\n\n', 1)
    assert all(part.strip() in run[1] for part in table.split('\n', 1))
    assert written == f'written: {folder}/evaluation-test.json'
    metrics = strict((folder / 'evaluation-test.json').read_text())['metrics']
    assert metrics == strict((folder / 'summary.json').read_text())['metrics']
    commands.run('--mode=evaluate', '--split=validation', f'--workdir={folder}')
    last = strict((folder / 'metrics.jsonl').read_text().splitlines()[-1])
    again = strict((folder / 'evaluation-validation.json').read_text())['metrics']
    assert {name: value['mean'] for name, value in again.items()} == {name: pytest.approx(last[name]) for name in again}
    commands.run('--mode=sample', f'--workdir={folder}', '--num=9', '--sample_seed=5')
    assert np.load(folder / 'samples' / 'step-36-seed-5-num-9.npy').shape == (9, 8, 8, 1)
    assert (folder / 'samples' / 'step-36-seed-5-num-9.png').exists()
    for mode in ('evaluate', 'sample'):
        assert '[24, 36]' in commands.refused(f'--mode={mode}', f'--workdir={folder}', '--checkpoint=35')


def test_a_config_of_ones_own(commands, own):
    folder, out = own
    workdir = folder / 'runs' / 'own-short'
    assert out.endswith('report: runs/own-short/report.html\n')
    assert strict((workdir / 'config.json').read_text())['model']['hidden'] == [8]
    absolute = f'--config={folder}/configs/own.py:short'
    assert 'finished' in commands.run(absolute, folder=folder).out
    assert 'method ae cannot sample: it can encode, decode, reconstruct' in commands.refused(
        absolute, '--mode=sample', folder=folder
    )
    # Found beside the libraries where it is not here, and by either spelling.
    assert "no run's folder" in commands.refused('--config', 'configs/cae.py', '--mode=sample', folder=folder)


def test_overwriting_on_two_devices(commands, own):
    workdir = own[0] / 'runs' / 'own-short'
    (workdir / 'notes.md').write_text('mine')
    again = ('--config=configs/own.py', '--config.parallel=pmap', f'--workdir={workdir}')
    assert 'epochs: 1 -> 2; parallel' in commands.refused(*again, folder=own[0])
    out = commands.run(*again, '--overwrite', folder=own[0], pictures='none', XLA_FLAGS=FLAGS).out
    assert out.startswith('train  epoch 1 ')
    assert (workdir / 'notes.md').read_text() == 'mine'
    provenance = strict((workdir / 'provenance.json').read_text())
    assert provenance['device'].startswith('cpu x2')
    assert provenance['environment']['XLA_FLAGS'] == FLAGS
    assert strict((workdir / 'summary.json').read_text())['steps'] == 24


def test_foreign_files(commands, tmp_path):
    (tmp_path / 'thesis.tex').write_text('years')
    for options in ((), ('--overwrite',)):
        assert "'thesis.tex'" in commands.refused(*VAE, f'--workdir={tmp_path}', *options)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']
    assert 'is a file' in commands.refused(*VAE, f'--workdir={tmp_path}/thesis.tex')
    assert 'cannot write in' in commands.refused(*VAE, '--workdir=/proc/run')


@pytest.mark.parametrize(
    ('arguments', 'parts'),
    [
        ((), ['give --config=']),
        (('--config',), ['--config']),
        (('--config=',), ['configs/{adversarial_ae,ae,']),
        (('--config=configs/cea.py',), ['no config configs/cea.py', 'did you mean configs/cae.py?']),
        (('--config=configs/cae.py:minst',), ["no variant 'minst'", 'mnist']),
        (('--config=configs/cae.py', '--config.epoch=3'), ["'epoch'", '"epochs"']),
        (('--config=configs/cae.py', '--config.model.hiden=(3,)'), ["'hiden'", '"hidden"']),
        (('--config=configs/cae.py', '--config.first_layer.loss=x'), ["this config has no section 'first_layer'"]),
        (('--config=configs/cae.py', '--config.noise=1'), ["this config has no key 'noise'"]),
        (('--config=configs/cae.py', '--workdir='), ['--workdir is empty']),
        (
            ('--config=configs/vae.py', '--config.prior=standard'),
            ['--config.prior is a section and takes no value: set one of its'],
        ),
        (('--config=configs/vae.py', '--config.tensorboard=maybe'), ['--config.tensorboard=maybe: choose true or false']),
        (('--config=configs/vae.py', '--mode=sample', '--sample_seed=-1'), ['sample_seed']),
        (('--config=configs/cae.py', '--config.epochs=many'), ['--config.epochs=many']),
        (('--config=configs/cae.py', '--config.epochs=1.5'), ['--config.epochs=1.5']),
        (('--config=configs/cae.py', '--config.model.tied=perhaps'), ['--config.model.tied=perhaps']),
        (('--config=configs/cae.py', '--config.model=3'), ['model']),
        (('--config=configs/cae.py', '--wrkdir=x'), ["'wrkdir'"]),
        (('--config=configs/cae.py', 'evaluate'), ["unexpected argument 'evaluate'"]),
        (('--config=configs/cae.py', '--mode=fly'), ['--mode=fly', 'train|evaluate|sample']),
        (('--config=configs/cae.py', '--num=0'), ['--num=0']),
        (('--mode=evaluate', '--workdir=nowhere'), ["nowhere is no run's folder", 'train first']),
        (('--mode=sample', '--workdir=nowhere'), ["nowhere is no run's folder", 'train first']),
        (('--config=bad_syntax.py',), ['bad_syntax.py', 'line 2']),
        (('--config=bad_name.py',), ['NameError', "'undefined'"]),
        (('--config=bad_function.py',), ['get_config']),
    ],
)
def test_a_wrong_command_line_is_one_line(commands, tmp_path, arguments, parts):
    (tmp_path / 'bad_syntax.py').write_text('def get_config():\n    return (\n')
    (tmp_path / 'bad_name.py').write_text('def get_config(variant=""):\n    return undefined\n')
    (tmp_path / 'bad_function.py').write_text('config = 3\n')
    before = sorted(tmp_path.iterdir())
    line = commands.refused(*arguments, folder=tmp_path)
    for part in parts:
        assert part in line
    assert '\\' not in line
    assert sorted(path for path in tmp_path.iterdir() if path.name != '__pycache__') == before


def test_a_cache_that_cannot_be(commands, tmp_path):
    (tmp_path / 'file').write_text('')
    for cache in ('/proc/nothing', str(tmp_path / 'file' / 'below')):
        command = commands.start('--mode=sample', '--workdir=nowhere', JAX_COMPILATION_CACHE_DIR=cache)
        assert command.wait() == 1
        note, error = command.err.splitlines()
        assert note.startswith('note: compiled programs are not kept: ')
        assert cache in note
        assert 'nowhere is no run' in error


def test_overrides(commands, tmp_path):
    values = ('--config.model.hidden=(64,32)', '--config.optimizer.learning_rate=1', '--config.tensorboard=false')
    strike = Strike('aejax.runs.opening:provenance.collect')
    command = commands.start('--config=configs/ae.py', *values, f'--workdir={tmp_path / "run"}', strike=strike)
    assert command.wait() == 128 + signal.SIGKILL
    stored = strict((tmp_path / 'run' / 'config.json').read_text())
    assert stored['model']['hidden'] == [64, 32]
    assert stored['optimizer']['learning_rate'] == 1.0
    assert stored['tensorboard'] is False


def test_help_is_brief(commands):
    out = commands.run('--help').out
    assert 'Trains, evaluates or samples one experiment.' in out
    for flag in ('--config:', '--workdir:', '--mode', '--[no]overwrite', '--checkpoint', '--data_dir', '--split', '--num:'):
        assert flag in out
    assert len(out.splitlines()) < 60


def test_a_terminal_gets_a_bar(commands, tmp_path):
    main, terminal = pty.openpty()
    seen = bytearray()

    def read():
        while True:
            try:
                seen.extend(os.read(main, 4096))
            except OSError:
                return

    reader = threading.Thread(target=read)
    reader.start()
    environment = {'TERM': 'xterm-256color', 'COLUMNS': '170'}
    commands.run(*VAE, f'--workdir={tmp_path}/run', terminal=os.ttyname(terminal), pictures='none', **environment)
    os.close(terminal)
    reader.join()
    os.close(main)
    text = re.sub(r'\x1b\[[0-9;?]*[A-Za-z]', '', seen.decode())
    assert '\x1b[' in seen.decode()
    for part in ('train epoch 3', 'elbo/loss', 'validation elbo', 'examples/s', '100 %', 'left', 'test metric', 'report: '):
        assert part in text
    assert re.search(r'\d:\d\d:\d\d left \d:\d\d:\d\d', text)


def test_a_full_disk(commands, tmp_path):
    disk = tmp_path / 'disk'
    disk.mkdir()
    mount = shutil.which('mount')
    if mount is None or subprocess.run([mount, '-t', 'tmpfs', '-o', 'size=1500k', 'tmpfs', disk], capture_output=True).returncode:
        pytest.skip('needs to mount a small disk, which root may')
    try:
        line = commands.refused(*VAE, f'--workdir={disk}/run')
        assert 'the disk is full; free some space and start the same command again' in line
        for row in (disk / 'run' / 'metrics.jsonl').read_text().splitlines():
            strict(row)
        subprocess.run([mount, '-o', 'remount,size=50m', disk], check=True)
        strike = Strike('aejax.runs.ending:write_figures', 1, (signal.SIGTERM,))
        ended = commands.run(*VAE, f'--workdir={disk}/run', code=143, strike=strike)
        assert f'resuming {disk}/run at step' in ended.out
    finally:
        subprocess.run(['umount', disk], check=True)
