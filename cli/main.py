"""`vss`: the one command of the warehouse.

Exit codes: 0 done; 1 unexpected error; 2 wrong usage; 3 done, but a submission decided in this run was rejected;
4 the warehouse cannot be reached; 5 a gate failed and nothing new was published.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from typing import Annotated

import typer
from typer.exceptions import TyperException

from warehouse.errors import VssError

HOMES = {
    "database": ("migrate", "url", "env", "down"),
    "synthetic": ("synth",),
    "submissions": ("template", "pack", "check"),
    "arrivals": ("ingest", "status", "receipt", "release", "reject"),
    "publishing": ("build", "publish", "rollback", "prune"),
    "nights": ("nightly",),
    "backfilling": ("replay", "backfill"),
    "stack": ("up",),
    "dashboards": ("dashboards",),
    "reading": ("as-of", "diff", "report", "headline"),
    "tracing": ("trace",),
    "reviewing": ("review",),
    "keys": ("keys",),
    "identifying": ("identify", "erase"),
    "bench": ("bench",),
    "keeping": ("backup", "restore"),
}


def app(verb: str | None = None) -> typer.Typer:
    """The command with the file of one verb, so that a verb waits for its own libraries only; with all for no verb."""
    made = typer.Typer(
        help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None
    )
    made.callback()(_options)
    homes = [home for home, verbs in HOMES.items() if verb in verbs] or HOMES
    for home in homes:
        importlib.import_module(f"cli.{home}").register(made)
    return made


def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback when something goes wrong.")] = False,
) -> None:
    if debug:
        os.environ["VSS_DEBUG"] = "1"


def main() -> None:
    """Entry point: errors print one sentence and end in the documented exit code."""
    warnings.simplefilter("ignore")
    try:
        verb = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
        code = app(verb)(standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else 0)
    except VssError as error:
        _explain(str(error), error.exit_code)
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except typer.Abort:
        _explain("Stopped.", 1)
    except TyperException as error:
        _explain(error.format_message(), 2)
    except BrokenPipeError:
        # whoever read has enough; what is left in the buffer must not be written when the process ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - the outermost frame: one sentence instead of a traceback
        _explain(f"Unexpected {type(error).__name__}: run the command again with --debug to see where.", 1)


def _explain(sentence: str, code: int) -> None:
    if "VSS_DEBUG" in os.environ and sys.exc_info()[1] is not None:
        raise  # noqa: PLE0704 - called from an except block only
    print(f"vss: {sentence}", file=sys.stderr)
    sys.exit(code)
