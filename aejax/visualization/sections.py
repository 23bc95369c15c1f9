"""The sections of a run's report, each from what the run's folder tells; '' where it tells nothing."""

import base64
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from aejax.visualization.figure_words import figure_words
from aejax.visualization.history import curves
from aejax.visualization.markup import Markup, element, join, table
from aejax.visualization.metric_words import meaning
from aejax.visualization.numbers import is_finite, number, with_error
from aejax.visualization.run_folder import Picture, Run, is_image, nested
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
    rows = [_result_row(name, value, is_image(run)) for name, value in metrics.items()]
    split = str(run.summary.get('split', 'test'))
    counts = sorted({value['n'] for value in metrics.values() if isinstance(value, dict) and is_finite(value.get('n'))})
    intro = f'Measured on the {split} split' + (
        f' ({number(counts[0])} {"images" if is_image(run) else "examples"})' if len(counts) == 1 else ''
    )
    details = [
        f'weights of the {run.summary["checkpoint"]} checkpoint' if 'checkpoint' in run.summary else '',
        PREPROCESSING.get(str(_preprocessing(run)), str(_preprocessing(run) or '')),
        f'seed {run.provenance["seed"]}' if 'seed' in run.provenance else '',
    ]
    intro = '; '.join([intro, *filter(None, details)]) + '.'
    foot = '± is the standard error of the mean over examples. It says nothing of how another seed would do.'
    return section(
        'result', 'Result', element('p', intro), table(('Metric', 'Mean', 'n', 'Unit', 'Meaning'), rows, 'result'),
        element('p', foot, class_='foot'),
    )  # fmt: skip


def _preprocessing(run: Run) -> Any:
    return nested(run.provenance, 'data').get('preprocessing') or nested(run.config, 'data').get('preprocessing')


def _result_row(name: str, value: Any, image: bool) -> list[Any]:
    words = meaning(name, image)
    entry = value if isinstance(value, dict) else {'mean': value}
    mean, error = entry.get('mean'), entry.get('standard_error')
    exact = f'{mean!r} ± {error!r}' if error is not None else f'{mean!r}'
    good = is_finite(mean)
    shown = element('span', with_error(mean, error), title=exact, class_='figure' if good else 'figure alarm')
    better = f'{words.better} is better' if words.better else ''
    explained = '; '.join(filter(None, [words.definition, better]))
    heading = [element('span', words.title), element('code', name)] if words.title != name else [name]
    return [join(heading, Markup('<br>')), shown, number(entry.get('n') or ''), words.unit, explained]


def figures(pictures: list[Picture]) -> Markup:
    """Every figure but the learning curves, in the order of the story."""
    told = sorted((figure_words(item.stem)[0], item.stem, item) for item in pictures)
    return (
        section('figures', 'Figures', element('div', *(figure(item) for *_, item in told), class_='figures'))
        if told
        else Markup('')
    )


def figure(item: Picture) -> Markup:
    """A picture inside the page, with a heading and a sentence on how to read it; wide ones take the whole column."""
    _, heading, caption = figure_words(item.stem)
    address = 'data:image/png;base64,' + base64.b64encode(item.content).decode('ascii')
    size = {'width': round(item.width / 1.5), 'height': round(item.height / 1.5)}
    image = Markup(element('img', src=address, alt=f'{heading}. {caption}'.strip(), **size).removesuffix('</img>'))
    words = element('figcaption', element('h3', heading), element('p', caption) if caption else '')
    return element('figure', words, element('div', image, class_='plate'), class_='wide' if size['width'] > 500 else None)


def training(run: Run, picture: Picture | None) -> Markup:
    """The learning curves, and the first, best and last value of each validation metric."""
    rows = [_course(curve.name, curve, is_image(run)) for curve in curves(run.history) if curve.split == 'validation']
    course = table(('Validation metric', 'First', 'Best', 'Last'), rows, 'course') if rows else ''
    return section('training', 'The course of training', figure(picture) if picture else '', course)


def _course(name: str, curve: Any, image: bool) -> list[Any]:
    words = meaning(name, image)
    finite = [index for index, value in enumerate(curve.values) if math.isfinite(value)]

    def at(index: int) -> Markup:
        where = element('small', f'step {number(int(curve.steps[index]))}')
        return element('span', number(float(curve.values[index])), ' ', where)

    best: Any = '\N{EN DASH}'
    if finite and words.better:
        choose = min if words.better == 'lower' else max
        best = at(choose(finite, key=lambda index: curve.values[index]))
    return [words.title, at(0), best, at(len(curve.values) - 1)]


def reproduce(run: Run) -> Markup:
    """The command and the commit that give this run again."""
    git = nested(run.provenance, 'git')
    commit = [f'git checkout {git["commit"]}'] if git.get('commit') else []
    command = [str(run.provenance['command'])] if run.provenance.get('command') else []
    if not command:
        return Markup('')
    dirty = 'The working tree had changes that were not committed: the commit alone does not give this run again.'
    note = element('p', dirty, class_='note warn') if git.get('dirty') else ''
    return section('reproduce', 'Run it again', element('pre', element('code', '\n'.join(commit + command))), note)


def folded(name: str, title: str, mapping: Mapping[str, Any]) -> Markup:
    """A nested mapping as a table that opens on a click, one dotted name a row: 'optimizer.learning_rate'."""
    rows = [[element('code', key), element('code', value)] for key, value in _flat(mapping)]
    if not rows:
        return Markup('')
    summary = element('summary', element('h2', title), element('span', f'{len(rows)} values'))
    return element('details', summary, table(('', ''), rows, 'pairs'), id=name)


def _flat(mapping: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, str]]:
    for key, value in mapping.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
