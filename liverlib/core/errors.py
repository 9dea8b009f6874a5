"""The one exception for what a user can mend."""


class LiverlibError(ValueError):
    """A user's mistake or a broken file: says which file, what is wrong, and what to do."""
