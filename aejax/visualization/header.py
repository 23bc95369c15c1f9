"""The top of a run's report: what it was, whether it finished, and the figures a reader looks for first."""

from typing import Any

from aejax.visualization.markup import Markup, element, join
from aejax.visualization.metric_words import Meaning, meaning, shown
from aejax.visualization.numbers import count, duration, is_finite, moment, number
from aejax.visualization.run_folder import Run, nested, subject
from aejax.visualization.verdict import verdict
from aejax.visualization.words import data_name, run_title

TIMES = '\N{MULTIPLICATION SIGN}'


def status(run: Run) -> tuple[str, str]:
    """('good', 'warn' or 'bad', a sentence): finished, with samples that collapsed or not, unfinished or stopped."""
    said = str(run.summary.get('status', 'finished')) if run.summary else ''
    if said == 'finished':
        kind, sentence = verdict(nested(run.summary, 'modes'))
        return ('warn', f'Finished, but {sentence[0].lower()}{sentence[1:]}') if kind == 'warn' else ('good', 'Finished')
    last = run.history[-1] if run.history else {}
    reached = ', '.join(filter(None, [count(last.get('step'), 'step'), count(last.get('epoch'), 'epoch')]))
    reached = f' Its last line of metrics is at {reached}.' if reached else ' It has logged no metrics yet.'
    if not said:
        return 'warn', f'Unfinished: there is no summary yet, the run is still going or was interrupted.{reached}'
    return 'bad', said[:1].upper() + said[1:].rstrip('.') + '.' + reached


def header(run: Run) -> Markup:
    """Title, status, one paragraph, and the key figures."""
    kind, sentence = status(run)
    short = sentence.split(':')[0].split('.')[0] if kind != 'good' else sentence
    note = element('p', sentence, class_=f'note {kind}') if kind != 'good' else ''
    started = moment(run.provenance['started']) if 'started' in run.provenance else ''
    line = join(
        filter(None, [element('span', short, class_=f'badge {kind}'), started, run.name]), Markup(' <span class="dot">·</span> ')
    )
    return element(
        'header',
        element('p', line, class_='eyebrow'),
        element('h1', run_title(run.config, run.provenance)),
        element('p', _lede(run), class_='lede'),
        note,
        _tiles(run),
    )


def _lede(run: Run) -> str:
    """What was trained on what, how long, on which device, as sentences; what is unknown is left out."""
    data, sizes = nested(run.provenance, 'data'), nested(nested(run.provenance, 'data'), 'sizes')
    noun = f'{subject(run).one}s'
    train = f'{number(sizes["train"])} {noun}' if 'train' in sizes else noun
    name = data_name(run.config, run.provenance)
    trained = f'Trained on {train}{_size(data.get("shape"))}' + (f' from {name}' if name else '')
    last = run.history[-1] if run.history else {}
    epochs = count(run.summary.get('epochs', last.get('epoch')), 'epoch')
    steps = count(run.summary.get('steps', last.get('step')), 'step')
    length = f' for {epochs}' + (f' ({steps})' if steps else '') if epochs else f' for {steps}' if steps else ''
    seconds = duration(run.summary.get('seconds'))
    device = str(run.provenance.get('device', ''))
    effort = (f', in {seconds}' if seconds else '') + (f', on {device}' if device else '')
    return f'{trained}{_labels(run)}{length}{effort}.'


def _labels(run: Run) -> str:
    """How many examples came with their class, where not all did."""
    number_of = _num_labelled(run)
    return f', {number(number_of)} of them with a label,' if number_of else ''


def _num_labelled(run: Run) -> int:
    value = nested(run.config, 'data').get('num_labelled')
    return value if isinstance(value, int) else 0


def _size(shape: Any) -> str:
    """' (8 x 8 x 1)' or ' in 3 dimensions', after 'images' and 'points'; '' where it is unknown."""
    if not isinstance(shape, list) or not shape:
        return ''
    if len(shape) == 1:
        return f' in {shape[0]} dimension' + ('' if shape == [1] else 's')
    return f' ({f" {TIMES} ".join(str(side) for side in shape)})'


def _tiles(run: Run) -> Markup:
    """The figures a reader looks for first."""
    summary, best = run.summary, nested(run.summary, 'best')
    rate = summary.get('throughput_examples_per_second')
    tiles = [
        _main_result(run),
        (shown(_words(run, best.get('metric')), best['value']) if 'value' in best else '', _best_words(run)),
        (duration(summary.get('seconds')), 'in training'),
        (f'{rate:,.0f}' if is_finite(rate) else '', 'examples a second'),
        (duration(summary.get('seconds_to_first_step')), 'from the command to the first step'),
    ]
    filled = [element('div', element('dt', label), element('dd', value)) for value, label in tiles if value]
    return element('dl', *filled, class_='tiles') if filled else Markup('')


def _main_result(run: Run) -> tuple[str, str]:
    """The test figure of the metric by which the run was selected, or else the first one; with few labels, the error."""
    metrics = nested(run.summary, 'metrics')
    name = 'classification_error' if _num_labelled(run) else str(nested(run.summary, 'best').get('metric', ''))
    name = name if name in metrics else next(iter(metrics), '')
    value = metrics.get(name, {})
    entry = value if isinstance(value, dict) else {'mean': value}
    words = _words(run, name)
    figure = shown(words, entry['mean'], entry.get('standard_error')) if 'mean' in entry else ''
    return figure, f'{run.summary.get("split", "test")} {words.title.lower()}'


def _best_words(run: Run) -> str:
    best = nested(run.summary, 'best')
    step = count(best.get('step'), 'step').removesuffix(' steps').removesuffix(' step')
    title = _words(run, best.get('metric')).title.lower()
    return f'validation {title} of the best kept checkpoint' + (f', step {step}' if step else '')


def _words(run: Run, metric: Any) -> Meaning:
    return meaning(str(metric or ''), subject(run).one)
