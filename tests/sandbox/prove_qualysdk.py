# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drive the sandbox with qualysdk 0.3.17, a client that was written against the real service.

Usage: ``REQUESTS_CA_BUNDLE=ca.pem python prove_qualysdk.py https://127.0.0.1:PORT``

qualysdk turns every http URL into https, so the sandbox must be started with --certfile and --keyfile, and the
certificate must be trusted through REQUESTS_CA_BUNDLE. Login is the sandbox's default one.
The script sets the switch ``qualysdk_readable``: qualysdk fails on fields that its data classes lack, on collections
without ``list`` and on base64 without padding.
"""

from __future__ import annotations

import contextlib
import io
import json
import ssl
import sys
import urllib.request
from typing import Any


def control(url: str, path: str, body: Any = None) -> Any:
    """One control-plane request."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/_sandbox/{path}", data=data)  # noqa: S310
    # Only loopback is ever contacted here; qualysdk's own calls below do verify the certificate.
    context = ssl._create_unverified_context()  # noqa: S323
    with urllib.request.urlopen(request, context=context) as reply:  # noqa: S310
        return json.load(reply)


def check(what: str, good: bool, detail: object = "") -> None:
    """Print one line; stop at the first thing that is wrong."""
    print(f"{'ok  ' if good else 'FAIL'} {what} {detail}".rstrip())
    if not good:
        sys.exit(1)


def quiet(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call qualysdk without its progress lines."""
    with contextlib.redirect_stdout(io.StringIO()):
        return function(*args, **kwargs)


def prove_webapps(auth: Any, was: Any) -> None:
    """List, count, create, update, delete."""
    total = quiet(was.count_webapps, auth)
    check("count_webapps", total > 0, total)
    apps = quiet(was.get_webapps, auth)
    check("get_webapps lists all", len(apps) == total, len(apps))
    verbose = quiet(was.get_webapps, auth, verbose=True)
    check("get_webapps verbose has tags", any(app.tags for app in verbose), len(verbose))
    prod = quiet(was.get_webapps, auth, name="prod", name_operator="CONTAINS")
    check("get_webapps name CONTAINS", 0 < len(prod) < total and all("prod" in app.name for app in prod), len(prod))
    detailed = quiet(was.get_webapps_verbose, auth, thread_count=3)
    check("get_webapps_verbose reads every one", len(detailed) == total, len(detailed))
    names = {app.id: app.name for app in apps}
    check("names agree between search and get", all(names[app.id] == app.name for app in detailed))
    prove_webapp_writes(auth, was, total)


def prove_webapp_writes(auth: Any, was: Any, total: int) -> None:
    """Create, read back, update, delete."""
    tag = next(tag.id for app in quiet(was.get_webapps, auth, verbose=True) if app.tags for tag in app.tags)
    record = next(iter(quiet(was.get_authentication_records, auth))).id
    created = quiet(
        was.create_webapp, auth, name="qualysdk shop", url="https://qualysdk.example/", authRecord_id=record,
        uris=["https://qualysdk.example/a", "https://qualysdk.example/b"], tag_ids=[tag], domains=["qualysdk.example"],
    )  # fmt: skip
    check("create_webapp", created.name == "qualysdk shop" and len(created.uris) == 2, created.id)
    check("create_webapp set tags and auth record", created.tags[0].id == tag and created.authRecords[0].id == record)
    check("count after create", quiet(was.count_webapps, auth) == total + 1)
    message = quiet(
        was.update_webapp, auth, webappId=created.id, name="qualysdk shop 2", useSitemap=True,
        urlExcludelist=["https://qualysdk.example/out"], headers=["X-A: 1", "X-B: 2"],
    )  # fmt: skip
    check("update_webapp", str(created.id) in message, message)
    read = quiet(was.get_webapp_details, auth, webappId=created.id)
    check("update was applied", read.name == "qualysdk shop 2" and read.useSitemap is True and len(read.headers) == 2)
    check("lists were applied", [entry.text for entry in read.urlExcludelist] == ["https://qualysdk.example/out"])
    prove_attribute_update(auth, was)
    try:
        quiet(was.create_webapp, auth, name="A & B", url="https://ab.example/")
        check("an unescaped & is refused", False)
    except Exception as error:  # noqa: BLE001 - qualysdk raises its own type, imported from a private place
        check("an unescaped & is refused", "INVALID_XML" in str(error))
    deleted = quiet(was.delete_webapp, auth, id=created.id)
    check("delete_webapp", [int(item["id"]) for item in deleted] == [created.id], deleted)
    check("count after delete", quiet(was.count_webapps, auth) == total)


def prove_attribute_update(auth: Any, was: Any) -> None:
    """qualysdk sends ``update`` for what it calls add, so the attribute must exist already."""
    seeded = next(app for app in quiet(was.get_webapps_verbose, auth) if isinstance(app.attributes, list))
    name = seeded.attributes[0].split(":")[0]
    quiet(was.update_webapp, auth, webappId=seeded.id, attributes={"add": {name: "Wholesale"}})
    read = quiet(was.get_webapp_details, auth, webappId=seeded.id)
    check("attribute was updated in place", f"{name}:Wholesale" in list(read.attributes), seeded.id)


def prove_findings(auth: Any, was: Any) -> None:
    """Count, list verbose, get one with sslData, filters, authentication records."""
    total = quiet(was.count_findings, auth)
    check("count_findings", total > 0, total)
    findings = quiet(was.get_findings, auth, verbose=True)
    check("get_findings verbose lists all", len({item.id for item in findings}) == total, len(findings))
    check("ids ascend", [item.id for item in findings] == sorted(item.id for item in findings))
    check("evidence is there", all(item.resultList_count >= 1 for item in findings))
    xss = quiet(was.get_findings, auth, group="XSS", status="ACTIVE")
    check("get_findings group and status", bool(xss) and all(item.status == "ACTIVE" for item in xss), len(xss))
    first = findings[0]
    one = quiet(was.get_finding_details, auth, findingId=first.id)
    check("get_finding_details by id", one.uniqueId == first.uniqueId, one.id)
    same = quiet(was.get_finding_details, auth, findingId=first.uniqueId)
    check("get_finding_details by uniqueId", same.id == first.id)
    tls = next(item for item in findings if item.qid in (150528, 150621, 150622, 150623))
    ssl_data = quiet(was.get_finding_details, auth, findingId=tls.id)
    check("sslData only in get", bool(ssl_data.sslData_list) and not tls.sslData_list)
    records = quiet(was.get_authentication_records, auth)
    check("get_authentication_records", len(records) == quiet(was.count_authentication_records, auth), len(records))


def prove_auth_records(auth: Any, was: Any) -> None:
    """Create and delete, as far as qualysdk sends what the service wants."""
    total = quiet(was.count_authentication_records, auth)
    fields = [{"name": "username", "value": "bob"}, {"name": "password", "value": "example-word"}]
    form = quiet(
        was.create_authentication_record, auth, name="qualysdk form", recordType="formRecord", subType="STANDARD",
        fields=fields, sslOnly=True, comments=["made by a proof"],
    )  # fmt: skip
    check("create_authentication_record form", form.name == "qualysdk form", form.id)
    script = {"name": "login", "data": "open /login", "regex": "Log out"}
    grant = quiet(
        was.create_authentication_record, auth, name="qualysdk implicit", recordType="oauth2Record",
        subType="IMPLICIT", grantType="IMPLICIT", seleniumScript=script, redirectUrl="https://qualysdk.example/cb",
    )  # fmt: skip
    check("create_authentication_record oauth2", grant.name == "qualysdk implicit", grant.id)
    check("count after create", quiet(was.count_authentication_records, auth) == total + 2)
    message = ""
    try:
        server = [{"username": "svc", "password": "example-word"}]
        quiet(
            was.create_authentication_record, auth, name="s", recordType="serverRecord", subType="BASIC", fields=server
        )
    except Exception as error:  # noqa: BLE001 - qualysdk raises its own type, imported from a private place
        message = str(error)
    check("a server record without the type on its field is refused", bool(message), message[:90])
    for record in (form, grant):
        deleted = quiet(was.delete_authentication_record, auth, id=record.id)
        check("delete_authentication_record", [int(item["id"]) for item in deleted] == [int(record.id)])
    check("count after delete", quiet(was.count_authentication_records, auth) == total)


def prove_scans(auth: Any, was: Any) -> None:
    """Launch, follow, read, repeat, cancel, delete."""
    total = quiet(was.count_scans, auth)
    check("get_scans lists all", len(quiet(was.get_scans, auth)) == total, total)
    app = next(app.id for app in quiet(was.get_webapps, auth))
    launch = {"name": "qualysdk scan", "scan_type": "VULNERABILITY", "profile_id": 12001, "web_app_ids": [app]}
    key = quiet(was.launch_scan, auth, **launch)
    check("launch_scan", quiet(was.count_scans, auth) == total + 1, key)
    words = [quiet(was.get_scan_status, auth, key)["data"]["WasScan"]["status"] for _turn in range(4)]
    check("get_scan_status follows it", words == ["SUBMITTED", "RUNNING", "PROCESSING", "FINISHED"], words)
    details = quiet(was.get_scan_details, auth, key)
    check("get_scan_details", details.summary_resultsStatus == "FINISHED" and details.target_id == app, details.name)
    results = quiet(was.get_scan_results, auth, key)
    check("get_scan_results", int(results["stats"]["global"]["nbVulnsTotal"]) >= 1, results["vulns"]["count"])
    again = quiet(was.scan_again, auth, key, newName="qualysdk again")
    check("scan_again", again > key, again)
    check("cancel_scan", quiet(was.cancel_scan, auth, again, retain_results=True) == "SUCCESS")
    words = [quiet(was.get_scan_status, auth, again)["data"]["WasScan"]["status"] for _turn in range(2)]
    check("cancel_scan ends it", words[-1] == "CANCELED", words)
    deleted = [quiet(was.delete_scan, auth, id=str(number))[0] for number in (key, again)]
    check("delete_scan", deleted == [key, again])
    check("count after delete of scans", quiet(was.count_scans, auth) == total)


def main() -> int:
    """Run all; exit code 0 when everything held."""
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    url = sys.argv[1].rstrip("/")
    from qualysdk import BasicAuth, was  # type: ignore[import-untyped,import-not-found,unused-ignore]

    control(url, "switches", {"qualysdk_readable": True})
    hosts = {"api_url": url, "gateway_url": url, "qualysguard_url": url}
    auth = quiet(BasicAuth, "sandbox_user", "sandbox_password", override_platform=hosts)
    check("login through /msp/about.php", True)
    prove_webapps(auth, was)
    prove_findings(auth, was)
    prove_auth_records(auth, was)
    prove_scans(auth, was)
    counters = control(url, "counters")
    check("no internal errors", counters["internal_errors"] == 0, f"{counters['requests']} requests")
    return 0


if __name__ == "__main__":
    sys.exit(main())
