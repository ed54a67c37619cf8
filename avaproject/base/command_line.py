"""Commands of `manage.py`: a database that is away or not migrated is told in a sentence."""

import sys

from django.core.management import execute_from_command_line
from django.db import InterfaceError, OperationalError, ProgrammingError

from avaproject.base.database_faults import is_of_connection

NO_TABLE_OR_COLUMN = ("42P01", "42703")  # appendix A of PostgreSQL's manual
SQLITE_FAULTS = ("no such table", "no such column", "has no column")


def run(arguments: list[str]) -> None:
    """Run the command in `arguments`, as in `sys.argv`.

    Exits with the sentence of a database fault; with `--traceback` that is raised.
    """
    try:
        execute_from_command_line(arguments)
    except (OperationalError, InterfaceError, ProgrammingError) as error:
        sentence = explanation(error)
        if not sentence or "--traceback" in arguments:
            raise
        sys.exit(f"CommandError: {sentence}")


def explanation(error: Exception) -> str:
    """What is wrong with the database, and what to do; empty for a fault of the program."""
    said = str(error).strip().partition("\n")[0]
    if is_of_connection(error) or "unable to open database" in said:
        return f"The database does not answer ({said}). Start it, or correct AVA_DATABASE_URL."
    if "database is locked" in said:
        return "The database is busy: another process writes to it. Run the command again."
    code = getattr(error.__cause__, "pgcode", "")
    if code in NO_TABLE_OR_COLUMN or said.startswith(SQLITE_FAULTS):
        return (
            f"The database is not up to date with this version ({said}). First run: "
            "./ava manage bootstrap"
        )
    return ""
