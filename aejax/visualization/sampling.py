"""Samples and codes in a run's report: Parzen windows, what the samples leave out, how codes fit the prior, progressions."""

from typing import Any

from aejax.visualization.markup import Markup, element, table
from aejax.visualization.numbers import is_finite, number, with_error
from aejax.visualization.run_folder import Run, nested, subject
from aejax.visualization.sections import section
from aejax.visualization.verdict import verdict

WITHIN = 'within_class_diversity'


def modes(run: Run) -> Markup:
    """How varied the samples are and which classes never come; '' where nobody looked."""
    found, one = nested(run.summary, 'modes'), subject(run).one
    if not found:
        return Markup('')
    intro = (
        f'{number(found.get("samples"))} samples, each given a class by a classifier that knows the training split: a model that '
        'collapsed draws few classes, or the same few things again and again, and no loss shows it.'
    )
    kind, sentence = verdict(found)
    rows = [
        ['Diversity', number(found['diversity'], 3), f'mean distance between two samples, over that of two {one}s'],
        *_class_rows(found, one),
    ] if 'diversity' in found else []  # fmt: skip
    figures = table(('Figure', 'Value', 'Meaning'), rows, 'course') if rows else ''
    note = element('p', sentence, class_='note warn' if kind == 'warn' else 'foot')
    return section('modes', 'Samples', note, element('p', intro), figures, _shares(found))


def _class_rows(found: dict[str, Any], one: str) -> list[list[Any]]:
    if 'entropy' not in found:
        return []
    beside = f'of the classes of the samples; that of the {one}s is {number(found.get("data_entropy"), 3)}'
    error = f'share of {one}s that the classifier gets wrong; the shares of classes are as good as it'
    wrong = found.get('classifier_error')
    within = f'the same of two samples, and two {one}s, of one class; mean over classes'
    return [
        *([['Diversity within classes', number(found[WITHIN], 3), within]] if WITHIN in found else []),
        ['Entropy, nats', number(found['entropy'], 3), beside],
        ['Error of the classifier', _per_cent(wrong), error],
    ]


def _per_cent(share: Any) -> str:
    return f'{100 * share:.1f} %' if is_finite(share) else number(share)


def _shares(found: dict[str, Any]) -> Markup | str:
    shares, data = found.get('shares', []), found.get('data_shares', [])
    rows = [
        [str(i), f'{100 * share:.1f} %', f'{100 * of:.1f} %'] for i, (share, of) in enumerate(zip(shares, data, strict=False))
    ]
    return table(('Class', 'Of samples', 'Of data'), rows, 'course') if rows else ''


def parzen(run: Run) -> Markup:
    """The likelihood of the test split under Parzen windows of samples, with the grid of widths; '' where there is none."""
    found, one = nested(run.summary, 'parzen'), subject(run).one
    figure = nested(found, 'log_likelihood')
    if not figure:
        return Markup('')
    value = with_error(figure.get('mean'), figure.get('standard_error'))
    intro = element(
        'p',
        f'Mean log-likelihood of {number(figure.get("n"))} test {one}s under Gaussian windows around '
        f'{number(found.get("samples"))} samples of the model: ',
        element('span', f'{value} nats per {one}', class_='figure'),
        f', at the width {number(found.get("sigma"), 3)} that suits the first {number(found.get("num_validation"))} validation '
        f'{one}s best. It is a score of samples and no likelihood of the model: it depends on their number and on the grid of '
        'widths, and compares with figures of the same protocol only.',
    )
    grid = [row for row in found.get('grid', []) if isinstance(row, dict)]
    rows = [[number(row.get('sigma'), 3), number(row.get('validation'), 4)] for row in grid]
    edge = 'The best width is at an end of the grid: a better one may lie beyond.' if found.get('at_edge') else ''
    notes = f'± is the standard error of the mean over {one}s, and says nothing of the choice of the samples. {edge}'.strip()
    scores = table(('Width', f'Validation, nats per {one}'), rows, 'course')
    return section('parzen', 'Parzen windows', intro, scores, element('p', notes, class_='foot'))


def prior_fit(run: Run) -> Markup:
    """How the codes of the split, all together, differ from the prior, beside what two samples of the prior get."""
    found, one = nested(run.summary, 'prior_fit'), subject(run).one
    if not found:
        return Markup('')
    intro = (
        f'{number(found.get("points"))} codes, one of each {one}, against as many draws from the prior: do they come from one '
        'distribution? Beside each figure is what two samples of the prior itself get; about that is as well as any codes can do.'
    )
    titles = {
        'mmd_squared': (
            'MMD²',
            'squared maximum mean discrepancy, unbiased, of a sum of Gaussian kernels; 0 for one distribution',
        ),
        'classifier_accuracy': (
            'Told apart',
            'share of held-out points that a support vector machine assigns to the right sample; one half for one distribution',
        ),
    }
    rows = [
        [title, number(value.get('value'), 3), with_error(value.get('prior_mean'), value.get('prior_std')), meaning]
        for name, (title, meaning) in titles.items()
        if (value := nested(found, name))
    ]
    widths = ', '.join(number(width, 3) for width in found.get('widths', []))
    foot = f'± is the standard deviation over pairs of samples of the prior. Widths of the kernels: {widths}.'
    head = ('Statistic', 'Codes and prior', 'Prior and prior', 'Meaning')
    return section(
        'prior_fit', 'Codes and prior', element('p', intro), table(head, rows, 'course'), element('p', foot, class_='foot')
    )


def attribute(run: Run) -> Markup:
    """Whether drawings follow the attribute that is asked for, and keep their class; '' where there is none."""
    found, one = nested(run.summary, 'attribute'), subject(run).one
    correlation, kept = nested(found, 'rank_correlation'), nested(found, 'class_kept')
    if not (correlation and kept):
        return Markup('')
    name = str(found.get('name', 'attribute'))
    intro = (
        f'{number(found.get("examples"))} {one}s, each drawn at all {number(found.get("levels"))} levels of {name}. What is '
        'asked for should come, and all else stay: the attribute of each drawing is measured, and a classifier gives it a class.'
    )
    beside = found.get('class_of_data')
    own = f'; of the {one}s themselves it finds {_per_cent(beside)}' if is_finite(beside) else ''
    rows = [
        ['Rank correlation', _with_its_error(correlation), f'Spearman, of level and measured {name}; 1: it always follows'],
        ['Class kept', _with_its_error(kept), f'share of drawings in which the classifier finds the class of the {one}{own}'],
    ]
    levels = zip(found.get('measured', []), found.get('data_measured', []), strict=False)
    measured = [[str(level), number(drawn, 4), number(data, 4)] for level, (drawn, data) in enumerate(levels)]
    return section(
        'attribute', f'Following the {name}', element('p', intro), table(('Figure', 'Mean', 'Meaning'), rows, 'course'),
        table(('Level', f'Measured {name} of drawings', 'Of data'), measured, 'course'),
    )  # fmt: skip


def _with_its_error(figure: dict[str, Any]) -> str:
    return with_error(figure.get('mean'), figure.get('standard_error'))
