"""`yt-text`: the commands.

Exit codes: 0 all done; 1 a recording, or the running service, failed; 2 wrong usage; 3 the service cannot
start or be reached; 130 interrupted.
"""

import sys
from importlib import import_module

import typer

COMMANDS = ("transcribe", "serve", "gateway", "models", "doctor", "demo")
"""Each is a function, or a group of commands, in a file of its name."""


def build(names: tuple[str, ...]) -> typer.Typer:
    """Returns the command line with these commands."""
    app = typer.Typer(
        help="Turns a media URL or file into a transcript, and shows its work while it does.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(lambda: None)  # a command keeps its name also when it is the only one
    for name in names:
        command = getattr(import_module(f"yt_text.cli.{name}"), name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main() -> None:
    """Runs the command line."""
    # Only what is asked for is imported: the service need not wait for its own client.
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    build((asked,) if asked in COMMANDS else COMMANDS)()


if __name__ == "__main__":
    main()
