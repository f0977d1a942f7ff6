"""``popcast serve``: forecasts, reasons and what-ifs of a bundle over HTTP, with a page."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from popcast.api.passive_waiting import waiting_passively
from popcast.core.errors import BadInput, shown
from popcast.core.stage import one_line_errors
from popcast.serving.bundle import bundle_folder

SHORTEST = 16
"""Characters of a token."""


@click.command()
@click.argument("bundle")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="address to listen at; any but loopback has a token"
)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any free one")
@click.option("--token-variable", help="environment variable with the token that clients must send")
@click.option("--threads", type=click.IntRange(1, 64), help="requests worked at once  [default: cores, at most 4]")
@click.option(
    "--rate", default=50.0, show_default=True, type=click.FloatRange(0), help="requests of a client a second; 0: any"
)
@click.option("--maturity-days", type=click.FloatRange(0), help="age of a post from which on its outcome counts")
@one_line_errors
@waiting_passively()
def serve(
    bundle: str, host: str, port: int, token_variable: str | None, threads: int | None, rate: float,
    maturity_days: float | None,
) -> None:  # fmt: skip
    """Serve BUNDLE, a folder or a dataset of this project, until it is told to end (Ctrl+C, SIGTERM).

    The page is at the address that is printed, the API at /docs. It listens on this machine alone; elsewhere (--host)
    clients need a token, of the variable that --token-variable names, or one that is made and printed once.
    """
    place = bundle_folder(bundle)
    token = token_of(token_variable)
    from popcast.serving.http.gate import LOOPBACK
    from popcast.serving.http.http_app import make_app
    from popcast.serving.http.http_server import address_of, bound_socket, is_loopback, serve_app
    from popcast.serving.http.request_limits import RequestLimits
    from popcast.serving.http.served_bundle import ServedBundle
    from popcast.serving.http.work_pool import WorkPool

    made = bound_socket(host, port)
    here, address = is_loopback(made), address_of(made, host)
    if token is None and not here:
        token = secrets.token_urlsafe(24)
        click.echo(f"token: {token}")
    limits = RequestLimits(per_second=rate)
    served = ServedBundle(Path(place), limits, maturity_days)
    served.warm()
    hosts = {*LOOPBACK, address.removeprefix("http://").rpartition(":")[0]} if here else None
    pool = WorkPool(threads or min(4, os.cpu_count() or 1), limits.waiting, limits.work_seconds)
    serve_app(make_app(served, pool, token, hosts), made, limits, lambda: click.echo(f"{served.dataset}: {address}"))
    if pool.taken:  # work that outlived the grace; what was confirmed is on the disk
        os._exit(0)


def token_of(variable: str | None) -> str | None:
    """The token in an environment variable, None where none is named. BadInput, one line: there is none, a weak one."""
    if variable is None:
        return None
    token = os.environ.get(variable, "").strip()
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        expected = f"{SHORTEST} or more letters, digits and signs, no spaces"
        raise BadInput(f"--token-variable: the variable {shown(variable)} holds no such token: expected {expected}")
    return token
