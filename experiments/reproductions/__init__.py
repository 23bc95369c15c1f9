"""Figures of the papers, measured again: one file a paper, in it one `Reproduction` a table."""

import difflib

from aejax.types import UserError
from experiments.reproductions import (
    baldi1989,
    burda2015,
    hinton2006,
    kingma2013,
    kingma2014,
    kingma2014_conditional,
    larsen2016,
    makhzani2014,
    makhzani2015,
    rifai2011,
    rifai2011_layers,
    rifai2011_penalties,
    salakhutdinov2008,
    vincent2010,
    vincent2010_patches,
    zhang2017,
)
from experiments.reproductions.base import Bench, Outcome, Reproduction

PAPERS = (
    baldi1989,
    hinton2006,
    salakhutdinov2008,
    vincent2010,
    vincent2010_patches,
    rifai2011,
    rifai2011_layers,
    rifai2011_penalties,
    makhzani2014,
    kingma2013,
    kingma2014_conditional,
    kingma2014,
    burda2015,
    makhzani2015,
    larsen2016,
    zhang2017,
)
ALL: tuple[Reproduction, ...] = tuple(table for paper in PAPERS for table in paper.TABLES)
"""In the order in which they are listed."""


def find(name: str) -> tuple[Reproduction, ...]:
    """The table 'PAPER.TABLE', or all tables of 'PAPER'.

    Raises:
        UserError: if there is none of that name; it tells the nearest.
    """
    found = tuple(table for table in ALL if name in (table.name, table.paper))
    if not found:
        known = [*(table.name for table in ALL), *(table.paper for table in ALL)]
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f', did you mean {nearest[0]}?' if nearest else ':'
        raise UserError(f'there is no reproduction {name!r}{hint} --list shows them all')
    return found


__all__ = ['ALL', 'Bench', 'Outcome', 'Reproduction', 'find']
