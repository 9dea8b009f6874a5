"""The one exception for what a user can repair."""


class LiverlibError(ValueError):
    """A user's mistake or a broken file; its text says which file, what is wrong, what to do."""
