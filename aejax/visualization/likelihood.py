"""log p(x) in a run's report: what it is after how many samples, and how far it can be trusted."""

from aejax.visualization.markup import Markup, element, table
from aejax.visualization.numbers import is_finite, number, with_error
from aejax.visualization.run_folder import Run, nested, subject
from aejax.visualization.sections import section


def likelihood(run: Run) -> Markup:
    """The importance-sampled log-likelihood at several numbers of samples, with its two errors; '' where there is none."""
    found = nested(run.summary, 'likelihood')
    figure = nested(found, 'log_likelihood')
    if not figure:
        return Markup('')
    one, split = subject(run).one, run.summary.get('split', 'test')
    intro = (
        f'Mean over the {split} split of log p(x), by importance sampling: the logarithm of the mean of p(x, z) / q(z|x) over '
        f'samples z of q(z|x), independent ones for each {one}. It is a lower bound in expectation and grows with the number of '
        'samples, so that number belongs to it: one sample gives the evidence lower bound, infinitely many log p(x) itself.'
    )
    rows = [[number(row.get('samples')), f'{number(row.get("mean"), 5)}'] for row in found.get('at', []) if isinstance(row, dict)]
    last = with_error(figure.get('mean'), figure.get('standard_error'))
    rows = [*rows[:-1], [number(found.get('samples')), element('span', last, class_='figure')]]
    notes = [
        f'± is the standard error of the mean over {number(figure.get("n"))} {one}s; that of the sampling is '
        f'{number(found.get("monte_carlo_standard_error"), 2)} nats.',
        f'Of the {number(found.get("samples"))} samples, those that carry the sum count as '
        f'{number(found.get("effective_sample_size"), 3)} (effective sample size, mean over {one}s).',
        _warning(found, one),
        f'{found["note"].capitalize()}.' if isinstance(found.get('note'), str) else '',
    ]
    head = ('Samples', f'log p(x), nats per {one}')
    foot = element('p', ' '.join(filter(None, notes)), class_='foot')
    return section('likelihood', 'Likelihood', element('p', intro), table(head, rows, 'course'), foot)


def _warning(found: dict[str, object], one: str) -> str:
    """Where more than one example in twenty rests on fewer than ten samples."""
    share = found.get('share_with_few')
    if isinstance(share, float) and is_finite(share) and share > 0.05:
        return f'For {share:.0%} of the {one}s fewer than 10 carry it: there both the figure and its error are likely too small.'
    return ''
