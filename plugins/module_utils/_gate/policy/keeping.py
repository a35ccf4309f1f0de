# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses where the baseline of a run is stored: in a file, in a database, or nowhere.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._base.errors import OptionError
from ..._database.secrets import hidden_of, shown_of
from .baseline import BaselineKeeper
from .baseline_file import BaselineFile

VARIABLES = {"database_url": "PERIMETER_GATE_DATABASE_URL", "baseline_name": "PERIMETER_GATE_BASELINE_NAME"}
"""Environment variables by option. They are used only if the task does not set ``baseline``."""

Params = t.Mapping[str, t.Any]
Environ = t.Mapping[str, str]


def keeper_of(params: Params, environ: Environ) -> BaselineKeeper | None:
    """Return the storage of the baseline; None if no baseline was requested.

    Raises:
        OptionError: the options name two storages, or one of them incompletely. Otherwise a missing secret would turn
            the baseline off.
        MissingLibrary: sqlalchemy or psycopg is not installed.
    """
    url, name = (_given(params, environ, option) for option in VARIABLES)
    if params.get("baseline"):
        if url or name:
            raise OptionError(
                "baseline cannot be combined with database_url or baseline_name.", hint="Store it in one place."
            )
        return BaselineFile(str(params["baseline"]))
    if url and not name:
        raise OptionError(
            "database_url needs baseline_name.", hint="Name the repository and its branch, such as shop main."
        )
    if name and not url:
        raise OptionError(
            "baseline_name needs database_url.",
            hint=f"Set it, or {VARIABLES['database_url']}. In a CI system, a missing secret is an empty variable.",
        )
    if not url or not name:
        return None
    # Imported here, because loading SQLAlchemy takes longer than a whole run without a database.
    from .baseline_database import BaselineDatabase

    return BaselineDatabase(url, name)


def _given(params: Params, environ: Environ, option: str) -> str | None:
    # If the task sets baseline, the environment is ignored.
    told = None if params.get("baseline") else environ.get(VARIABLES[option])
    return params.get(option) or told or None


def secrets_of(params: Params, environ: Environ) -> tuple[str, ...]:
    """Return the secret parts of the URL of the database."""
    return hidden_of(_given(params, environ, "database_url"))


def texts_of(params: Params, environ: Environ) -> tuple[str, ...]:
    """Return the URL of the database if only parts of it are secret."""
    return shown_of(_given(params, environ, "database_url"))
