# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of the HTML report of an estate of 200 applications: light, dark, narrow, and printed.

Needs Chromium, and pdftoppm (poppler-utils) for the printed pages. The collection must be importable: in
``ansible_collections/appsec/perimeter`` below a directory on PYTHONPATH.

    PYTHONPATH=<directory> python docs/report-assets/screenshot.py <where the pictures go>
"""

from __future__ import annotations

import argparse
import pathlib
import subprocess
import sys

from ansible_collections.appsec.perimeter.plugins.module_utils._report import run as report
from ansible_collections.appsec.perimeter.tests.browser.devtools import Page
from ansible_collections.appsec.perimeter.tests.unit.plugins.module_utils._report import attack_factory, factory

TITLE = "Web application perimeter, November 2026"
SECTIONS = (
    "summary",
    "changes",
    "risks",
    "sla",
    "applications",
    "findings",
    "attacks",
    "images",
    "overview",
    "quality",
)


def make_report(folder: pathlib.Path, findings: int) -> pathlib.Path:
    """Write the report of this week, compared with the one of last week, with attacks and all other inputs."""
    page, before = folder / "report.html", folder / "before.json"
    estate = list(factory.estate_findings(findings))
    old = factory.estate_before(estate)
    old_file = factory.write_snapshot(folder / "before.ndjson", old, finished="2026-11-13T09:00:00Z")
    report.run({"findings": [str(old_file)], "outputs": {"json": str(before)}}, False)
    snapshot = factory.write_snapshot(folder / "findings.ndjson.gz", estate)
    beside = attack_factory.everything(folder, estate, 4 * findings)
    beside["services"] = beside["services"][:2]
    params = {"findings": [str(snapshot)], "outputs": {"html": str(page)}, "title": TITLE}
    report.run(params | beside | {"previous": str(before), "webapps": factory.webapps()}, False)
    return page


def take(page: Page, folder: pathlib.Path, name: str, width: int) -> None:
    """Take a picture of the top and of each section."""
    page.viewport(width, 1000)
    page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
    page.screenshot(folder / f"{name}-top.png")
    for section in SECTIONS:
        page.evaluate(f"document.getElementById('{section}').scrollIntoView({{behavior: 'instant'}})")
        page.screenshot(folder / f"{name}-{section}.png")


def main() -> int:
    """Make the pictures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--findings", type=int, default=5000)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = make_report(options.folder, options.findings)
    with Page() as page:
        page.open(path)
        take(page, options.folder, "light", 1360)
        page.evaluate("document.querySelector('.expand').click(); document.querySelector('.evidence').open = true")
        take(page, options.folder, "open", 1360)
        page.media(scheme="dark")
        take(page, options.folder, "dark", 1360)
        page.media()
        take(page, options.folder, "narrow", 390)
        (options.folder / "print.pdf").write_bytes(page.pdf())
        for complaint in page.complaints():
            print(complaint, file=sys.stderr)
    subprocess.run(["pdftoppm", "-r", "60", "-png", "print.pdf", "print"], cwd=options.folder, check=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
