"""Measures figures of the papers again and holds them against their targets.

    python -m experiments.reproduce PAPER[.TABLE] ... [--seeds=0,1,2] [--download_dir=DIR]
    python -m experiments.reproduce --list              what there is, its targets, what was measured last
    python -m experiments.reproduce --table=headlines   the README's table, from experiments/results
    python -m experiments.reproduce --table=all         the table of every figure, in experiments/results/README.md

One JSON a table is written to experiments/results, and only by code that is committed: without a commit nobody could have its
figures again. A trial of changed code is written to --results_dir. Finished parts are kept in runs/reproduce, and so is, every
five minutes, the training of a part that has one stage: a command that was interrupted goes on from there when it is started
again; `--fresh` trains everything anew.
"""

import contextlib
import pathlib
import sys
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from absl import flags

from experiments import cli

if TYPE_CHECKING:
    from experiments.reproductions import Bench

_LIST = flags.DEFINE_bool('list', False, 'list all tables with their targets and last figures')
_TABLE = flags.DEFINE_enum(
    'table', None, ['headlines', 'all'], "print the README's table, or that of every figure in experiments/results/README.md"
)
_SMOKE = flags.DEFINE_bool('smoke', False, 'the same code on the embedded digits for two epochs; nothing is written')
_FRESH = flags.DEFINE_bool('fresh', False, 'train again what is finished already')
_SEEDS = flags.DEFINE_list('seeds', ['0', '1', '2'], 'seeds of parameters, order and noise')
# Measured on two busy cores with three seeds: the vmapped program takes about 1.5 times as long as one seed after the other, for
# XLA's batched matrix products on the CPU do not reach the speed of single ones.
_ENSEMBLE = flags.DEFINE_enum(
    'ensemble', 'auto', ['auto', 'yes', 'no'], 'all seeds as one vmapped program; auto: on accelerators, one by one on the CPU'
)
_RESULTS = flags.DEFINE_string('results_dir', None, 'where results are written and read (default experiments/results)')
cli.define_folder_flags()


def take_names(argv: list[str]) -> tuple[list[str], list[str]]:
    """(words that are no flags, all else): `cli.run` takes flags alone. A command line that is wrong is left for it to report."""
    try:
        left = flags.FLAGS(argv, known_only=True)[1:]
    except flags.Error:
        return [], argv
    names = [word for word in left if not word.startswith('-')]
    return names, [argv[0], *(word for word in argv[1:] if word not in names)]


def main(names: list[str]) -> None:
    """Does what the command line asks for with the reproductions of these names."""
    from aejax.types import UserError
    from experiments import reproductions
    from experiments.reproductions import results

    folder = pathlib.Path(_RESULTS.value or results.FOLDER)
    chosen = list(dict.fromkeys(table for name in names for table in reproductions.find(name)))
    if _LIST.value:
        print(results.listing(chosen or reproductions.ALL, folder))
        return
    if _TABLE.value:
        print(results.table(chosen or reproductions.ALL, folder, _TABLE.value))
        return
    if not chosen:
        raise UserError('which reproduction? Give PAPER or PAPER.TABLE; --list shows them all')
    cli.configure_jax()
    with _bench() as bench:
        if bench.git.get('dirty', True) and not bench.smoke and folder.absolute() == results.FOLDER.absolute():
            raise UserError('the code is not that of a commit: commit what was changed, or give --results_dir for a trial')
        for table in chosen:
            _say(f'{table.name}: {table.title}')
            outcome = table.run(bench)
            for figure in outcome.figures:
                _say(f'  {results.line(figure.to_json())}')
            _say('smoke test: nothing is written' if bench.smoke else f'written: {results.write(table, outcome, bench, folder)}')


@contextlib.contextmanager
def _bench() -> Iterator['Bench']:
    """The bench that the flags describe; the finished parts of a smoke test or a fresh start are forgotten at its end."""
    import jax

    from aejax.runs.provenance import git_state
    from aejax.runs.setup import Folders
    from experiments.reproductions.base import CACHE, Bench

    ensemble = {'yes': True, 'no': False, 'auto': jax.default_backend() != 'cpu'}[_ENSEMBLE.value]
    folders, git = Folders(flags.FLAGS.data_dir, flags.FLAGS.download_dir), git_state()
    with tempfile.TemporaryDirectory() as scratch:
        # Parts are known again by their commit, which says nothing of changed code.
        forget = _SMOKE.value or _FRESH.value or git.get('dirty', True)
        cache = pathlib.Path(scratch) if forget else CACHE
        yield Bench(_seeds(), folders, cache, _SMOKE.value, ensemble, _say, git)


def _seeds() -> tuple[int, ...]:
    from aejax.settings import check_seed
    from aejax.types import UserError

    seeds = tuple(int(word) for word in _SEEDS.value if word.isdecimal())
    if not seeds or len(set(seeds)) < len(_SEEDS.value):
        raise UserError(f'--seeds={",".join(_SEEDS.value)}: give whole numbers from 0 on, each once, with commas between them')
    for seed in seeds:
        check_seed(seed, '--seeds')
    return seeds


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == '__main__':
    found, sys.argv[:] = take_names(sys.argv)
    cli.run(lambda: main(found))
