"""Numbers, durations and dates as people write them."""

import datetime
import math
from typing import Any

MINUS = '\N{MINUS SIGN}'
MONTHS = (
    'January',
    'February',
    'March',
    'April',
    'May',
    'June',
    'July',
    'August',
    'September',
    'October',
    'November',
    'December',
)


def is_finite(value: Any) -> bool:
    """True for a number that is neither NaN nor infinite; False for anything else."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any, digits: int = 4) -> str:
    """At least four significant digits, thousands apart, a true minus; 'not finite' for NaN and infinities."""
    if not is_finite(value):
        return 'not finite' if isinstance(value, float) or value is None else str(value)
    if isinstance(value, int):
        return f'{value:,}'.replace('-', MINUS)
    places = digits - 1 - math.floor(math.log10(abs(value))) if value else 0
    if places > digits + 3 or places < -8:
        return f'{value:.{digits - 1}e}'.replace('-', MINUS)
    return f'{value:,.{max(0, places)}f}'.replace('-', MINUS)


def with_error(mean: Any, error: Any) -> str:
    """'4.20 ± 0.10': the standard error to two significant digits, the mean to the same place; mere rounding is no error."""
    if not (is_finite(mean) and is_finite(error) and error > 1e-12 * abs(mean)):
        return number(float(mean) if is_finite(mean) else mean)
    places = 1 - math.floor(math.log10(error))
    if places > 8 or error >= 1e6:
        return f'{mean:.4g} ± {error:.2g}'.replace('-', MINUS)
    shown = max(0, places)
    return f'{round(mean, places):,.{shown}f} ± {round(error, places):,.{shown}f}'.replace('-', MINUS)


def duration(seconds: Any) -> str:
    """'0.85 s', '42 s', '3 min 20 s', '2 h 5 min', '1 d 3 h'; '' for what is no number."""
    if not is_finite(seconds) or seconds < 0:
        return ''
    if seconds < 59.5:
        return f'{seconds:.2g} s' if seconds < 9.95 else f'{seconds:.0f} s'
    whole = round(seconds)
    for big, small, size, unit in (('d', 'h', 86400, 3600), ('h', 'min', 3600, 60), ('min', 's', 60, 1)):
        if whole >= size:
            rest = whole % size // unit
            return f'{whole // size} {big}' + (f' {rest} {small}' if rest else '')
    return f'{whole} s'


def moment(iso: Any) -> str:
    """'20 November 2025, 10:42 UTC' for an ISO time; as it is where it is none."""
    try:
        time = datetime.datetime.fromisoformat(str(iso))
    except ValueError:
        return str(iso)
    zone = f' {time.tzname()}' if time.tzinfo else ''
    return f'{time.day} {MONTHS[time.month - 1]} {time.year}, {time:%H:%M}{zone}'


def count(value: Any, noun: str) -> str:
    """'1 step', '2,000 steps', '98.7 epochs'; '' for what is no number."""
    if not is_finite(value):
        return ''
    shown = f'{value:,.1f}'.removesuffix('.0')
    return f'{shown} {noun}' + ('' if shown == '1' else 's')
