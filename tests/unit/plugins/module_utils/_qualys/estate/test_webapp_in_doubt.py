# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes whose outcome is in doubt, and applications that vanish: looked at, never repeated."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import (
    AmbiguousWrite,
    NotFound,
    PerimeterError,
    VendorError,
)
from ansible_collections.appsec.perimeter.plugins.module_utils._http import governor, session
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate import webapp
from ansible_collections.appsec.perimeter.plugins.module_utils._qualys.estate.webapp import run
from ansible_collections.appsec.perimeter.plugins.module_utils._reconcile import settle
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.sandbox import Sandbox

from ...qualys_kit import client_of, entry, routes, webapp_options, webapps_options

APP = 410001
LOST = ["apply_then_reset", "apply_then_status", "reset_mid_body", "truncated_json"]
"""The server acts, and its answer does not arrive."""
SCRIPT = {
    "name": "s",
    "data": "<x/>",
    "starting_url": None,
    "starting_url_regex": False,
    "regex": None,
    "requires_authentication": False,
}
answers = pytest.mark.parametrize("answer", ["NOT_FOUND", "INVALID_REQUEST", "EMPTY_SUCCESS"])


def manage(sandbox: Sandbox, **options: Any) -> Result:
    with client_of(sandbox, retries=1) as client:
        client.count("webapp", [])
        return run(webapp_options(**options), client, False)


def applied(sandbox: Sandbox) -> tuple[int, int]:
    counters = sandbox.counters.snapshot()
    return counters["writes"], counters["writes_applied"]


@pytest.mark.parametrize("fault", LOST)
def test_a_create_that_was_carried_out_is_adopted_and_not_repeated(sandbox: Sandbox, fault: str) -> None:
    sandbox.faults.add(kind=fault, match={"route": "/create/"})
    done = manage(sandbox, name="new", url="https://new.test/", scope="LIMIT")
    assert done.changed
    assert done.values["webapp"]["scope"] == "LIMIT"
    assert [app["name"] for app in sandbox.qualys.webapps.values()].count("new") == 1
    assert applied(sandbox) == (1, 1)


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize(
    "options",
    [
        {"use_sitemap": True},
        {"tags_add": ["pci"], "tags_remove": ["prod"]},
        {"uris": []},
        {"cancel_after": 0},
        {"default_profile": ""},
        {"headers": ["X-A: 1"], "attributes": {"a": "b"}},
        {"crawling_scripts": [SCRIPT], "comments": ["hello"]},
    ],
    ids="+".join,
)
def test_an_update_that_was_carried_out_is_adopted_and_not_repeated(
    sandbox: Sandbox, fault: str, options: dict[str, Any]
) -> None:
    sandbox.faults.add(kind=fault, match={"route": "/update/"})
    assert manage(sandbox, id=APP, **options).changed
    assert applied(sandbox) == (1, 1)
    assert not manage(sandbox, id=APP, **options).changed


@pytest.mark.parametrize("fault", LOST)
def test_a_delete_that_was_carried_out_is_adopted_and_not_repeated(sandbox: Sandbox, fault: str) -> None:
    sandbox.faults.add(kind=fault, match={"route": "/delete/"})
    assert manage(sandbox, id=APP, state="absent").changed
    assert applied(sandbox) == (1, 1)


@pytest.mark.parametrize("fault", [{"kind": "reset"}, {"kind": "status", "status": 502}, {"kind": "html_200"}])
@pytest.mark.parametrize(
    ("route", "options"),
    [
        ("/create/", {"name": "new", "url": "https://new.test/"}),
        ("/update/", {"id": APP, "use_sitemap": True}),
        ("/update/", {"id": APP, "cancel_after": 0}),
        ("/update/", {"id": APP, "default_profile": ""}),
        ("/update/", {"id": APP, "tags": []}),
        ("/delete/", {"id": APP, "state": "absent"}),
    ],
    ids=repr,
)
def test_a_write_that_was_not_carried_out_is_ambiguous_and_not_repeated(
    sandbox: Sandbox, fault: dict[str, Any], route: str, options: dict[str, Any]
) -> None:
    sandbox.qualys.webapps[APP]["useSitemap"] = False
    sandbox.faults.add({**fault, "match": {"route": route}})
    with pytest.raises(AmbiguousWrite, match="may or may not have happened") as caught:
        manage(sandbox, **options)
    assert "Run the task again" in caught.value.hint
    assert applied(sandbox) == (1, 0)
    # What the hint says works: the next run reads the state first.
    assert manage(sandbox, **options).changed
    assert applied(sandbox) == (2, 1)


def test_a_write_that_was_certainly_not_sent_is_sent_again(sandbox: Sandbox) -> None:
    sandbox.faults.add(kind="status", status=429, match={"route": "/update/"})
    assert manage(sandbox, id=APP, use_sitemap=True).changed
    assert applied(sandbox) == (2, 1)


@answers
def test_an_application_that_vanishes_before_its_update_is_told(sandbox: Sandbox, answer: str) -> None:
    sandbox.switches["missing_id"] = answer
    _vanish_after_read(sandbox)
    with pytest.raises(NotFound, match="vanished while it was being updated") as caught:
        manage(sandbox, id=APP, use_sitemap=True)
    assert "Run again" in caught.value.hint


@answers
def test_an_application_that_vanishes_before_its_delete_is_gone_as_asked(sandbox: Sandbox, answer: str) -> None:
    sandbox.switches["missing_id"] = answer
    _vanish_after_read(sandbox)
    assert manage(sandbox, id=APP, state="absent").changed


def _vanish_after_read(sandbox: Sandbox) -> None:
    """The application is deleted by somebody else as soon as it was read once."""
    room = sandbox._qualys
    real = room.answer

    def answer(request: Any, faults: Any) -> Any:
        reply = real(request, faults)
        if request.path.endswith(f"/get/was/webapp/{APP}"):
            with sandbox.qualys.lock:
                sandbox.qualys.webapps.pop(APP, None)
        return reply

    room.answer = answer  # type: ignore[method-assign]


def test_an_application_that_vanishes_after_its_update_is_an_error(sandbox: Sandbox) -> None:
    sandbox.faults.add(kind="response_code", code="NOT_FOUND", match={"route": "/get/"}, skip=1)
    done = manage(sandbox, id=APP, use_sitemap=True)
    assert isinstance(done.error, NotFound)
    assert f"update of the web application {APP} as done, but does not list it any more" in done.error.message
    assert (done.changed, done.values["webapp"]) == (False, None)


def test_an_application_that_does_not_show_after_its_create_is_told(sandbox: Sandbox) -> None:
    sandbox.faults.add(kind="response_code", code="NOT_FOUND", match={"route": "/get/"})
    done = manage(sandbox, name="new", url="https://new.test/")
    assert (done.changed, done.error, done.values["webapp"]["url"]) == (True, None, "https://new.test/")
    assert "create of the web application 'new' as done, but does not list it" in done.warnings[0]


def test_many_tell_which_are_gone_after_their_write(sandbox: Sandbox) -> None:
    sandbox.faults.add(kind="response_code", code="NOT_FOUND", match={"route": "/get/"}, skip=1, times=-1)
    wanted = [entry(id=APP, use_sitemap=True), entry(name="new", url="https://new.test/")]
    with client_of(sandbox, retries=0) as client:
        done = webapp.run_many(webapps_options(*wanted), client, False)
    gone, new = done.values["results"]
    assert (gone["changed"], gone["failed"], gone["fields"]) == (False, True, [])
    assert "does not list it any more" in gone["msg"]
    assert (new["changed"], new["failed"]) == (True, False)


@pytest.mark.parametrize(
    ("route", "options"),
    [("/update/", {"id": APP, "use_sitemap": True}), ("/delete/", {"id": APP, "state": "absent"})],
)
def test_a_refusal_of_the_vendor_is_passed_on_with_its_code(
    sandbox: Sandbox, route: str, options: dict[str, Any]
) -> None:
    sandbox.faults.add(kind="response_code", code="UNAUTHORIZED", message="No.", match={"route": route})
    with pytest.raises(VendorError) as caught:
        manage(sandbox, **options)
    assert caught.value.code == "UNAUTHORIZED"
    assert "permission" in caught.value.hint
    assert not isinstance(caught.value, NotFound)


@pytest.mark.parametrize("kind", ["html_200", "reset"])
def test_looking_afterwards_survives_passing_faults(sandbox: Sandbox, kind: str) -> None:
    sandbox.faults.add(kind="apply_then_reset", match={"route": "/update/"})
    sandbox.faults.add(kind=kind, match={"route": "/get/"}, skip=1, times=3)
    assert manage(sandbox, id=APP, use_sitemap=True).changed


def test_a_create_whose_answer_names_no_record_is_looked_up(sandbox: Sandbox) -> None:
    empty = '{"ServiceResponse": {"responseCode": "SUCCESS", "count": 1}}'
    sandbox.faults.add(kind="apply_then_status", status=200, body=empty, match={"route": "/create/"})
    done = manage(sandbox, name="new", url="https://new.test/")
    assert done.values["webapp"]["name"] == "new"
    sandbox.faults.add(kind="status", status=200, body=empty, match={"route": "/create/"})
    with pytest.raises(PerimeterError, match="does not list it"):
        manage(sandbox, name="newer", url="https://newer.test/")


def test_refused_credentials_end_the_run_at_once(sandbox: Sandbox) -> None:
    with client_of(sandbox, password="wrong") as client, pytest.raises(PerimeterError, match="INVALID_CREDENTIALS"):
        run(webapp_options(id=APP, use_sitemap=True), client, False)
    assert len(routes(sandbox)) == 1


def test_a_rate_limit_while_looking_does_not_hide_a_create_in_doubt(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (session, governor):
        monkeypatch.setattr(module, "backoff", lambda _attempt, **_options: 5.0)
    sandbox.faults.add(kind="apply_then_reset", match={"route": "/create/"})
    sandbox.faults.add(kind="status", status=429, match={"route": "/search/"}, times=-1, skip=1)
    # Each refused look waits for as long as it may: not at all.
    with client_of(sandbox, retries=1, max_wait=0) as client, pytest.raises(AmbiguousWrite, match="may or may not"):
        run(webapp_options(name="new", url="https://new.test/"), client, False)
    assert applied(sandbox) == (1, 1)


def test_looking_waits_on_the_budget_of_the_run(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "DELAYS", (3600.0,) * 5)
    sandbox.faults.add(kind="reset", match={"route": "/create/"})
    # Nothing of an hour fits into max_wait, so that there is one look, at once.
    with client_of(sandbox, retries=1, max_wait=60) as client, pytest.raises(AmbiguousWrite):
        run(webapp_options(name="new", url="https://new.test/"), client, False)
    assert len(routes(sandbox, "/search/")) == 2
