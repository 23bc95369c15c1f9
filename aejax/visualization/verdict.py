"""What the figures of samples come to, in a sentence: for the top of a report, its section on samples, and the console."""

from collections.abc import Mapping
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
        return 'none', f'{num} samples are too few to say whether the model collapsed.'
    classes = 'No class is missing, and the' if 'missing' in found else 'The'
    return 'good', f'{classes} samples differ about as much as data do.'


def _reasons(found: Mapping[str, Any]) -> list[str]:
    """What is wrong, one by one; where a summary does not say how samples are alike, and no class is missing, they all are."""
    missing = found.get('missing', [])
    names = ', '.join(str(label) for label in missing)
    classes = [f'{"class" if len(missing) == 1 else "classes"} {names} hardly ever or never drawn'] if missing else []
    return [*classes, *(words for sign, words in ALIKE.items() if found.get(sign))] or [ALIKE['alike']]
