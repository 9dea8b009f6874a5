"""``liverlib completion``."""

import argparse
from pathlib import Path

from liverlib.core.errors import LiverlibError

SHELLS = ("bash", "zsh", "tcsh")


def add_completion(parser: argparse.ArgumentParser) -> None:
    """The arguments of `completion`."""
    parser.add_argument(
        "shell", choices=SHELLS, help='for bash: eval "$(liverlib completion bash)"'
    )


def completion(options: argparse.Namespace) -> None:
    """Prints a script that completes commands, options and files in your shell."""
    try:
        import shtab
    except ImportError as error:
        raise LiverlibError("completion needs shtab: pip install shtab.") from error
    print(shtab.complete(_completed(options.parser), options.shell))


def _completed(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The parser with what shtab asks for: a sentence for each command, and which values are files.

    These stand in argparse's own lists, which have no public names.
    """
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                action._choices_actions.append(
                    action._ChoicesPseudoAction(name, (), command.description)
                )
                _completed(command)
        elif action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return parser
