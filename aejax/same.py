"""A key for what is the same object, so that a program is compiled once for it, however often it is trained or evaluated."""

from typing import Generic, TypeVar

T = TypeVar('T')
NUM_PROGRAMS = 32
"""Of a kind that stay compiled, those used last; they keep what they were compiled for alive."""


class Same(Generic[T]):
    """Equal to another of the very same object: methods and stages hold what cannot be hashed, and do not change."""

    def __init__(self, value: T):
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value
