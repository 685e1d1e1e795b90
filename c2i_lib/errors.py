"""Errors that a user can mend. The command line prints them as one message, without a traceback."""


class C2IError(Exception):
    """What was expected, what was found, and how to mend it."""


class ProfileError(C2IError):
    """A profile is unknown, or one of its keys is."""


class CaptionError(C2IError):
    """A caption source is missing, unreadable or empty."""


class DamagedStageError(C2IError):
    """A file that a stage has written is missing or was changed."""


class MissingPackageError(C2IError):
    """A package that this run needs is not installed, or lacks a file."""


class ModelError(C2IError):
    """A model cannot be loaded or does not fit the profile."""
