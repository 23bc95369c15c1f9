"""HTML that cannot be injected into: text is escaped unless it was built here."""

import html
from collections.abc import Iterable, Sequence
from typing import Any


class Markup(str):
    """Text that is already HTML. Only `element` and `join` make it, beside literals in this package's source."""

    __slots__ = ()


def escape(content: Any) -> Markup:
    """Markup stays as it is, anything else becomes escaped text."""
    return content if isinstance(content, Markup) else Markup(html.escape(str(content), quote=True))


def join(contents: Iterable[Any], between: str = '') -> Markup:
    """All contents, escaped where they are text, after each other."""
    return Markup(escape(between).join(escape(content) for content in contents))


def element(tag: str, *children: Any, **attributes: Any) -> Markup:
    """`<tag attribute="value">children</tag>`; an attribute of None is left out, `class_` is written `class`."""
    written = ''.join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(str(value), quote=True)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Markup(f'<{tag}{written}>{join(children)}</{tag}>')


def table(head: Sequence[Any], rows: Iterable[Sequence[Any]], class_: str, caption: Any = None) -> Markup:
    """A table in a box that scrolls sideways where the page is narrow; the first cell of each row is its heading.

    Every cell carries its column's name, so that a style sheet can stack the row on a phone.
    """
    body = [
        element(
            'tr',
            element('th', row[0], scope='row'),
            *(element('td', cell, data_head=name) for name, cell in zip(head[1:], row[1:], strict=True)),
        )
        for row in rows
    ]
    top = element('thead', element('tr', *(element('th', name, scope='col') for name in head))) if any(head) else ''
    named = element('caption', caption) if caption else ''
    return element('div', element('table', named, top, element('tbody', *body), class_=class_), class_='scroll')
