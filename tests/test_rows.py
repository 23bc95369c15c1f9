"""The rows of a metrics.jsonl."""

import pytest

from aejax.rows import metrics_of, read_rows
from aejax.types import UserError


def test_only_a_cut_last_line_is_forgiven(tmp_path):
    path = tmp_path / 'metrics.jsonl'
    assert read_rows(path) == []
    path.write_text('{"step": 1, "loss": NaN}\n\n{"step": 2, "lo')
    assert [row['step'] for row in read_rows(path)] == [1]
    wrong = (
        '{"step": "2"}',
        '{"step": 2.5}',
        '{"step": 2, "loss": [1.0]}',
        '{"step": 2, "loss": "low"}',
        '{"step": 2, "split": 3}',
    )
    for broken in ('broken', '{"loss": 1.0}', '[1]', *wrong):
        path.write_text(f'{{"step": 1}}\n{broken}\n{{"step": 2}}\n')
        with pytest.raises(UserError, match='line 2, is no row of metrics'):
            read_rows(path)


def test_a_rows_metrics_are_what_is_no_coordinate():
    row = {'step': 1, 'epoch': 0.5, 'stage': 'train', 'split': 'train', 'seconds': 0.1, 'ae/loss': 2.0, 'speed': 3.0}
    assert metrics_of(row) == {'ae/loss': 2.0, 'speed': 3.0}
