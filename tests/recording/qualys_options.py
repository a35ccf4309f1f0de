# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options as a user writes them: one application with everything, records of each kind, a schedule."""

from __future__ import annotations

import base64
from typing import Any

Options = dict[str, Any]

WEBAPP: Options = {
    "name": "Recorded & <new> ü",
    "url": "https://recorded.test/",
    "scope": "DOMAINS",
    "domains": ["recorded.test", "www.recorded.test"],
    "uris": ["https://recorded.test/more"],
    "tags": ["prod", "pci"],
    "attributes": {"team": "a", "tier": "1"},
    "headers": ["X-Trace: recorded", "Authorization: Bearer canary-token"],
    "url_allowlist": ["https://recorded.test/in"],
    "url_excludelist": [{"value": "logout.*", "regex": True}],
    "post_data_excludelist": ["/delete"],
    "logout_regex_list": ["log ?out"],
    "use_robots": "IGNORE",
    "use_sitemap": True,
    "cancel_after": 5,
    "comments": "Recorded. <b>{{ 7 * 7 }}</b>",
    "crawling_scripts": [{"name": "walk", "data": "<html>canary-script</html>"}],
}


def _pem(label: str) -> str:
    lines = base64.encodebytes(b"not a real one " * 8).decode()
    return f"-----BEGIN {label}-----\n{lines}-----END {label}-----\n"


_LOGIN = [{"name": "username", "value": "bob & <co>"}, {"name": "password", "value": "canary \"'`&amp; ü"}]
_URLS = {"access_token_url": "https://login.test/token?a=1&b=2", "scope": "openid <all>"}
_SCRIPT = {"name": "login.html", "data": "<html>canary</html>", "regex": "Log ?out & <more>"}
AUTH_RECORDS: dict[str, Options] = {
    "form": {"form": {"type": "STANDARD", "ssl_only": True, "fields": _LOGIN}, "tags": ["prod"], "comments": "one"},
    "custom": {
        "form": {
            "type": "CUSTOM",
            "fields": [{"name": "tenant", "value": "eu"}, {"name": "pin", "value": "canary-2", "secured": True}],
        }
    },
    "selenium": {"form": {"type": "SELENIUM", "selenium_creds": True, "selenium_script": _SCRIPT, "fields": _LOGIN}},
    "server": {
        "server": {"fields": [{"type": "NTLM", "domain": "CORP & <co>", "username": "n", "password": "canary-3"}]}
    },
    "certificate": {
        "server": {
            "certificate": {
                "name": "c.pem",
                "contents": _pem("CERTIFICATE") + _pem("PRIVATE KEY"),
                "passphrase": "canary-4",
            }
        }
    },
    "oauth2": {
        "oauth2": {
            "grant_type": "PASSWORD",
            **_URLS,
            "client_id": "me",
            "client_secret": "canary-5",
            "username": "svc",
            "password": "canary-6",
        }
    },
}
SCHEDULE: Options = {
    "name": "nightly & <prod> ü",
    "webapp": "Storefront (prod)",
    "start": "2027-01-04T02:00:00Z",
    "recurrence": {"type": "DAILY"},
    "notification": {"active": True, "delay": 2, "recipients": ["b@example.com", "a@example.com"], "text": "soon"},
}
