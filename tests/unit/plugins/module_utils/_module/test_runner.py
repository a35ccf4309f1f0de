# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner: results, failures in one sentence, secrets that stay secret, and Ansible's own conventions."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from ansible.module_utils import basic

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    MissingLibrary,
    OptionError,
    PartialFailure,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._http import session
from ansible_collections.appsec.perimeter.plugins.module_utils._module.argspec import QUALYS, Spec, filter_option
from ansible_collections.appsec.perimeter.plugins.module_utils._module.runner import (
    run_local_module,
    run_vendor_module,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.api.client import connect
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ..qualys_kit import Ran, connection, run_main

CANARY = "canary-of-this-test"


def local(result: Result | BaseException, **steering: Any) -> Ran:
    def run(_params: Any, _check_mode: bool) -> Result:
        if isinstance(result, BaseException):
            raise result
        return result

    return run_main(lambda: run_local_module(Spec(options={"name": {"type": "str"}}), run), {"name": "x"}, **steering)


def vendor(sandbox: Sandbox, run: Any, arguments: dict[str, Any] | None = None, **steering: Any) -> Ran:
    options = connection(sandbox) if arguments is None else arguments
    return run_main(lambda: run_vendor_module(QUALYS, connect, run), options, **steering)


def test_values_come_back_with_whether_something_changed() -> None:
    ran = local(Result(changed=True, values={"answer": 42}))
    assert (ran.code, ran.failed) == (0, False)
    assert ran.result["changed"] is True
    assert ran.result["answer"] == 42


def test_a_vendors_module_also_returns_what_it_cost(estate: Sandbox) -> None:
    def run(params: Any, client: Any, check_mode: bool) -> Result:
        return Result(values={"total": client.count("webapp", []), "check": check_mode, "retries": params["retries"]})

    ran = vendor(estate, run, check=True)
    assert (ran.result["total"], ran.result["check"], ran.result["retries"]) == (200, True, 5)
    assert ran.result["stats"]["requests"] == 1
    assert {"retries", "waited", "bytes", "connections", "elapsed"} < set(ran.result["stats"])


@pytest.mark.parametrize("fails", [False, True])
def test_the_invocation_holds_what_was_given_and_no_secret(estate: Sandbox, fails: bool) -> None:
    def run(_params: Any, _client: Any, _check_mode: bool) -> Result:
        return Result(error=PartialFailure("Some failed.") if fails else None)

    # From ansible-core 2.20 on, it is shown on request only.
    asked = {"_ansible_inject_invocation": True} if "_ansible_inject_invocation" in inspect.getsource(basic) else {}
    shown = vendor(estate, run, connection(estate) | asked).result["invocation"]["module_args"]
    assert shown["api_url"] == estate.url
    assert shown["retries"] == 5
    assert estate.password not in str(shown)
    assert "password" in shown
    assert None not in shown.values()


@pytest.mark.parametrize("password", ["canary-pass", "canary/pa:ss@x"])
def test_a_password_in_an_address_is_not_shown(estate: Sandbox, password: str) -> None:
    ran = vendor(estate, lambda *_given: Result(), {"api_url": f"https://user:{password}@127.0.0.1"}, verbosity=4)
    assert ran.failed
    assert "canary" not in ran.printed


@pytest.mark.parametrize("diff", [True, False])
def test_a_diff_is_shown_in_diff_mode_only(diff: bool) -> None:
    ran = local(Result(diff={"before": {}, "after": {"a": 1}}), diff=diff)
    assert ("diff" in ran.result) is diff
    assert "diff" not in local(Result(), diff=True).result


def test_warnings_are_warnings_of_ansible() -> None:
    ran = local(Result(warnings=["The list is not complete."]))
    assert "The list is not complete." in ran.printed
    assert len(ran.result["warnings"]) == 1


def test_an_error_is_a_sentence_and_data() -> None:
    ran = local(VendorError("It said no.", hint="Ask again.", code="UNAUTHORIZED"))
    assert (ran.code, ran.failed, ran.msg) == (1, True, "It said no. Ask again.")
    assert ran.result["error"] == {
        "kind": "vendor",
        "message": "It said no.",
        "hint": "Ask again.",
        "code": "UNAUTHORIZED",
    }
    assert "Traceback" not in ran.printed


def test_an_unforeseen_error_is_told_by_its_type_only() -> None:
    ran = local(KeyError(CANARY))
    assert (ran.code, ran.failed) == (1, True)
    assert ran.msg.startswith("This module failed with an internal error, KeyError.")
    assert ran.result["error"]["kind"] == "error"
    assert CANARY not in ran.printed
    assert "Traceback" not in ran.printed
    assert ".py" not in ran.printed


@pytest.mark.parametrize("verbosity", [0, 1, 2])
@pytest.mark.parametrize("error", [KeyError(CANARY), OptionError("No.")], ids=["unforeseen", "ours"])
def test_there_is_no_traceback_below_vvv(verbosity: int, error: Exception) -> None:
    assert "Traceback" not in local(error, verbosity=verbosity).printed


@pytest.mark.parametrize("error", [KeyError("x"), OptionError("No.")], ids=["unforeseen", "ours"])
def test_from_vvv_on_the_traceback_is_there(error: Exception) -> None:
    # From ansible-core 2.19 on, the user also has to ask for tracebacks in the configuration.
    ran = local(error, verbosity=3, tracebacks=["error"])
    assert "Traceback" in ran.result["exception"]
    assert "test_runner.py" in ran.result["exception"]


def test_a_partial_failure_returns_its_values_and_fails() -> None:
    partial = Result(
        changed=True,
        values={"results": [1, 2]},
        diff={"after": {}},
        warnings=["Careful."],
        error=PartialFailure("1 of 2 failed."),
    )
    ran = local(partial, diff=True)
    assert (ran.code, ran.failed, ran.msg) == (1, True, "1 of 2 failed.")
    assert ran.result["results"] == [1, 2]
    assert ran.result["changed"] is True
    assert ran.result["diff"] == {"after": {}}
    assert ran.result["error"]["kind"] == "partial"
    assert "Careful." in ran.printed
    # Where Ansible shows tracebacks, that of nothing is not among them.
    verbose = local(partial, verbosity=3, tracebacks=["error"])
    assert not str(verbose.result.get("exception", "")).startswith("NoneType")


def test_a_missing_library_is_ansibles_own_message() -> None:
    ran = local(MissingLibrary("jmespath", "Traceback: no jmespath"), tracebacks=["error"])
    assert "Failed to import the required Python library (jmespath)" in ran.msg
    assert ran.result["error"]["kind"] == "missing_library"
    assert ran.result["exception"] == "Traceback: no jmespath"


def test_requests_is_missed_before_anything_else(estate: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HAS_REQUESTS", False)
    ran = vendor(estate, lambda *_arguments: Result())
    assert "Failed to import the required Python library (requests)" in ran.msg
    assert estate.counters.snapshot()["requests"] == 0


@pytest.mark.parametrize("where", ["options", "environment"])
@pytest.mark.parametrize("fails", [False, True])
def test_secrets_are_masked_wherever_they_come_from(
    estate: Sandbox, monkeypatch: pytest.MonkeyPatch, where: str, fails: bool
) -> None:
    arguments = connection(estate, username="ada", password=CANARY)
    if where == "environment":
        monkeypatch.setenv("QUALYS_WAS_PASSWORD", arguments.pop("password"))

    def run(_params: Any, client: Any, _check_mode: bool) -> Result:
        (_password, encoded) = client.secrets()
        if fails:
            raise OptionError(f"{CANARY} and {encoded}")
        return Result(values={"leak": [CANARY, f"x {CANARY} y", {"deep": encoded}]})

    ran = vendor(estate, run, arguments, verbosity=4, diff=True)
    assert ran.failed is fails
    assert CANARY not in ran.printed
    assert "YWRhOmNhbmFyeS" not in ran.printed


@pytest.mark.parametrize("ends", ["well", "in a failure", "in a partial failure", "unforeseen"])
def test_a_token_that_came_up_during_the_work_is_masked(estate: Sandbox, ends: str) -> None:
    login = {"client_id": estate.client_id, "client_secret": estate.client_secret, "gateway_url": estate.url}
    seen: list[str] = []

    def run(_params: Any, client: Any, _check_mode: bool) -> Result:
        client.count("webapp", [])
        (_secret, token) = client.secrets()
        seen.append(token)
        if ends == "in a failure":
            raise OptionError(f"It is {token}.")
        if ends == "unforeseen":
            raise KeyError(token)
        error = PartialFailure(f"It is {token}.") if ends == "in a partial failure" else None
        return Result(values={"leak": [token]}, warnings=[f"Say {token}."], error=error)

    ran = vendor(estate, run, {"api_url": estate.url, **login}, verbosity=4, diff=True, tracebacks=["error"])
    assert ran.failed is (ends != "well")
    assert len(seen[0]) > 20
    assert seen[0] not in ran.printed


def test_warnings_hold_nothing_that_a_terminal_obeys() -> None:
    printed = json.dumps(local(Result(warnings=["Look\x1b[31m at ##vso[this]."])).result["warnings"])
    assert json.dumps("Look [31m at #\\x23vso[this].") in printed


@pytest.mark.parametrize("name", ["client_secret", "password", "proxy"])
def test_options_that_hold_a_secret_are_no_log(name: str) -> None:
    assert QUALYS.options[name]["no_log"] is True


def test_options_that_cannot_be_resolved_are_a_failure_and_nothing_is_sent(estate: Sandbox) -> None:
    ran = vendor(estate, lambda *_arguments: Result(), {"platform": "qg9", "username": "a", "password": CANARY})
    assert (ran.failed, ran.result["error"]["kind"]) == (True, "option")
    assert CANARY not in ran.printed
    assert estate.counters.snapshot()["requests"] == 0


def test_merging_specifications_loses_no_constraint() -> None:
    one = Spec(options={"a": {"type": "str"}, "b": {}}, mutually_exclusive=[("a", "b")], required_together=[("a", "b")])
    two = Spec(options={"a": {"type": "int"}, "c": {}}, required_one_of=[("a", "c")], required_if=[("a", 1, ("c",))])
    assert one.merge(two).arguments() == {
        "argument_spec": {"a": {"type": "int"}, "b": {}, "c": {}},
        "mutually_exclusive": [("a", "b")],
        "required_together": [("a", "b")],
        "required_one_of": [("a", "c")],
        "required_if": [("a", 1, ("c",))],
    }


def test_filters_come_with_their_strictness() -> None:
    assert set(filter_option("prune_filters")) == {"prune_filters", "filters_strict"}


def test_the_environment_binds_late_for_qualys_and_in_ansible_for_the_rest(
    estate: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUALYS_WAS_URL", "https://from.env.example")
    monkeypatch.setenv("PERIMETER_STATE_DIR", "/from/env")
    seen: dict[str, Any] = {}

    def run(params: Any, client: Any, _check_mode: bool) -> Result:
        seen.update(params, url=client.connection.api_url)
        return Result()

    vendor(estate, run)
    assert (seen["url"], seen["state_dir"]) == (estate.url, "/from/env")
    vendor(estate, run, {"username": "a", "password": "b"})
    assert (seen["url"], seen["api_url"]) == ("https://from.env.example", None)
