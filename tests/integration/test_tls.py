# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust: a private CA by option and by variable, none by default, and what is said when it fails."""

from __future__ import annotations

from tests.integration.conftest import Certificates, login_to
from tests.integration.runner import Ansible, Task
from tests.sandbox import Sandbox


def test_private_ca(ansible: Ansible, tls_sandbox: Sandbox, certificates: Certificates) -> None:
    read = {"count_only": True, "retries": 0}
    other_host = tls_sandbox.url.replace("127.0.0.1", "127.0.0.2")
    tasks: list[Task] = [
        {"name": "untrusted", "qualys_was_webapp_info": read, "ignore_errors": True},
        {"name": "option", "qualys_was_webapp_info": {**read, "ca_path": certificates.ca}},
        {
            "name": "variable",
            "qualys_was_webapp_info": read,
            "environment": {"PERIMETER_CA_PATH": certificates.ca},
        },
        {
            "name": "option beats variable",
            "qualys_was_webapp_info": {**read, "ca_path": certificates.ca},
            "environment": {"PERIMETER_CA_PATH": "/nowhere/ca.pem"},
        },
        {"name": "unchecked", "qualys_was_webapp_info": {**read, "validate_certs": False}},
        {
            "name": "unchecked for certain",
            "qualys_was_webapp_info": {**read, "validate_certs": False},
            "environment": {"REQUESTS_CA_BUNDLE": certificates.ca},
        },
        {
            "name": "not a certificate",
            "qualys_was_webapp_info": {**read, "ca_path": certificates.key},
            "ignore_errors": True,
        },
        {
            "name": "other host",
            "qualys_was_webapp_info": {**read, "api_url": other_host, "ca_path": certificates.ca},
            "ignore_errors": True,
        },
    ]
    run = ansible.play(tasks, environment=login_to(tls_sandbox), counters=None)
    assert run.status == 0, run.output
    assert {result.task for result in run.results if result.failed} == {"untrusted", "not a certificate", "other host"}
    assert run["option"]["total"] == run["unchecked"]["total"] == 24
    assert run["untrusted"]["error"]["kind"] == "tls"
    assert "ca_path" in run["untrusted"]["msg"]
    assert "ca_path" in run["not a certificate"]["msg"]
    assert "InsecureRequestWarning" not in run.output
    assert "Traceback" not in run.output
