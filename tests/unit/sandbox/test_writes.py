# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create, update, delete, purge; collections on write (docs/vendors/qualys_was.md 8, 9)."""

from __future__ import annotations

import json
import threading
import xml.etree.ElementTree as ET
from typing import Any
from xml.sax.saxutils import escape

import pytest

from tests.sandbox import Sandbox
from tests.unit.sandbox.client import WAS, Client

NEW = {"name": "shop", "url": "https://shop.test/"}


def names(value: dict[str, Any], item: str, key: str = "id") -> list[Any]:
    return [entry[item][key] for entry in value.get("list", ())]


def texts(value: dict[str, Any], item: str) -> list[str]:
    return names(value, item, "value")


def code(client: Client, path: str, body: Any) -> str:
    return str(client.json("POST", path, body)["responseCode"])


def test_create_replies_with_the_whole_object_and_defaults(client: Client, sandbox: Sandbox) -> None:
    app = client.create(**NEW)
    assert app["scope"] == "ALL"
    assert app["useRobots"] == "IGNORE"
    assert app["useSitemap"] == "false"
    assert "defaultProfile" not in app
    assert app["authRecords"] == {"count": 0}
    assert client.get(app["id"]) == app
    assert sandbox.qualys.webapps[app["id"]]["name"] == "shop"


def test_create_with_everything_in_xml_in_any_order(client: Client, sandbox: Sandbox) -> None:
    state = sandbox.qualys
    name = 'A & B <c> "d" ]]> é 日本'
    xml = f"""<ServiceRequest><data><WebApp>
      <tags><set><Tag><id>{state.tags.ids[1]}</id></Tag></set></tags>
      <url>https://shop.test/?a=1&amp;b=2</url><name>{escape(name)}</name>
      <uris><set><Url><![CDATA[https://shop.test/admin?x=1&y=2]]></Url></set></uris>
      <scope>DOMAINS</scope><domains><set><Domain>shop.test</Domain></set></domains>
      <urlExcludelist><set><UrlEntry regex="true">^/a&amp;b$</UrlEntry><UrlEntry>/b</UrlEntry></set></urlExcludelist>
      <authRecords><set><WebAppAuthRecord><id>{state.auth_records.ids[0]}</id></WebAppAuthRecord></set></authRecords>
      <defaultProfile><id>{state.option_profiles.ids[1]}</id></defaultProfile>
      <config><cancelScansAfterNHours>5</cancelScansAfterNHours></config>
      <headers><set><WebAppHeader>X-A: 1</WebAppHeader></set></headers>
      <attributes><set><Attribute><name>k</name><value>v</value></Attribute></set></attributes>
      <comments><set><Comment><contents>hello</contents></Comment></set></comments>
    </WebApp></data></ServiceRequest>"""
    root = client.xml("POST", "/create/was/webapp", xml)
    assert root.findtext("responseCode") == "SUCCESS", ET.tostring(root)
    app = client.get(int(root.findtext("data/WebApp/id") or 0))
    assert app["name"] == name
    assert app["url"] == "https://shop.test/?a=1&b=2"
    assert app["urlExcludelist"]["list"] == [
        {"UrlEntry": {"regex": "true", "value": "^/a&b$"}},
        {"UrlEntry": {"regex": "false", "value": "/b"}},
    ]
    assert app["config"] == {"cancelScansAfterNHours": 5}
    comment = app["comments"]["list"][0]["Comment"]
    assert comment["contents"] == "hello"
    assert comment["author"]["id"] == state.users.ids[0]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "x"}, "CANNOT_BE_NULL"),
        ({**NEW, "name": ""}, "CANNOT_BE_NULL"),
        ({**NEW, "name": "x" * 257}, "INVALID_REQUEST"),
        ({**NEW, "url": "shop.test"}, "INVALID_REQUEST"),
        ({**NEW, "colour": "x"}, "INVALID_REQUEST"),
        ({**NEW, "id": 5}, "INVALID_REQUEST"),
        ({**NEW, "riskScore": 5}, "INVALID_REQUEST"),
        ({**NEW, "urlBlacklist": {"set": {}}}, "INVALID_REQUEST"),
        ({**NEW, "removeFromSubscription": True}, "INVALID_REQUEST"),
        ({**NEW, "scope": "SOME"}, "INVALID_REQUEST"),
        ({**NEW, "scope": "SUBDOMAIN"}, "INVALID_REQUEST"),
        ({**NEW, "scope": "DOMAINS"}, "INVALID_REQUEST"),
        ({**NEW, "useSitemap": "yes"}, "INVALID_REQUEST"),
        ({**NEW, "useRobots": "EXCLUDE"}, "INVALID_REQUEST"),
        ({**NEW, "defaultProfile": {"id": 1}}, "INVALID_REQUEST"),
        ({**NEW, "owner": {"id": 1}}, "INVALID_REQUEST"),
        ({**NEW, "tags": {"set": {"Tag": [{"id": 1}]}}}, "INVALID_REQUEST"),
        ({**NEW, "tags": {"set": {"Tag": [{"name": "prod"}]}}}, "CANNOT_BE_NULL"),
        ({**NEW, "tags": {"set": {"Tags": [{"id": 1}]}}}, "INVALID_REQUEST"),
        ({**NEW, "tags": {"list": [{"Tag": {"id": 1}}]}}, "INVALID_REQUEST"),
        ({**NEW, "authRecords": {"set": {"WebAppAuthRecord": {"id": 1}}}}, "INVALID_REQUEST"),
        ({**NEW, "dnsOverrides": {"update": {"DnsOverride": {"id": 8001}}}}, "INVALID_REQUEST"),
        ({**NEW, "headers": {"set": {"WebAppHeader": ["no colon"]}}}, "INVALID_REQUEST"),
        ({**NEW, "config": {"cancelScansAfterNHours": 2, "cancelScansAt": "23:00"}}, "INVALID_REQUEST"),
        ({**NEW, "defaultScanner": {"type": "INTERNAL"}}, "INVALID_REQUEST"),
        ({**NEW, "crawlingScripts": {"set": {"SeleniumScript": [{"name": "x"}]}}}, "CANNOT_BE_NULL"),
        ({**NEW, "swaggerFile": {"name": "a"}, "postmanCollection": {"collection": {"name": "b"}}}, "INVALID_REQUEST"),
    ],
)  # fmt: skip
def test_create_refuses(client: Client, sandbox: Sandbox, fields: dict[str, Any], expected: str) -> None:
    before = len(sandbox.qualys.webapps)
    assert code(client, "/create/was/webapp", {"data": {"WebApp": fields}}) == expected
    assert len(sandbox.qualys.webapps) == before
    assert sandbox.counters.writes == 1
    assert sandbox.counters.writes_applied == 0


def test_a_repeated_element_is_refused(client: Client) -> None:
    xml = (
        "<ServiceRequest><data><WebApp><name>a</name><url>https://a.test</url><attributes><set><Attribute>"
        "<name>k</name><name>l</name><value>v</value></Attribute></set></attributes></WebApp></data></ServiceRequest>"
    )
    assert client.xml("POST", "/create/was/webapp", xml).findtext("responseCode") == "INVALID_REQUEST"


def test_update_changes_only_what_is_sent_and_replies_with_the_id(client: Client, sandbox: Sandbox) -> None:
    app = client.create(**NEW, headers={"set": {"WebAppHeader": ["X-A: 1"]}})
    reply = client.update(app["id"], name="shop 2", useSitemap=True)
    assert reply["data"] == [{"WebApp": {"id": app["id"]}}]
    read = client.get(app["id"])
    assert (read["name"], read["url"], read["useSitemap"]) == ("shop 2", NEW["url"], "true")
    assert read["headers"]["count"] == 1
    assert read["updatedDate"] > app["updatedDate"]
    assert client.update(app["id"], id=app["id"] + 1)["responseCode"] == "INVALID_REQUEST"
    assert client.update(app["id"], url="")["responseCode"] == "CANNOT_BE_NULL"


def test_list_operations(client: Client) -> None:
    app = client.create(**NEW, uris={"set": {"Url": ["https://a.test", {"value": "https://b.test"}]}})
    key = app["id"]
    assert texts(app["uris"], "Url") == ["https://a.test", "https://b.test"]
    both = {
        "add": {"Url": ["https://c.test", "https://b.test"]},
        "remove": {"Url": ["https://a.test", "https://no.test"]},
    }
    client.update(key, uris=both)
    assert texts(client.get(key)["uris"], "Url") == ["https://b.test", "https://c.test"]
    client.update(key, uris={"set": {"Url": {"value": "https://d.test"}}})
    assert texts(client.get(key)["uris"], "Url") == ["https://d.test"]
    combined = client.update(key, uris={"set": {"Url": "https://e.test"}, "add": {"Url": "https://f.test"}})
    assert combined["responseCode"] == "INVALID_REQUEST"
    client.update(key, uris={"set": {}})
    assert client.get(key)["uris"] == {"count": 0}


def test_attributes_are_keyed_by_name(client: Client) -> None:
    app = client.create(
        **NEW, attributes={"set": {"Attribute": [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]}}
    )
    client.update(
        app["id"], attributes={"add": {"Attribute": [{"name": "a", "value": "9"}, {"name": "c", "value": "3"}]}}
    )
    read = client.get(app["id"])["attributes"]["list"]
    assert [(item["Attribute"]["name"], item["Attribute"]["value"]) for item in read] == [
        ("a", "9"),
        ("b", "2"),
        ("c", "3"),
    ]
    client.update(
        app["id"],
        attributes={"remove": {"Attribute": {"name": "a"}}, "update": {"Attribute": {"name": "z", "value": "0"}}},
    )
    assert names(client.get(app["id"])["attributes"], "Attribute", "name") == ["b", "c"]


def test_tags_and_records_add_and_remove_together(client: Client, sandbox: Sandbox) -> None:
    tags = sandbox.qualys.tags.ids
    records = sandbox.qualys.auth_records.ids
    app = client.create(**NEW, tags={"set": {"Tag": [{"id": tags[0]}, {"id": tags[1]}]}})
    reply = client.update(
        app["id"],
        tags={"add": {"Tag": {"id": tags[2]}}, "remove": {"Tag": [{"id": tags[0]}, {"id": 1}]}},
        authRecords={"add": {"WebAppAuthRecord": {"id": str(records[0])}}},
    )
    assert reply["responseCode"] == "SUCCESS"
    read = client.get(app["id"])
    assert names(read["tags"], "Tag") == [tags[1], tags[2]]
    assert read["authRecords"]["list"][0]["WebAppAuthRecord"]["name"] == "Storefront login"


def test_switches_of_what_a_create_answers_and_takes(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["create_answer"] = "short"
    app = client.create(**NEW, useSitemap="true")
    assert set(app) == {"id", "name"}
    assert client.get(app["id"])["useSitemap"] == "true"
    sandbox.switches.update({"create_answer": "id", "create_takes": "needed"})
    app = client.create(**NEW, useSitemap="true")
    assert set(app) == {"id"}
    read = client.get(app["id"])
    assert (read["name"], read["useSitemap"]) == ("shop", "false")


def test_switches_of_what_a_delete_and_a_purge_take(client: Client, sandbox: Sandbox) -> None:
    key = next(key for key, app in sandbox.qualys.webapps.items() if app.get("lastScan"))
    sandbox.switches.update({"delete_takes": "nothing", "purge_takes": "nothing"})
    assert "data" not in client.json("POST", f"/delete/was/webapp/{key}")
    found = len(sandbox.qualys.findings_of(key))
    assert client.json("POST", f"/purge/was/webapp/{key}")["count"] == 1
    assert (found, len(sandbox.qualys.findings_of(key))) == (found, found)
    sandbox.switches["purge_takes"] = "findings"
    client.json("POST", f"/purge/was/webapp/{key}")
    assert sandbox.qualys.findings_of(key) == []
    assert "lastScan" in client.get(key)


def test_empty_set_switch(client: Client, sandbox: Sandbox) -> None:
    app = client.create(**NEW, uris={"set": {"Url": ["https://a.test"]}})
    sandbox.switches["empty_set_clears"] = "false"
    assert client.update(app["id"], uris={"set": {"Url": []}})["responseCode"] == "SUCCESS"
    assert client.get(app["id"])["uris"]["count"] == 1
    sandbox.switches["empty_set_clears"] = "reject"
    assert client.update(app["id"], uris={"set": {}})["responseCode"] == "INVALID_REQUEST"
    sandbox.switches["empty_set_clears"] = "true"
    xml = "<ServiceRequest><data><WebApp><uris><set/></uris></WebApp></data></ServiceRequest>"
    client.xml("POST", f"/update/was/webapp/{app['id']}", xml)
    assert client.get(app["id"])["uris"] == {"count": 0}


def test_json_url_shape_switch(client: Client, sandbox: Sandbox) -> None:
    sandbox.switches["json_url_shape"] = "value"
    body = {"data": {"WebApp": {**NEW, "uris": {"set": {"Url": ["https://a.test"]}}}}}
    assert code(client, "/create/was/webapp", body) == "INVALID_REQUEST"
    body["data"]["WebApp"]["uris"] = {"set": {"Url": [{"value": "https://a.test"}]}}
    assert code(client, "/create/was/webapp", body) == "SUCCESS"
    sandbox.switches["json_url_shape"] = "plain"
    assert code(client, "/create/was/webapp", body) == "INVALID_REQUEST"


def test_partial_config_switch(client: Client, sandbox: Sandbox) -> None:
    record = sandbox.qualys.auth_records.ids[0]
    app = client.create(**NEW, config={"cancelScansAfterNHours": 4, "defaultAuthRecord": {"id": record}})
    client.update(app["id"], config={"defaultAuthRecord": {"id": record}})
    assert client.get(app["id"])["config"] == {"defaultAuthRecord": {"id": record}}
    client.update(app["id"], config={"cancelScansAfterNHours": 6})
    assert client.get(app["id"])["config"] == {"cancelScansAfterNHours": 6}
    sandbox.switches["partial_config_wipes"] = False
    client.update(app["id"], config={"defaultAuthRecord": {"id": record}})
    assert client.get(app["id"])["config"] == {"cancelScansAfterNHours": 6, "defaultAuthRecord": {"id": record}}
    client.update(app["id"], config={"cancelScansAt": "22:00"})
    assert "cancelScansAfterNHours" not in client.get(app["id"])["config"]


def test_clearing_an_object(client: Client, sandbox: Sandbox) -> None:
    app = client.create(**NEW, defaultProfile={"id": sandbox.qualys.option_profiles.ids[0]})
    sandbox.switches["empty_object_clears"] = False
    assert client.update(app["id"], defaultProfile={})["responseCode"] == "INVALID_REQUEST"
    sandbox.switches["empty_object_clears"] = True
    client.update(app["id"], defaultProfile={})
    assert "defaultProfile" not in client.get(app["id"])


def test_delete_keeps_it_in_the_subscription_unless_told(client: Client, sandbox: Sandbox) -> None:
    app = client.create(**NEW, useSitemap=True)
    reply = client.json("POST", f"/delete/was/webapp/{app['id']}")
    assert reply["data"] == [{"WebApp": {"id": app["id"]}}]
    assert ("shop", "https://shop.test/") in sandbox.qualys.in_subscription
    assert code(client, "/create/was/webapp", {"data": {"WebApp": NEW}}) == "INVALID_REQUEST"
    revived = client.create(**NEW, reactivateIfExists=True)
    assert revived["id"] == app["id"]
    assert revived["useSitemap"] == "true"
    forever = {"data": {"WebApp": {"removeFromSubscription": "true"}}}
    assert code(client, f"/delete/was/webapp/{app['id']}", forever) == "SUCCESS"
    assert sandbox.qualys.in_subscription == {}
    assert client.create(**NEW)["id"] != app["id"]


def test_delete_many_with_filters_and_flag(client: Client, sandbox: Sandbox) -> None:
    keys = sandbox.qualys.webapps.ids[:3]
    xml = (
        f'<ServiceRequest><filters><Criteria field="id" operator="IN">{",".join(map(str, keys))}</Criteria></filters>'
        "<data><WebApp><removeFromSubscription>true</removeFromSubscription></WebApp></data></ServiceRequest>"
    )
    root = client.xml("POST", "/delete/was/webapp", xml)
    assert [int(item.text or 0) for item in root.findall("data/WebApp/id")] == keys
    assert sandbox.qualys.in_subscription == {}
    assert not set(keys) & set(sandbox.qualys.webapps)
    assert not any(item["webApp"]["id"] in keys for item in sandbox.qualys.findings.values())


@pytest.mark.parametrize("operation", ["delete", "purge"])
def test_no_id_and_no_criterion_is_refused(client: Client, sandbox: Sandbox, operation: str) -> None:
    path = f"/{operation}/was/webapp"
    assert code(client, path, None) == "INVALID_REQUEST"
    assert code(client, path, {"filters": {"Criteria": []}}) == "INVALID_REQUEST"
    wrong = {"filters": {"Criteria": {"field": "nam", "operator": "EQUALS", "value": "x"}}}
    assert code(client, path, wrong) == "INVALID_REQUEST"
    both = {"filters": {"Criteria": {"field": "name", "operator": "EQUALS", "value": "x"}}}
    assert code(client, f"{path}/{sandbox.qualys.webapps.ids[0]}", both) == "INVALID_REQUEST"
    assert client.json("POST", path, both) == {"responseCode": "SUCCESS", "count": 0}
    assert len(sandbox.qualys.webapps) == 30


def test_purge_removes_scan_data_and_keeps_the_application(client: Client, sandbox: Sandbox) -> None:
    state = sandbox.qualys
    key = next(iter(state.findings.values()))["webApp"]["id"]
    assert state.findings_of(key)
    assert state.scans_of(key)
    reply = client.json("POST", f"/purge/was/webapp/{key}")
    assert reply["data"] == [{"WebApp": {"id": key}}]
    assert state.findings_of(key) == []
    assert state.scans_of(key) == []
    app = client.get(key)
    assert "lastScan" not in app
    assert client.count("webapp", ("id", "EQUALS", key), ("isScanned", "EQUALS", "false")) == 1


def test_selenium_script(client: Client, sandbox: Sandbox) -> None:
    app = next(app for app in sandbox.qualys.webapps.values() if app["crawlingScripts"])
    script = app["crawlingScripts"][0]
    criteria = [
        {"field": "id", "operator": "EQUALS", "value": app["id"]},
        {"field": "crawlingScripts.id", "operator": "EQUALS", "value": script["id"]},
    ]
    body = {"filters": {"Criteria": criteria}}
    reply = client.json("POST", "/downloadSeleniumScript/was/webapp", body)
    assert reply["data"][0]["SeleniumScript"]["data"] == script["data"]
    sandbox.switches["selenium_reply"] = "raw"
    data = json.dumps({"ServiceRequest": body}).encode()
    raw = client.raw("POST", f"{WAS}/downloadSeleniumScript/was/webapp", data, Content_Type="application/json")
    assert raw[2].decode() == script["data"]
    assert sandbox.counters.writes == 0


def test_unique_switch(client: Client, sandbox: Sandbox) -> None:
    client.create(**NEW)
    client.create(**NEW)
    sandbox.switches["unique_webapp"] = "name_url"
    assert code(client, "/create/was/webapp", {"data": {"WebApp": NEW}}) == "INVALID_REQUEST"


def test_ten_connections_write_at_once(sandbox: Sandbox) -> None:
    created: list[int] = []

    def work(number: int) -> None:
        own = Client(sandbox)
        for index in range(5):
            app = own.create(name=f"app {number}-{index}", url=f"https://{number}-{index}.test/")
            own.update(app["id"], uris={"add": {"Url": [f"https://{number}.test/x"]}})
            created.append(app["id"])
        own.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(created)) == 50
    assert all(len(sandbox.qualys.webapps[key]["uris"]) == 1 for key in created)
    assert sandbox.counters.writes == sandbox.counters.writes_applied == 100
    assert sandbox.counters.connections == 10
