"""A run's folder as one page that tells its story to somebody who was not there."""

import os
from pathlib import Path

from aejax.files import write_text
from aejax.visualization.curves import learning_curves
from aejax.visualization.header import header
from aejax.visualization.history import curves
from aejax.visualization.likelihood import likelihood
from aejax.visualization.markup import Markup, element, escape, join
from aejax.visualization.page import page
from aejax.visualization.run_folder import Picture, Run, picture, read_run, subject
from aejax.visualization.sampling import attribute, modes, parzen, prior_fit
from aejax.visualization.sections import code, figures, folded, reproduce, result, training
from aejax.visualization.style import png
from aejax.visualization.words import run_title

LINKS = {
    'result': 'Result',
    'likelihood': 'Likelihood',
    'modes': 'Samples',
    'parzen': 'Parzen windows',
    'prior_fit': 'Codes and prior',
    'attribute': 'Attribute',
    'code': 'The code',
    'figures': 'Figures',
    'training': 'Training',
    'reproduce': 'Run it again',
    'config': 'Configuration',
    'provenance': 'Provenance',
}


def write_report(run_dir: str | os.PathLike[str]) -> Path:
    """Writes report.html into a run's folder: one page with its figures inside, which fetches nothing.

    It is made of config.json, provenance.json, metrics.jsonl, summary.json and figures/*.png, whichever are there, and says
    so when a run is unfinished or was stopped. Learning curves are drawn from metrics.jsonl where figures/ has none.
    The same files give the same bytes.

    Args:
        run_dir: the run's folder.

    Returns:
        The path of the report.

    Raises:
        UserError: the folder is no run, or one of its files is damaged.
    """
    run = read_run(run_dir)
    return write_text(Path(run_dir) / 'report.html', render(run))


def render(run: Run) -> str:
    """The page of a run as HTML."""
    sections = {
        'result': result(run),
        'likelihood': likelihood(run),
        'modes': modes(run),
        'parzen': parzen(run),
        'prior_fit': prior_fit(run),
        'attribute': attribute(run),
        'code': code(run),
        'figures': figures([item for item in run.pictures if item.stem != 'learning_curves'], subject(run)),
        'training': training(run, _learning_curves(run)),
        'reproduce': reproduce(run),
        'config': folded('config', 'Configuration', run.config),
        'provenance': folded('provenance', 'Provenance', run.provenance),
    }
    links = element('nav', *(element('a', LINKS[name], href=f'#{name}') for name, content in sections.items() if content))
    body = join([header(run), links, *sections.values(), _footer(run)], Markup('\n'))
    return page(escape(run_title(run.config, run.provenance)), body)


def _learning_curves(run: Run) -> Picture | None:
    """The figure from the folder, or one drawn now."""
    for item in run.pictures:
        if item.stem == 'learning_curves':
            return item
    return picture('learning_curves', png(learning_curves(run.history))) if curves(run.history) else None


def _footer(run: Run) -> Markup:
    missing = f' Not there: {", ".join(run.missing)}.' if run.missing else ''
    return element('footer', f'Written by aejax from the files in the folder of this run.{missing}')
