"""Trains, evaluates or samples one experiment.

    python -m experiments.run --config=configs/cae.py[:VARIANT] [--config.KEY=VALUE ...] [--workdir=DIR]
    [--mode=train|evaluate|sample]

The same command in the same folder goes on where it stopped; another config in the same folder is refused.
"""

import time

BEGAN = time.time()

from experiments.signals import leave_at_once, stop_quietly  # noqa: E402 (the clock starts before the imports)

stop_quietly()

import pathlib  # noqa: E402
import sys  # noqa: E402

from absl import flags  # noqa: E402

from experiments import cli  # noqa: E402

_CONFIG = cli.define_config_flag()
_WORKDIR = flags.DEFINE_string('workdir', None, "the run's folder (default runs/CONFIG[-VARIANT])")
_MODE = flags.DEFINE_enum('mode', 'train', ['train', 'evaluate', 'sample'], 'what to do')
_OVERWRITE = flags.DEFINE_bool('overwrite', False, 'start again where the folder holds a run already')
_SPLIT = flags.DEFINE_enum('split', 'test', ['train', 'validation', 'test'], 'evaluate: which split')
_CHECKPOINT = flags.DEFINE_string(
    'checkpoint', 'configured', "evaluate, sample: 'last', 'best', or a step (default: the config's)"
)
_NUM = flags.DEFINE_integer('num', 100, 'sample: how many', lower_bound=1)
_SEED = flags.DEFINE_integer('sample_seed', 0, 'sample: seed of the noise', lower_bound=0, upper_bound=2**32 - 1)
_DISTRIBUTED = flags.DEFINE_bool('distributed', False, 'be one of several processes, one a host (see cli.join_processes)')
cli.define_folder_flags()
for _name in ('config', 'data_dir', 'download_dir'):
    # Defined elsewhere, and yet part of what --help shows.
    flags.declare_key_flag(_name)


def main() -> None:
    """Does what --mode asks for."""
    from aejax import runs
    from aejax.runs import modes
    from aejax.runs.console import console
    from aejax.runs.setup import Folders
    from aejax.types import UserError

    cli.configure_jax()
    if _DISTRIBUTED.value:
        cli.join_processes()
    if _CONFIG.value is None and (_WORKDIR.value is None or _MODE.value == 'train'):
        raise UserError('which experiment? give --config=configs/cae.py (or another of experiments/configs)')
    if _WORKDIR.value == '':
        raise UserError('--workdir is empty: name a folder, or leave it out')
    workdir = pathlib.Path(_WORKDIR.value or pathlib.Path('runs') / cli.config_name(_config_argument()))
    where = Folders(flags.FLAGS.data_dir, flags.FLAGS.download_dir)
    command = ['python', '-m', 'experiments.run', *sys.argv[1:]]
    with console() as speaker:
        if _MODE.value != 'train' and _CONFIG.value is not None:
            modes.note_config(workdir, _CONFIG.value, speaker)
        if _MODE.value == 'train':
            runs.train(
                _CONFIG.value,
                workdir,
                where=where,
                overwrite=_OVERWRITE.value,
                console=speaker,
                command=command,
                began=BEGAN,
                at_once=leave_at_once,
            )
        elif _MODE.value == 'evaluate':
            modes.evaluate(workdir, _SPLIT.value, _CHECKPOINT.value, where, speaker)
        else:
            modes.sample(workdir, _NUM.value, _SEED.value, _CHECKPOINT.value, speaker)


def _config_argument() -> str:
    from ml_collections import config_flags

    return config_flags.get_config_filename(flags.FLAGS['config'])


if __name__ == '__main__':
    cli.run(main)
