# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the baseline of a run is kept: in a file, in a database, or nowhere.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import OptionError
from ..._database.secrets import hidden_of, shown_of
from .baseline import BaselineKeeper
from .baseline_file import BaselineFile

VARIABLES = {"database_url": "PERIMETER_GATE_DATABASE_URL", "baseline_name": "PERIMETER_GATE_BASELINE_NAME"}
"""Option to environment variable; both count only where the task names no baseline of another kind."""

Params = t.Mapping[str, t.Any]
Environ = t.Mapping[str, str]


def keeper_of(params: Params, environ: Environ) -> BaselineKeeper | None:
    """Return what keeps the baseline; None when none was asked for.

    Raises:
        OptionError: the options name two places, or only half of one. A missing secret must not mean that there is no
            baseline.
        MissingLibrary: a package is not installed.
    """
    url, name = (_given(params, environ, option) for option in VARIABLES)
    if params.get("baseline"):
        if url or name:
            raise OptionError("baseline and database_url are given.", hint="Keep the baseline in one place.")
        return BaselineFile(str(params["baseline"]))
    if url and not name:
        raise OptionError(
            "database_url needs baseline_name.", hint="Name the repository and its branch, such as shop main."
        )
    if name and not url:
        raise OptionError(
            "baseline_name is given, and no database_url.",
            hint=f"Give it, or set {VARIABLES['database_url']}. A secret that is missing is empty in a CI system.",
        )
    if not url or not name:
        return None
    # Only here: loading SQLAlchemy takes longer than all else that a gate without a database does.
    from .baseline_database import BaselineDatabase

    return BaselineDatabase(url, name)


def _given(params: Params, environ: Environ, option: str) -> str | None:
    # What the task says about another place beats the environment.
    told = None if params.get("baseline") else environ.get(VARIABLES[option])
    return params.get(option) or told or None


def secrets_of(params: Params, environ: Environ) -> tuple[str, ...]:
    """What is secret of the URL of the database."""
    return hidden_of(_given(params, environ, "database_url"))


def texts_of(params: Params, environ: Environ) -> tuple[str, ...]:
    """The URL, where only parts of it are secret."""
    return shown_of(_given(params, environ, "database_url"))
