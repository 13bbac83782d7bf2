"""Floor 7: the command line. A thin shell: arguments in, words, tables and files out."""

# Each room of commands enters its own into the app, in this order in `carviz --help`.
from carviz.cli import cumulative, measure, page, paper, pruning, sets, tutorials
from carviz.cli.shell import app, write_plainly

__all__ = ["app", "cumulative", "main", "measure", "page", "paper", "pruning", "sets", "tutorials"]


def main() -> None:
    """Run the command line; the entry point of the `carviz` command."""
    write_plainly()
    app()
