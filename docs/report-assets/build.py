# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack report.css, report.js and report.html into plugins/module_utils/_report/html/assets.py.

Only Python files travel with an Ansible module, so the parts of the page travel inside one. Run without arguments to
write the file, or with ``--check`` to fail when it is stale.
"""

from __future__ import annotations

import argparse
import base64
import pathlib
import runpy
import sys
import textwrap
import zlib

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "plugins" / "module_utils" / "_report" / "html" / "assets.py"
NAMES = ("report.css", "report.html", "report.js")
WIDTH = 112

HEAD = '''# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the HTML report. Generated from docs/report-assets by build.py there: do not edit.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import base64
import functools
import zlib

_PACKED = {
'''
TAIL = '''}


@functools.cache
def text(name: str) -> str:
    """One of the parts: report.css, report.html or report.js."""
    return zlib.decompress(base64.b64decode(_PACKED[name])).decode()
'''


def sources() -> dict[str, str]:
    """The parts as they are edited."""
    return {name: (HERE / name).read_text(encoding="utf-8") for name in NAMES}


def render(parts: dict[str, str]) -> str:
    """The text of assets.py."""
    body = []
    for name, content in parts.items():
        packed = base64.b64encode(zlib.compress(content.encode(), 9)).decode()
        rows = "\n".join(f'        "{row}"' for row in textwrap.wrap(packed, WIDTH - 10))
        body.append(f'    "{name}": (\n{rows}\n    ),\n')
    return HEAD + "".join(body) + TAIL


def is_fresh(parts: dict[str, str]) -> bool:
    """Whether assets.py unpacks to the sources. The packed bytes are not compared: they depend on the zlib in use."""
    if not TARGET.is_file():
        return False
    text = runpy.run_path(str(TARGET))["text"]
    head, tail = TARGET.read_text(encoding="utf-8").split("_PACKED = {\n")[0], TARGET.read_text(encoding="utf-8")
    same_code = head + "_PACKED = {\n" == HEAD and tail.endswith(TAIL)
    return same_code and all(text(name) == content for name, content in parts.items())


def main() -> int:
    """Write or check; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when assets.py is stale, write nothing")
    parts = sources()
    if parser.parse_args().check:
        if is_fresh(parts):
            return 0
        print(f"{TARGET} is stale: run {pathlib.Path(__file__).name}", file=sys.stderr)
        return 1
    TARGET.write_text(render(parts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
