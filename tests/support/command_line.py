"""The command line, run as a person types it."""

from typer.testing import CliRunner

from carviz.cli import app


def run(*words, code=0):
    result = CliRunner().invoke(app, [str(w) for w in words], env={"COLUMNS": "100"})
    assert result.exit_code == code, result.output
    return result.output
