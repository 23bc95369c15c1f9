"""What few labels are worth on codes that were learned without any: M1 of Kingma et al. 2014, and the baselines beside it.

All probes are scikit-learn's: k nearest neighbours, a support vector machine, and one that trains itself on the unlabelled codes
of whose labels it is surest, round after round, in place of the transductive machine of the source.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from aejax.types import UserError

UNLABELLED = -1
"""How scikit-learn marks a code without a label."""
FOLDS = 3
"""Of the labelled codes that the self-trained machine holds out in turn to find its temperature."""


def nearest_neighbours(num_neighbours: int = 1) -> Any:
    """The class of most of the `num_neighbours` nearest codes, by Euclidean distance."""
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(num_neighbours)


def linear_svm(penalty: float = 1.0) -> Any:
    """A linear support vector machine, one class against the rest.

    Codes are taken as they are: to bring dimensions that a model does not use to unit variance would make noise of them.
    """
    from sklearn.svm import LinearSVC

    return LinearSVC(C=penalty, random_state=0)


def self_trained_svm(penalty: float = 10.0, threshold: float = 0.6, rounds: int = 10) -> Any:
    """A support vector machine with a Gaussian kernel that takes its own sure answers for labels (Yarowsky 1995).

    Its margins become probabilities by a softmax, at a temperature that suits held-out labelled codes; a round adds those
    unlabelled codes whose class is likelier than `threshold`. It may well end worse than it began: its mistakes are labels, too.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.semi_supervised import SelfTrainingClassifier
    from sklearn.svm import SVC

    machine = CalibratedClassifierCV(SVC(C=penalty), method='temperature', ensemble=False, cv=FOLDS)
    return SelfTrainingClassifier(machine, threshold=threshold, max_iter=rounds)


PROBES: dict[str, tuple[Callable[[], Any], bool]] = {
    '1 nearest neighbour': (nearest_neighbours, False),
    'linear SVM': (linear_svm, False),
    'self-trained SVM': (self_trained_svm, True),
}
"""By name: what makes it, and whether it looks at unlabelled codes."""


def probe_errors(
    probe: str, labelled: ArrayLike, label: ArrayLike, unlabelled: ArrayLike, test: ArrayLike, test_label: ArrayLike
) -> np.ndarray:
    """Whether a probe that was fitted on few labels is wrong, 0 or 1 for each test code.

    Args:
        probe: one of `PROBES`.
        labelled: codes [n, d] with labels.
        label: [n].
        unlabelled: codes [m, d] without; not looked at by every probe.
        test: codes [t, d].
        test_label: [t].

    Returns:
        [t], float64.

    Raises:
        UserError: there is no such probe, or one class alone, or fewer labels of a class than the probe can hold out.
    """
    if probe not in PROBES:
        raise UserError(f'there is no probe {probe!r}; choose one of {", ".join(PROBES)}')
    make, looks = PROBES[probe]
    codes, classes = np.asarray(labelled, np.float64), np.asarray(label)
    if len(np.unique(classes)) < 2:
        raise UserError('a probe needs labels of at least two classes')
    if looks:
        if min(np.unique(classes, return_counts=True)[1]) < FOLDS:
            raise UserError(f'the {probe} holds labels out in turn, and needs at least {FOLDS} of every class')
        others = np.asarray(unlabelled, np.float64)
        codes, classes = np.concatenate([codes, others]), np.concatenate([classes, np.full(len(others), UNLABELLED)])
    fitted = make().fit(codes, classes)
    return (fitted.predict(np.asarray(test, np.float64)) != np.asarray(test_label)).astype(np.float64)
