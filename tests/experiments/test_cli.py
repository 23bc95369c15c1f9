"""The parts of the command line that are functions."""

import errno
import os
import pathlib

import jax
import jax.numpy as jnp
import pytest

from aejax.runs.interruption import Interrupted
from aejax.types import UserError
from experiments import cli
from experiments.configs.base import base, check_variant


def test_a_config_is_looked_up_here_and_then_beside_the_libraries(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.find_config('configs/cae.py:mnist') == f'{cli.HERE / "configs" / "cae.py"}:mnist'
    (tmp_path / 'configs').mkdir()
    (tmp_path / 'configs' / 'cae.py').write_text('')
    assert cli.find_config('configs/cae.py') == str(tmp_path / 'configs' / 'cae.py')
    assert cli.find_config(f'{tmp_path}/configs/cae.py:a:b') == f'{tmp_path}/configs/cae.py:a:b'


@pytest.mark.parametrize(
    ('name', 'hint'),
    [
        ('configs/vea.py', 'did you mean configs/vae.py'),
        ('linear.py', 'linear_ae.py'),
        ('', '--config= names no file; there are configs/{adversarial_ae,ae,'),
        (':mnist', '--config=:mnist names no file'),
        ('configs', 'there are'),
    ],
)
def test_no_such_config(name, hint):
    with pytest.raises(UserError, match=hint):
        cli.find_config(name)


def test_both_spellings_of_the_config_flag():
    found = str(cli.HERE / 'configs' / 'cae.py')
    given = [
        'run.py',
        '--config=configs/cae.py',
        '-config',
        'configs/cae.py',
        '--config.epochs=3',
        '--configs',
        '--workdir=--config=x',
    ]
    resolved = cli.resolve_arguments(given)
    assert resolved == ['run.py', f'--config={found}', '-config', found, *given[4:]]
    assert cli.resolve_arguments(['run.py', '--config']) == ['run.py', '--config']


def test_overrides_need_a_config():
    for given in (['--config=x', '--config.epochs=3'], ['-config', 'x', '-config.epochs=3'], ['--workdir=x'], ['--configs.a=3']):
        cli.check_overrides(['run.py', *given])
    for override in ('--config.epochs=3', '-config.model.latents'):
        with pytest.raises(
            UserError, match=f'^{override} changes a config, and none is given: put --config=configs/NAME.py first'
        ):
            cli.check_overrides(['run.py', '--configs=x', override])


def test_what_configs_share_is_no_experiment(commands, tmp_path):
    line = commands.refused('--config=configs/base.py', folder=tmp_path)
    assert 'has no get_config(), so it is no experiment; there are configs/{adversarial_ae,ae,' in line
    assert 'put --config=configs/NAME.py first' in commands.refused('--config.epochs=3', folder=tmp_path)


def test_matrix_products_are_exact_unless_the_user_says_otherwise(monkeypatch):
    before = jax.config.jax_default_matmul_precision
    try:
        jax.config.update('jax_default_matmul_precision', None)
        monkeypatch.setenv('JAX_DEFAULT_MATMUL_PRECISION', 'tensorfloat32')
        cli.use_full_precision()
        assert jax.config.jax_default_matmul_precision is None
        monkeypatch.delenv('JAX_DEFAULT_MATMUL_PRECISION')
        cli.use_full_precision()
        lowered = jax.jit(jnp.dot).lower(jnp.ones((3, 3)), jnp.ones((3, 3))).as_text()
        assert 'HIGHEST' in lowered
    finally:
        jax.config.update('jax_default_matmul_precision', before)


def test_the_default_folder_has_the_name_of_config_and_variant():
    assert cli.config_name('/there/configs/cae.py') == 'cae'
    assert cli.config_name('/there/configs/cae.py:mnist') == 'cae-mnist'


def test_the_compilation_cache(tmp_path, monkeypatch):
    before = jax.config.jax_compilation_cache_dir, jax.config.jax_persistent_cache_min_compile_time_secs
    try:
        monkeypatch.delenv('JAX_COMPILATION_CACHE_DIR', raising=False)
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
        cli.enable_compilation_cache()
        assert pathlib.Path(jax.config.jax_compilation_cache_dir) == tmp_path / 'aejax' / 'xla'
        monkeypatch.setenv('JAX_COMPILATION_CACHE_DIR', str(tmp_path / 'other'))
        cli.enable_compilation_cache()
        assert pathlib.Path(jax.config.jax_compilation_cache_dir) == tmp_path / 'other'
    finally:
        jax.config.update('jax_compilation_cache_dir', before[0])
        jax.config.update('jax_persistent_cache_min_compile_time_secs', before[1])


@pytest.mark.parametrize(
    ('error', 'text'),
    [
        (UserError('a\n  b'), 'a b'),
        (KeyError('no such key'), 'no such key'),
        (AttributeError(repr(repr('epoch') + '\nDid you mean "epochs"?')), '\'epoch\' Did you mean "epochs"?'),
        (ValueError("'a' and 'b'"), "'a' and 'b'"),
        (ValueError(''), ''),
    ],
)
def test_one_line(error, text):
    assert cli.one_line(error) == text


@pytest.mark.parametrize(
    ('error', 'message', 'code'),
    [
        (UserError('no such thing'), 'no such thing', 1),
        (Interrupted(15, 'stopped at step 3'), 'stopped at step 3', 143),
        (KeyboardInterrupt(), 'interrupted', 130),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), '/here'), 'the disk is full', 1),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), '/here'), 'the disk is full', 1),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), '/here'), "Permission denied: '/here'", 1),
        (MemoryError(), 'out of memory', 1),
        (RuntimeError('RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes'), 'out of memory', 1),
    ],
)
def test_failures_that_a_user_can_mend(error, message, code):
    described = cli.describe(error)
    assert described is not None
    assert message in described[0]
    assert described[1] == code


def test_a_bug_keeps_its_traceback():
    assert cli.describe(AssertionError('never')) is None
    assert cli.describe(RuntimeError('shapes differ')) is None


def test_variants():
    check_variant('', 'mnist')
    check_variant('mnist', 'mnist')
    with pytest.raises(UserError, match="no variant 'minst'; choose one of mnist"):
        check_variant('minst', 'mnist')
    assert base('ae').method == 'ae'
