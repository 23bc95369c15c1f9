"""What the figures of samples come to, in a sentence: for the top of a report, its section on samples, and the console."""

from collections.abc import Mapping, Sequence
from typing import Any

from aejax.visualization.numbers import number

ALIKE = {
    'alike': 'the samples differ far less than data do',
    'alike_within_classes': 'the samples of a class differ far less than the data of that class do',
}


def verdict(found: Mapping[str, Any]) -> tuple[str, str]:
    """('warn', 'good' or, where there is no verdict, 'none', a sentence), from the figures of `aejax.evaluation.modes`."""
    num = number(found.get('samples'))
    if broken := found.get('not_finite'):
        return 'warn', f'{number(broken)} of {num} samples are not finite: nothing more can be said of them.'
    if found.get('collapsed'):
        return 'warn', f'The model collapsed: {"; ".join(_reasons(found))}.'
    if found.get('collapsed', False) is None:
        rare = found.get('rare') if 'alike' in found else None  # without the signs of a collapse nobody looked for one
        whether = f'{_classes(rare)} {"is" if len(rare) == 1 else "are"} missing' if rare else 'the model collapsed'
        return 'none', f'{num} samples are too few to say whether {whether}.'
    return 'good', ' '.join(filter(None, ['No class is missing.' if 'missing' in found else '', _how_varied(found)]))


def _how_varied(found: Mapping[str, Any]) -> str:
    if 'diversity' not in found:
        return ''
    within = found.get('within_class_diversity')
    of_one_class = '' if within is None else f', and {number(within, 2)} times within a class'
    return (
        f'The distance between two samples is {number(found["diversity"], 2)} times that between two of the data{of_one_class}.'
    )


def _classes(labels: Sequence[int]) -> str:
    return f'{"class" if len(labels) == 1 else "classes"} {", ".join(map(str, labels))}'


def _reasons(found: Mapping[str, Any]) -> list[str]:
    """What is wrong, one by one; where a summary does not say how samples are alike, and no class is missing, they all are."""
    missing = found.get('missing', [])
    classes = [f'{_classes(missing)} hardly ever or never drawn'] if missing else []
    return [*classes, *(words for sign, words in ALIKE.items() if found.get(sign))] or [ALIKE['alike']]
