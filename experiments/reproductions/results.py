"""Results as files, one JSON a table, and as text: the listing, and the tables of two READMEs."""

import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from aejax.files import write_json
from aejax.runs import provenance
from aejax.runs.folder import plain
from aejax.types import UserError
from aejax.visualization.numbers import duration, moment, with_error
from experiments.reproductions.base import Bench, Outcome, Part, Reproduction
from experiments.reproductions.figures import MISSED, REPRODUCED, STATED

FOLDER = pathlib.Path(__file__).parents[1] / 'results'
BINARISATION = {
    'scale': 'none: grey values / 255',
    'static_binarisation': 'static: one seeded Bernoulli draw',
    'dynamic_binarisation': 'dynamic: a fresh Bernoulli draw at every use',
    'centre': 'none: grey values / 255, less their mean in training',
}
MARKERS = '<!-- results -->', '<!-- /results -->'


def content(reproduction: Reproduction, outcome: Outcome, bench: Bench) -> dict[str, Any]:
    """All that is stored of one table."""
    parts, first = outcome.parts, next(iter(outcome.parts.values()))
    judged = [figure.verdict for figure in outcome.figures if figure.verdict != STATED]
    return {
        'name': reproduction.name,
        'title': reproduction.title,
        'source': reproduction.source,
        'protocol': reproduction.protocol,
        'target': reproduction.target,
        'verdict': MISSED if MISSED in judged else REPRODUCED if judged else STATED,
        'figures': [figure.to_json() for figure in outcome.figures],
        'split': 'test',
        'preprocessing': first.data['preprocessing'],
        'binarisation': BINARISATION.get(first.data['preprocessing'], 'none: real values'),
        'num_samples': reproduction.num_samples,
        'seeds': sorted({seed for part in parts.values() for seed in part.seeds}),
        'hyperparameters': {'chosen': reproduction.chosen, 'search': list(outcome.search)},
        'parts': {
            name: {'config': plain(part.config), 'seeds': list(part.seeds), 'seconds': list(part.seconds)}
            for name, part in parts.items()
        },
        'seconds': sum(sum(part.seconds) for part in parts.values()),
        'ensemble': bench.ensemble,
        'provenance': _provenance(reproduction, first, bench),
    }


def _provenance(reproduction: Reproduction, part: Part, bench: Bench) -> dict[str, Any]:
    """As of a run, but with the code as it was when the command began, the time at which it was done, and without folders."""
    collected = provenance.collect(
        ['python', '-m', 'experiments.reproduce', reproduction.name, f'--seeds={",".join(map(str, bench.seeds))}'],
        part.seeds[0],
        part.data,
    )
    finished = collected.pop('started')
    return {**collected, 'environment': provenance.environment_of_figures(), 'git': dict(bench.git), 'finished': finished}


def write(reproduction: Reproduction, outcome: Outcome, bench: Bench, folder: pathlib.Path) -> pathlib.Path:
    """Writes the table and its pictures, each file whole or not at all; returns the table's path."""
    from aejax.visualization import save

    for ending, picture in outcome.pictures.items():
        save(picture, folder / f'{reproduction.name}{ending}.png')
    path = folder / f'{reproduction.name}.json'
    write_json(path, content(reproduction, outcome, bench))
    return path


def read(name: str, folder: pathlib.Path) -> dict[str, Any] | None:
    """The stored table, None where there is none.

    Raises:
        UserError: if the file cannot be read as JSON.
    """
    path = folder / f'{name}.json'
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise UserError(f'{path} is damaged ({error}): run `python -m experiments.reproduce {name}` again') from None


def measured(figure: dict[str, Any]) -> str:
    """'4.20 ± 0.10 nats'."""
    return f'{with_error(figure["mean"], figure["standard_error"])} {figure["unit"]}'.strip()


def line(figure: dict[str, Any]) -> str:
    """A figure in words, with its verdict where it has one."""
    judged = f' ({figure["tolerance"]}: {figure["verdict"]})' if figure['tolerance'] else ''
    return f'{figure["name"]}: {measured(figure)}{judged}'


def listing(reproductions: Iterable[Reproduction], folder: pathlib.Path) -> str:
    """Name, title, target, and the figures that were last measured, of every reproduction."""
    blocks = []
    for reproduction in reproductions:
        result = read(reproduction.name, folder)
        block = [f'{reproduction.name}: {reproduction.title}', f'  target: {reproduction.target}']
        if result is None:
            block.append('  not measured yet')
        else:
            when, took = moment(result['provenance']['finished']), duration(result['seconds'])
            block.append(f'  {result["verdict"]} on {when}, its models in {took}')
            block += [f'    {line(figure)}' for figure in result['figures']]
        blocks.append('\n'.join(block))
    return '\n\n'.join(blocks)


def headlines(figures: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """The figures that are judged; where none is, those with a published value beside them; or else the first."""
    judged = [figure for figure in figures if figure['tolerance']]
    return judged or [figure for figure in figures if figure['target']] or figures[:1]


def table(reproductions: Iterable[Reproduction], folder: pathlib.Path, extent: str = 'headlines') -> str:
    """The README's table, of `headlines`, or with `extent='all'` that of the results' own README, from the stored results."""
    head = ('system', 'figure', 'measured ± standard error', 'target', 'published', 'n', 'seeds', 'verdict')
    choose, place = (headlines, 'experiments/results/') if extent == 'headlines' else (tuple, '')
    rows = [head, ('---',) * len(head)]
    for reproduction in reproductions:
        result = read(reproduction.name, folder)
        link = f'{reproduction.title} ([`{reproduction.name}`]({place}{reproduction.name}.json))'
        for figure in choose(result['figures']) if result else ():
            rows.append((link, *_cells(figure)))
            link = ''  # named once, at the first of its figures
    escaped = ([cell.replace('|', r'\|') for cell in row] for row in rows)
    return '\n'.join(f'| {" | ".join(row)} |' for row in escaped)


def _cells(figure: dict[str, Any]) -> tuple[str, ...]:
    target = f'{figure["tolerance"]} {figure["unit"]}'.strip() if figure['tolerance'] else ''
    n = f'{figure["n"]:,}' if figure['n'] else 'per seed'
    return figure['name'], measured(figure), target, figure['target'], n, str(len(figure['per_seed'])), figure['verdict']
