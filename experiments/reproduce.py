"""Measures figures of the papers again and holds them against their targets.

    python -m experiments.reproduce PAPER[.TABLE] ... [--seeds=0,1,2] [--download_dir=DIR]
    python -m experiments.reproduce --list        what there is, its targets, what was measured last
    python -m experiments.reproduce --table       the README's table, from experiments/results

One JSON a table is written to experiments/results. Finished parts are kept in runs/reproduce, so an interrupted command that is
started again goes on behind the last of them; `--fresh` trains everything anew.
"""

import pathlib
import sys

from absl import flags

from experiments import cli

_LIST = flags.DEFINE_bool('list', False, 'list all tables with their targets and last figures')
_TABLE = flags.DEFINE_bool('table', False, "print the README's table")
_SMOKE = flags.DEFINE_bool('smoke', False, 'the same code on the embedded digits for two epochs; nothing is written')
_FRESH = flags.DEFINE_bool('fresh', False, 'train again what is finished already')
_SEEDS = flags.DEFINE_list('seeds', ['0', '1', '2'], 'seeds of parameters, order and noise')
# Measured on two cores, three seeds: a vmapped program takes 1.4 to 1.7 times as long as one seed after the other, because XLA's
# batched matrix products on the CPU do not reach the speed of single ones.
_ENSEMBLE = flags.DEFINE_enum(
    'ensemble', 'auto', ['auto', 'yes', 'no'], 'all seeds as one vmapped program; auto: on accelerators, one by one on the CPU'
)
_RESULTS = flags.DEFINE_string('results_dir', None, 'where results are written and read (default experiments/results)')
cli.define_folder_flags()
_NAMES: list[str] = []


def main() -> None:
    """Does what the command line asks for."""
    from aejax.types import UserError
    from experiments import reproductions
    from experiments.reproductions import results

    folder = pathlib.Path(_RESULTS.value or results.FOLDER)
    chosen = [table for name in _NAMES for table in reproductions.find(name)]
    if _LIST.value or _TABLE.value:
        print((results.listing if _LIST.value else results.table)(chosen or reproductions.ALL, folder))
        return
    if not chosen:
        raise UserError('which reproduction? Give PAPER or PAPER.TABLE; --list shows them all')
    cli.enable_compilation_cache()
    bench = _bench()
    for table in dict.fromkeys(chosen):
        _say(f'{table.name}: {table.title}')
        outcome = table.run(bench)
        for line in results.lines(results.content(table, outcome, bench)):
            _say(line)
        _say('smoke test: nothing is written' if bench.smoke else f'written: {results.write(table, outcome, bench, folder)}')


def _bench() -> 'reproductions.Bench':  # type: ignore[name-defined]  # noqa: F821
    import dataclasses

    import jax

    from aejax.runs.setup import Folders
    from aejax.types import UserError
    from experiments.reproductions import Bench

    try:
        seeds = tuple(int(seed) for seed in _SEEDS.value)
    except ValueError:
        raise UserError(f'--seeds={",".join(_SEEDS.value)}: whole numbers with commas between them are needed') from None
    if not seeds or len(set(seeds)) < len(seeds):
        raise UserError('--seeds: give at least one seed, and each once')
    ensemble = {'yes': True, 'no': False, 'auto': jax.default_backend() != 'cpu'}[_ENSEMBLE.value]
    folders = Folders(flags.FLAGS.data_dir, flags.FLAGS.download_dir)
    bench = Bench(seeds, folders, smoke=_SMOKE.value, ensemble=ensemble, say=_say)
    return dataclasses.replace(bench, cache=None) if _SMOKE.value or _FRESH.value else bench


def _say(text: str) -> None:
    print(text, flush=True)
