# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the sandbox."""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence

from .app import Sandbox, Settings
from .switches import SWITCHES

_DEFAULT = Settings()
LOG_SERVICES = ("indusface", "edgecast", "scutum", "carbon_black", "receivers")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.sandbox", description="Stand-in for the vendors' APIs on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--seed", type=int, default=_DEFAULT.seed)
    parser.add_argument("--webapps", type=int, default=_DEFAULT.webapps)
    parser.add_argument("--findings", type=int, default=_DEFAULT.findings)
    parser.add_argument("--finding-bytes", type=int, default=0, help="pad verbose findings to about this size")
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--page-cap", type=int, default=_DEFAULT.page_cap)
    parser.add_argument("--certfile", help="PEM certificate; makes it https")
    parser.add_argument("--keyfile", help="PEM key of the certificate")
    parser.add_argument("--username", default=_DEFAULT.username)
    parser.add_argument("--password-env", metavar="NAME", help="environment variable that holds the password")
    parser.add_argument("--client-id", default=_DEFAULT.client_id)
    parser.add_argument("--client-secret-env", metavar="NAME", help="environment variable that holds the secret")
    parser.add_argument("--log-anchor", metavar="TIME", help="freeze the clock of the log services at this UTC time")
    for name in LOG_SERVICES:
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=json.loads, metavar="JSON", help="settings of this log service"
        )
    parser.add_argument("--switch", action="append", default=[], metavar="NAME=VALUE", help=", ".join(SWITCHES))
    parser.add_argument(
        "--prewarm",
        action="append",
        default=[],
        choices=["json:verbose", "xml:verbose", "json:summary", "xml:summary"],
        help="encode all findings before listening",
    )
    return parser


def _from_environment(parser: argparse.ArgumentParser, name: str | None, default: str) -> str:
    if not name:
        return default
    if name not in os.environ:
        parser.error(f"environment variable {name} is not set")
    return os.environ[name]


def _switches(parser: argparse.ArgumentParser, pairs: Sequence[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            parser.error(f"--switch takes NAME=VALUE, not {pair}")
        values[name] = value
    return values


def _sandbox(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> Sandbox:
    return Sandbox(
        port=arguments.port,
        seed=arguments.seed,
        webapps=arguments.webapps,
        findings=arguments.findings,
        finding_bytes=arguments.finding_bytes,
        latency_ms=arguments.latency_ms,
        page_cap=arguments.page_cap,
        certfile=arguments.certfile,
        keyfile=arguments.keyfile,
        username=arguments.username,
        password=_from_environment(parser, arguments.password_env, _DEFAULT.password),
        client_id=arguments.client_id,
        client_secret=_from_environment(parser, arguments.client_secret_env, _DEFAULT.client_secret),
        switches=_switches(parser, arguments.switch),
        prewarm=arguments.prewarm,
        log_anchor=arguments.log_anchor,
        **{name: getattr(arguments, name) for name in LOG_SERVICES},
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Start, print one JSON line, and serve until SIGTERM or SIGINT."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        sandbox = _sandbox(parser, arguments)
    except ValueError as error:
        parser.error(str(error))
    sandbox.start()
    # The seed lives as long as this process; scanning it in every collection would only cost time.
    gc.freeze()
    print(json.dumps({"event": "ready", "url": sandbox.url, "pid": os.getpid()}), flush=True)
    stop.wait()
    sandbox.close()
    sys.stdout.flush()
    # Freeing a large seed object by object would delay the end for nothing.
    os._exit(0)
