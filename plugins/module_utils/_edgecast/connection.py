# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Edgecast is and who asks (docs/vendors/edgecast_waf.md 2).

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._base.errors import OptionError
from .._http.environment import require, with_environment
from .._http.settings import check_base_url

DEFAULT_URL = "https://api.transactcdn.com"

ENVIRONMENT = {
    "api_url": "EDGECAST_URL",
    "account_number": "EDGECAST_ACCOUNT_NUMBER",
    "token": "EDGECAST_TOKEN",
}

_ACCOUNT = re.compile(r"[0-9A-Za-z-]{1,40}")


@dataclasses.dataclass(frozen=True)
class Connection:
    """Resolved connection. ``account_number`` is text: its leading zeros count."""

    api_url: str
    account_number: str
    token: str = dataclasses.field(repr=False)


def resolve(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> Connection:
    """The connection that the options and the environment describe.

    Raises:
        OptionError: something is missing or malformed.
    """
    options = with_environment(params, environ, ENVIRONMENT)
    account = require(options, "account_number", ENVIRONMENT)
    if not _ACCOUNT.fullmatch(account):
        raise OptionError(
            "account_number is not the number of an account.",
            hint="Give the letters and digits that the control center shows, in quotes, such as '0001'.",
        )
    # Some pages of the vendor print the token with its scheme.
    token = re.sub(r"\Atok:\s*", "", require(options, "token", ENVIRONMENT), flags=re.IGNORECASE)
    return Connection(
        api_url=check_base_url(options["api_url"] or DEFAULT_URL, bool(params.get("allow_http"))),
        account_number=account,
        token=token,
    )
