"""`yt-text`: the commands.

Exit codes: 0 all done; 1 a recording failed; 2 wrong usage; 3 the service cannot start or be reached;
130 interrupted.
"""

import typer

from yt_text.cli.demo import demo
from yt_text.cli.serve import serve
from yt_text.cli.transcribe import transcribe

app = typer.Typer(
    help="Turns a media URL or file into a transcript, and shows its work while it does.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(transcribe)
app.command()(serve)
app.command()(demo)


def main() -> None:
    """Runs the command line."""
    app()


if __name__ == "__main__":
    main()
