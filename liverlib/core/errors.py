"""The exception for what a user can repair, and its kinds that a caller tells apart."""

from collections.abc import Sequence
from typing import Any


class LiverlibError(ValueError):
    """A user's mistake or a broken file; its text says which file, what is wrong, what to do."""


class CannotWrite(LiverlibError):
    """A file or folder cannot be written, as on a full disk; nor could the next one be."""


class SomeFailed(LiverlibError):
    """Some of several items failed, and the text names them; `done` is what came of the others."""

    def __init__(self, text: str, done: Any = None) -> None:
        """Takes the text, and what came of the others."""
        super().__init__(text)
        self.done = done


def failure(what: str, failures: Sequence[object], count: int, done: Any = None) -> LiverlibError:
    """The error to raise where some of `count` items failed; `SomeFailed` where others did not."""
    if count == 1:
        return LiverlibError(str(failures[0]))
    text = "\n  ".join([f"{len(failures)} of {count} {what}:", *map(str, failures)])
    return SomeFailed(text, done) if len(failures) < count else LiverlibError(text)
