"""The sections of a run's report, each from what the run's folder tells; '' where it tells nothing."""

import base64
import json
import math
import shlex
from collections.abc import Mapping
from typing import Any

from aejax.files import flatten
from aejax.visualization.figure_words import Subject, figure_words
from aejax.visualization.history import Curve, curves
from aejax.visualization.markup import Markup, element, join, table
from aejax.visualization.metric_words import meaning, shown
from aejax.visualization.numbers import is_finite, number
from aejax.visualization.run_folder import Picture, Run, nested, subject
from aejax.visualization.words import PREPROCESSING


def section(name: str, title: str, *contents: Any) -> Markup:
    """A section with a heading that can be linked to; nothing where all contents are empty."""
    if not any(contents):
        return Markup('')
    return element('section', element('h2', title), *contents, id=name)


def result(run: Run) -> Markup:
    """The test figures with their errors, units and meanings, and what they were measured on."""
    metrics = nested(run.summary, 'metrics')
    if not metrics:
        sentence = 'There are no test figures: they are written when a run has finished.'
        return section('result', 'Result', element('p', sentence))
    one = subject(run).one
    rows = [_result_row(name, value, one) for name, value in metrics.items()]
    split = str(run.summary.get('split', 'test'))
    counts = sorted({value['n'] for value in metrics.values() if isinstance(value, dict) and is_finite(value.get('n'))})
    intro = f'Measured on the {split} split' + (f' ({number(counts[0])} {one}s)' if len(counts) == 1 else '')
    details = [
        f'weights of the {run.summary["checkpoint"]} checkpoint' if 'checkpoint' in run.summary else '',
        PREPROCESSING.get(str(_preprocessing(run)), str(_preprocessing(run) or '')),
        f'seed {run.provenance["seed"]}' if 'seed' in run.provenance else '',
    ]
    intro = '; '.join([intro, *filter(None, details)]) + '.'
    foot = f'± is the standard error of the mean over {one}s. It says nothing of how another seed would do.'
    return section(
        'result', 'Result', element('p', intro), table(('Metric', 'Mean', 'n', 'Unit', 'Meaning'), rows, 'result'),
        element('p', foot, class_='foot'),
    )  # fmt: skip


def code(run: Run) -> Markup:
    """How sparse the code is over the test split, how many of its units are dead or saturated, how far it moves with x."""
    about = subject(run)
    rows = [_result_row(name, value, about.one) for name, value in nested(run.summary, 'code').items()]
    if not rows:
        return Markup('')
    foot = f'n counts {about.one}s, or units of the code. A unit is active above one half where it is a plain sigmoid, else '
    return section(
        'code', 'The code', table(('Statistic', 'Mean', 'n', 'Unit', 'Meaning'), rows, 'result'),
        element('p', foot + 'where it is not 0.', class_='foot'),
    )  # fmt: skip


def _preprocessing(run: Run) -> Any:
    return nested(run.provenance, 'data').get('preprocessing') or nested(run.config, 'data').get('preprocessing')


def _result_row(name: str, value: Any, one: str) -> list[Any]:
    words = meaning(name, one)
    entry = value if isinstance(value, dict) else {'mean': value}
    mean, error = entry.get('mean'), entry.get('standard_error')
    exact = f'{mean!r} ± {error!r}' if error is not None else f'{mean!r}'
    written = element('span', shown(words, mean, error), title=exact, class_='figure' if is_finite(mean) else 'figure alarm')
    better = f'{words.better} is better' if words.better else ''
    explained = '; '.join(filter(None, [words.definition, better]))
    heading = [element('span', words.title), element('code', name)] if words.title != name else [name]
    return [join(heading, Markup('<br>')), written, number(entry.get('n') or ''), words.unit, explained]


def figures(pictures: list[Picture], about: Subject) -> Markup:
    """Every figure but the learning curves, in the order of the story."""
    told = sorted(pictures, key=lambda item: (figure_words(item.stem)[0], item.stem))
    drawn = element('div', *(figure(item, about) for item in told), class_='figures') if told else ''
    return section('figures', 'Figures', drawn)


def figure(item: Picture, about: Subject) -> Markup:
    """A picture inside the page, with a heading and a sentence on what it shows; wide ones take the whole column."""
    _, heading, caption = figure_words(item.stem, about)
    address = 'data:image/png;base64,' + base64.b64encode(item.content).decode('ascii')
    size = {'width': round(item.width / 1.5), 'height': round(item.height / 1.5)}
    image = Markup(element('img', src=address, alt=f'{heading}. {caption}'.strip(), **size).removesuffix('</img>'))
    words = element('figcaption', element('h3', heading), element('p', caption) if caption else '')
    return element('figure', words, element('div', image, class_='plate'), class_='wide' if size['width'] > 500 else None)


def training(run: Run, picture: Picture | None) -> Markup:
    """The learning curves, and the first, best and last logged value of each validation metric."""
    about = subject(run)
    rows = [_course(curve, about.one) for curve in curves(run.history) if curve.split == 'validation']
    course = table(('Validation metric', 'First row', 'Best row', 'Last row'), rows, 'course') if rows else ''
    foot = element('p', 'Of all logged rows; checkpoints may be kept less often.', class_='foot') if rows else ''
    return section('training', 'The course of training', figure(picture, about) if picture else '', course, foot)


def _course(curve: Curve, one: str) -> list[Any]:
    words = meaning(curve.name, one)
    finite = [index for index, value in enumerate(curve.values) if math.isfinite(value)]

    def at(index: int) -> Markup:
        where = element('small', f'step {number(int(curve.steps[index]))}')
        return element('span', shown(words, float(curve.values[index])), ' ', where)

    best: Any = '\N{EN DASH}'
    if finite and words.better:
        choose = min if words.better == 'lower' else max
        best = at(choose(finite, key=lambda index: curve.values[index]))
    return [words.title, at(0), best, at(len(curve.values) - 1)]


def reproduce(run: Run) -> Markup:
    """The commit, the command and the settings of the environment that give this run again."""
    git = nested(run.provenance, 'git')
    commit = [f'git checkout {git["commit"]}'] if git.get('commit') else []
    settings = ''.join(f'{name}={shlex.quote(str(value))} ' for name, value in nested(run.provenance, 'environment').items())
    command = [settings + str(run.provenance['command'])] if run.provenance.get('command') else []
    if not command:
        return Markup('')
    dirty = 'The working tree had changes that were not committed: the commit alone does not give this run again.'
    note = element('p', dirty, class_='note warn') if git.get('dirty') else ''
    return section('reproduce', 'Run it again', element('pre', element('code', '\n'.join(commit + command))), note)


def folded(name: str, title: str, mapping: Mapping[str, Any]) -> Markup:
    """A nested mapping as a table that opens on a click, one dotted name a row: 'optimizer.learning_rate'."""
    rows = [[element('code', key), element('code', _literal(value))] for key, value in flatten(mapping).items()]
    if not rows:
        return Markup('')
    summary = element('summary', element('h2', title), element('span', f'{len(rows)} values'))
    return element('details', summary, table(('', ''), rows, 'pairs'), id=name)


def _literal(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
