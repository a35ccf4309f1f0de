# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTML report in a real Chromium: attack payloads stay text, nothing leaves the page, and the table works.

These tests fail, and are not skipped, when Chromium is missing: what they prove is a promise of the report.
"""

from __future__ import annotations

import itertools
import json
import pathlib
import re
import typing as t

import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._report.run import run
from ansible_collections.appsec.perimeter.tests.browser.devtools import BrowserError, Chromium, Page
from ansible_collections.appsec.perimeter.tests.tools import workbench
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import (
    attack_factory,
    factory,
    format_kit,
)

ROWS = "[...document.querySelectorAll('#explorer tbody tr[data-index]')]"
STATUS = "document.querySelector('#explorer [role=status]').textContent"
ENTER, SPACE, TAB = ("Enter", 13, "\r"), (" ", 32, " "), ("Tab", 9)


def make(folder: pathlib.Path, findings: t.Iterable[factory.Record], **options: t.Any) -> pathlib.Path:
    snapshot = factory.write_snapshot(folder / "findings.ndjson.gz", findings)
    path = folder / "report.html"
    run({"findings": [snapshot], "outputs": {"html": path}} | options, False)
    return path


@pytest.fixture(scope="module")
def chromium() -> t.Iterator[Chromium]:
    """One for all tests; each page has a profile of its own."""
    with Chromium() as running:
        yield running


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> t.Iterator[Page]:
    """The report of every payload in every text."""
    folder = tmp_path_factory.mktemp("hostile")
    webapps = [{"id": str(number), "name": payload} for number, payload in enumerate(factory.PAYLOADS)]
    title = "<script>window.__pwned=8</script>[[script]]"
    path = make(folder, factory.hostile_findings(), title=title, webapps=webapps)
    with Page(chromium) as page:
        page.open(path)
        yield page


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The report of an ordinary estate, a week after another."""
    folder = tmp_path_factory.mktemp("estate")
    before = factory.write_snapshot(
        folder / "before.ndjson", factory.estate_before(factory.estate_findings(1500)), finished="2026-11-13T00:00:00Z"
    )
    run({"findings": [before], "outputs": {"json": folder / "before.json"}}, False)
    return make(folder, factory.estate_findings(1500), previous=folder / "before.json", webapps=factory.webapps())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The report of everything that may be given."""
    folder = tmp_path_factory.mktemp("whole")
    findings = list(factory.estate_findings(400))
    return make(folder, findings, webapps=factory.webapps(), **attack_factory.everything(folder, findings, 800))


@pytest.fixture
def page(estate: pathlib.Path, chromium: Chromium) -> t.Iterator[Page]:
    with Page(chromium) as opened:
        opened.viewport(1300, 900)
        opened.open(estate)
        yield opened


def column(page: Page, number: int) -> list[str]:
    return t.cast(list[str], page.evaluate(f"{ROWS}.map((row) => row.cells[{number}].textContent)"))


def total(page: Page) -> int:
    words = page.evaluate(STATUS)
    found = re.search(r"([\d,]+) findings? in this view", words)
    assert found, words
    return int(found[1].replace(",", ""))


def assert_quiet(page: Page) -> None:
    """Nothing ran, nothing was asked for, nothing was blocked, nothing was logged."""
    assert page.evaluate("window.__pwned === undefined")
    assert page.complaints() == []
    outside = [url for url in page.requests() if not url.startswith("file:") and url != "data:,"]
    assert outside == []
    assert len([url for url in page.requests() if url.startswith("file:")]) == 1


def test_no_payload_runs_and_nothing_leaves_the_page(hostile: Page) -> None:
    hostile.click('input[name="view"][value="all"]')
    hostile.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    expected = 2 * len(factory.PAYLOADS)
    assert total(hostile) == expected
    hostile.choose("select[name=size]", "250")
    opened = hostile.evaluate(
        "(() => { document.querySelectorAll('.expand').forEach((button) => button.click());"
        " document.querySelectorAll('.evidence').forEach((part) => { part.open = true; });"
        " return document.querySelectorAll('tr.detail').length; })()"
    )
    assert opened == expected
    # Move over everything that reacts to a mouse, and use every head and choice.
    hostile.evaluate("document.querySelectorAll('*').forEach((e) => e.dispatchEvent(new MouseEvent('mouseover')))")
    hostile.evaluate("document.querySelectorAll('.sort, .link').forEach((button) => button.click())")
    for payload in factory.PAYLOADS[:8]:
        hostile.type("input[name=search]", payload)
    assert_quiet(hostile)


def test_payloads_made_no_elements(hostile: Page) -> None:
    assert hostile.evaluate("document.scripts.length") == 3
    assert (
        hostile.evaluate(
            "document.querySelectorAll('img, iframe, object, embed, form, base, b, meta[http-equiv]').length"
        )
        == 1
    )
    attributes = hostile.evaluate("[...document.querySelectorAll('*')].flatMap((e) => e.getAttributeNames())")
    assert not [name for name in attributes if name == "style" or name.startswith("on")]
    links = hostile.evaluate("[...new Set([...document.links].map((link) => link.getAttribute('href')))]")
    assert all(
        link.startswith("#") or re.fullmatch(r"https://cwe\.mitre\.org/data/definitions/\d+\.html", link)
        for link in links
    )
    assert "<script>window.__pwned=8</script>" in hostile.evaluate("document.title")


def test_the_policy_would_stop_a_payload_that_got_in(estate: pathlib.Path, chromium: Chromium) -> None:
    """The wall behind the wall: a script, a style, an image and a request put in on purpose are all refused."""
    with Page(chromium) as page:
        page.open(estate)
        page.evaluate(
            "(() => { const s = document.createElement('script');"
            " try { s.textContent = 'window.__pwned = 9'; } catch (error) { window.refused = error.name; }"
            " document.body.append(s); document.body.setAttribute('style', 'color: red');"
            " const i = new Image(); i.src = 'https://evil.example/x.png'; document.body.append(i);"
            " return fetch('https://evil.example/').catch(() => 'refused'); })()"
        )
        assert page.evaluate("window.refused") == "TypeError"
        assert page.evaluate("window.__pwned === undefined")
        assert page.evaluate("getComputedStyle(document.body).color") != "rgb(255, 0, 0)"
        page.until("true")
        assert any("Content Security Policy" in words for words in page.complaints())


def test_search_changes_the_table(page: Page) -> None:
    everything = total(page)
    page.type("input[name=search]", "template INJECTION")
    page.until(f"!{STATUS}.includes('{everything:,} findings in this view')")
    assert 0 < total(page) < everything
    assert all("template injection" in words for words in column(page, 1))
    page.type("input[name=search]", "no such thing anywhere")
    page.until(f"{STATUS}.startsWith('0 findings')")
    assert "No finding matches" in page.evaluate("document.querySelector('#explorer tbody').textContent")
    page.click('[data-action="reset"]')
    assert total(page) == everything
    assert_quiet(page)


def test_filters_and_views_change_the_table(page: Page) -> None:
    everything = total(page)
    page.choose("select[name=severity]", "High")
    assert set(column(page, 0)) == {"High"}
    high = total(page)
    page.choose("select[name=status]", "Reopened")
    assert set(column(page, 5)) == {"Reopened"}
    assert total(page) < high < everything
    page.click('[data-action="reset"]')
    page.choose("select[name=change]", "New")
    assert 0 < total(page) < everything
    page.click('[data-action="reset"]')
    application = column(page, 2)[0]
    page.choose("select[name=application]", application)
    assert set(column(page, 2)) == {application}
    page.click('[data-action="reset"]')
    page.choose("select[name=kind]", "Sensitive content")
    assert 0 < total(page) < everything
    page.click('[data-action="reset"]')
    page.click('input[name="view"][value="information"]')
    assert set(column(page, 0)) == {"Info"}
    page.click('input[name="view"][value="all"]')
    assert total(page) == 1500
    assert_quiet(page)


def test_sorting_by_click_and_by_keyboard(page: Page) -> None:
    head = "#explorer th[data-column=age]"
    sort = f"document.querySelector('{head}').getAttribute('aria-sort')"
    assert page.evaluate(sort) == "none"
    page.click(f"{head} .sort")
    assert page.evaluate(sort) == "descending"
    ages = [int(words.replace(",", "")) for words in column(page, 7)]
    assert ages == sorted(ages, reverse=True)
    page.evaluate(f"document.querySelector('{head} .sort').focus()")
    page.press(*SPACE)
    page.until(f"{sort} === 'ascending'")
    ages = [int(words.replace(",", "")) for words in column(page, 7)]
    assert ages == sorted(ages)
    # One Tab further stands the next head, and Enter sorts by it.
    page.press(*TAB)
    page.press(*ENTER)
    page.until(
        "document.querySelector('#explorer th[data-column=times_seen]').getAttribute('aria-sort') === 'descending'"
    )
    assert page.evaluate(sort) == "none"
    page.click("#explorer th[data-column=title] .sort")
    titles = page.evaluate(f"{ROWS}.map((row) => row.querySelector('.expand').textContent)")
    assert titles == sorted(titles, key=str.casefold)
    assert_quiet(page)


def test_details_open_by_click_and_by_keyboard(page: Page) -> None:
    page.click("#explorer .expand")
    assert page.evaluate("document.querySelector('.expand').getAttribute('aria-expanded')") == "true"
    details = page.evaluate("document.querySelector('tr.detail').innerText")
    for word in ("Application", "First seen", "CVSS", "CWE", "Evidence (1 item)"):
        assert word in details
    # Evidence is folded until somebody asks for it.
    assert not page.evaluate("document.querySelector('.evidence').open")
    page.click(".evidence summary")
    page.until("document.querySelector('.evidence').open")
    assert "VALUE_REDACTED" in page.evaluate("document.querySelector('.evidence').innerText")
    page.evaluate("document.querySelector('.expand').focus()")
    page.press(*ENTER)
    page.until("!document.querySelector('tr.detail')")
    assert_quiet(page)


def test_names_above_lead_to_their_findings(page: Page) -> None:
    name = page.evaluate("document.querySelector('[data-application]').textContent")
    page.click("[data-application] .link")
    assert set(column(page, 2)) == {name}
    page.click("tr[data-severity=critical] .link")
    assert set(column(page, 0)) == {"Critical"}
    assert_quiet(page)


def test_pages_turn(page: Page) -> None:
    first = column(page, 3)
    page.click("[data-page=next]")
    assert column(page, 3) != first
    page.click("[data-page=previous]")
    assert column(page, 3) == first


def test_dark_and_light(page: Page) -> None:
    def brightness(selector: str, member: str) -> int:
        colour = page.evaluate(f"getComputedStyle(document.querySelector('{selector}')).{member}")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    assert brightness("html", "backgroundColor") > 600 > brightness("html", "color")
    page.media(scheme="dark")
    assert brightness("html", "backgroundColor") < 150 < brightness("html", "color")
    assert_quiet(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(page: Page, scheme: str) -> None:
    """WCAG 2.2 AA: 4.5 to 1 for every piece of text against the background that it stands on."""
    page.media(scheme=scheme)
    page.click("#explorer .expand")
    worst = page.evaluate(pathlib.Path(__file__).with_name("contrast.js").read_text())
    assert worst == [], json.dumps(worst[:10], indent=1)


def test_every_control_has_a_name_and_headings_do_not_skip(page: Page) -> None:
    page.click("#explorer .expand")
    tree = page.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "link", "combobox", "searchbox", "radio", "region", "table", "image", "columnheader"}
    nameless = [
        node["role"]["value"]
        for node in tree
        if not node["ignored"] and node["role"]["value"] in roles and not node.get("name", {}).get("value", "").strip()
    ]
    assert nameless == []
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels) if after < 4)


@pytest.mark.parametrize("width", [360, 768, 1300])
def test_the_page_never_scrolls_sideways(page: Page, width: int) -> None:
    page.viewport(width, 800)
    page.click("#explorer .expand")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_prints_the_static_table_without_controls(page: Page) -> None:
    content = page.pdf()
    assert content.startswith(b"%PDF")
    pages = len(re.findall(rb"/Type\s*/Page\b", content))
    assert 5 <= pages <= 40
    page.media(kind="print")
    shown = "getComputedStyle(document.querySelector('{}')).display !== 'none'"
    assert not page.evaluate(shown.format("#explorer"))
    assert not page.evaluate(shown.format("nav"))
    assert page.evaluate(shown.format("#static-findings"))
    lines = "[...document.querySelectorAll('.findings-static tbody tr')]"
    assert page.evaluate(f"{lines}.filter((row) => getComputedStyle(row).display !== 'none').length") == 100


def test_without_a_script_the_report_is_whole(estate: pathlib.Path, chromium: Chromium) -> None:
    with Page(chromium) as page:
        page.send("Emulation.setScriptExecutionDisabled", value=True)
        page.open(estate)
        root = page.send("DOM.getDocument", depth=0)["root"]["nodeId"]
        lines = page.send("DOM.querySelectorAll", nodeId=root, selector=".findings-static tbody tr")["nodeIds"]
        assert len(lines) == 300
        box = page.send("DOM.querySelector", nodeId=root, selector="#static-findings")["nodeId"]
        assert page.send("DOM.getBoxModel", nodeId=box)["model"]["height"] > 5000


def test_fifty_thousand_findings_open_and_answer(tmp_path: pathlib.Path, chromium: Chromium) -> None:
    path = make(tmp_path, factory.estate_findings(50_000))
    with Page(chromium) as page:
        page.open(path)
        timing = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        assert timing < 10_000
        assert len(column(page, 0)) == 50
        sort = "document.querySelector('[data-column=application] .sort').click()"
        took = page.evaluate(
            f"(() => {{ const start = performance.now(); {sort}; return performance.now() - start; }})()"
        )
        assert took < 3_000
        page.type("input[name=search]", "checkout id")
        page.until(f"!{STATUS}.includes(' of 0') && {ROWS}.every((row) => row.textContent.includes('checkout'))")
        assert_quiet(page)


def test_the_verdict_and_the_decisions_are_shown_and_filter(tmp_path: pathlib.Path, chromium: Chromium) -> None:
    path = tmp_path / "report.html"
    hostile = [record | {"source": "qualys"} for record in factory.hostile_findings()]
    findings = [*factory.estate_findings(60), *hostile]
    report = format_kit.report_of(findings, gate=format_kit.gate_of(tmp_path, findings))
    path.write_bytes(format_kit.render_bytes("html", report))
    with Page(chromium) as page:
        page.open(path)
        assert page.evaluate("document.querySelector('#verdict strong').textContent") == "Fail (code 10)"
        decisions = "[...document.querySelector('select[name=decision]').options].map((option) => option.textContent)"
        shown = t.cast(list[str], page.evaluate(decisions))
        fails = next(label for label in shown if label.startswith("Fails"))
        before = total(page)
        page.choose("select[name=decision]", fails)
        assert total(page) < before
        assert set(column(page, 9)) == {fails}
        assert page.evaluate("window.__pwned") is None
        assert not page.complaints()


def test_a_missing_browser_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BrowserError, match="Chromium is not on PATH: install it"), Page():
        pass


def test_the_details_say_what_it_means_and_hostile_words_stay_text(tmp_path: pathlib.Path, chromium: Chromium) -> None:
    words = "\n".join(payload for payload in factory.PAYLOADS if len(payload) < 1000)
    entry = {"qid": 150001, "title": words, "diagnosis": words, "solution_text": f"Encode output.\n{words}"}
    knowledge = tmp_path / "knowledge.json"
    knowledge.write_text(json.dumps([entry]))
    findings = [factory.finding(1, rule_id="150001", source="qualys", status="open")]
    with Page(chromium) as page:
        page.open(make(tmp_path, findings, knowledge=knowledge))
        assert page.evaluate("document.querySelectorAll('#remediation [data-rule] h4').length") == 2
        page.evaluate("document.querySelector('#explorer .expand').click()")
        meaning = page.evaluate("document.querySelector('.detail .meaning').textContent")
        assert "Encode output." in meaning
        assert "<script>window.__pwned=1" in meaning
        assert page.evaluate("document.querySelectorAll('.words script, .words img, .words a').length") == 0
        assert page.evaluate("window.__pwned === undefined")
        assert page.complaints() == []


def test_the_whole_report_is_readable_in_both_schemes_and_narrow(whole: pathlib.Path, chromium: Chromium) -> None:
    contrast = pathlib.Path(__file__).with_name("contrast.js").read_text()
    with Page(chromium) as page:
        page.viewport(1300, 900)
        page.open(whole)
        page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        for scheme in ("light", "dark"):
            page.media(scheme=scheme)
            worst = page.evaluate(contrast)
            assert worst == [], json.dumps(worst[:10], indent=1)
        for width in (360, 768, 1300):
            page.viewport(width, 800)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => Number(h.tagName[1]))")
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels) if after < 4)
        assert_quiet(page)


def test_charts_are_read_with_the_arrow_keys_and_with_the_mouse(whole: pathlib.Path, chromium: Chromium) -> None:
    left, right, home = ("ArrowLeft", 37), ("ArrowRight", 39), ("Home", 36)
    chart = "document.querySelector('#attacks .chart')"
    readout = f"{chart}.querySelector('.readout').textContent"
    with Page(chromium) as page:
        page.viewport(1300, 900)
        page.open(whole)
        labels = page.evaluate(f"[...{chart}.querySelectorAll('.column')].map((column) => column.dataset.label)")
        assert all(re.match(r"2026-11-\d\d: .*blocked|2026-11-\d\d: none", label) for label in labels)
        page.evaluate(f"{chart}.querySelector('.plot').focus()")
        assert page.evaluate(readout) == labels[-1]
        page.press(*left)
        assert page.evaluate(readout) == labels[-2]
        page.press(*home)
        page.press(*right)
        assert page.evaluate(readout) == labels[1]
        page.evaluate("document.activeElement.blur()")
        assert page.evaluate(readout) == ""
        rows = page.evaluate(f"{chart}.querySelectorAll('tbody tr').length")
        assert rows == len(labels)
        assert_quiet(page)


def test_what_is_attacked_comes_first_and_filters(whole: pathlib.Path, chromium: Chromium) -> None:
    with Page(chromium) as page:
        page.open(whole)
        first = column(page, 9)
        hit = [words for words in first if words == "Attacked, not blocked"]
        assert hit == first[: len(hit)]
        assert hit
        page.choose("select[name=attack]", "Attacked, not blocked")
        assert total(page) == len(hit)
        assert page.evaluate("document.querySelectorAll('#attacks .stack tbody tr .badge').length") == len(hit)
        assert_quiet(page)


def test_twenty_thousand_findings_are_there_in_two_seconds_and_sort_at_once(
    tmp_path: pathlib.Path, chromium: Chromium
) -> None:
    path = make(tmp_path, factory.estate_findings(20_000))
    sort = "document.querySelector('[data-column={}] .sort').click()"
    with Page(chromium) as page:
        page.open(path)
        timing = "performance.getEntriesByType('navigation')[0].domInteractive"
        # What a person waits for is the processor; a test machine has other things to do at the same time.
        assert page.evaluate(timing) < 2_000 * PATIENCE
        for name in ("application", "url", "age", "title"):
            click = sort.format(name)
            took = page.evaluate(f"(() => {{ const t = performance.now(); {click}; return performance.now() - t; }})()")
            assert took < 300 * PATIENCE, name


PATIENCE = 5
"""How much slower than a desk a test machine may be."""
AXE = workbench.axe_core()


def test_axe_finds_nothing_serious(whole: pathlib.Path, chromium: Chromium) -> None:
    with Page(chromium) as page:
        page.viewport(1300, 900)
        page.open(whole)
        page.click("#explorer .expand")
        page.evaluate(AXE.read_text(encoding="utf-8") + "; true")
        found = page.evaluate(
            "axe.run(document, {resultTypes: ['violations']}).then((result) => result.violations"
            ".filter((item) => ['serious', 'critical'].includes(item.impact))"
            ".map((item) => [item.id, item.nodes.length, item.nodes[0].html.slice(0, 200)]))"
        )
        assert found == [], json.dumps(found, indent=1)
