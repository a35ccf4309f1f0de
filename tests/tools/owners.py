# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that find copies of code which several rooms need, and which must have one owner below them.

Each takes the root of a collection and returns one sentence per violation, like ``house_rules``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from . import house_rules

COERCE = "_records/coerce.py"
VERDICTS = "_records/verdicts.py"
READER = "_records/files/ndjson.py"
COERCIONS = frozenset({"bounded", "items", "mapping", "number", "text", "texts", "truth", "whole"})
OWN_COERCIONS: dict[str, str] = {
    "_qualys/": "an element of Qualys may be an object with its value, and a list has wrappers",
    "_deliver/sql.py": "a column of text takes objects too, as JSON",
    "_eda/arguments.py": "an argument of a rulebook is refused where a record is read as far as possible",
}
"""Files and folders with their own coercion, and the reason."""
INFLATING: dict[str, str] = {
    READER: "the owner",
    "_http/response.py": "an answer is inflated while it arrives, against the limit of the session",
    "_report/html/assets.py": "the collection's own assets",
}
"""Files that may inflate data, and the reason."""
DATABASE = "_database/"
DOCUMENTS = "_records/policy/documents.py"
READING_YAML: dict[str, str] = {
    DOCUMENTS: "the owner",
}
"""Files that may read YAML, and the reason."""
_DATABASE_URLS = frozenset({"create_engine", "make_url", "conninfo_to_dict", "PGDialect_psycopg"})
_YAML = frozenset({"yaml.load", "yaml.safe_load", "yaml.load_all", "yaml.safe_load_all"})
_VERDICT_WORDS = frozenset({"pass", "fail", "inconclusive", "policy_error", "platform_error"})
_DECISION_WORDS = frozenset({"within_limit", "waived"})
_INFLATE = frozenset({"gzip.open", "gzip.decompress", "gzip.GzipFile", "zlib.decompress", "zlib.decompressobj"})
_PROCESS_WIDE = frozenset(
    {
        "gc.disable",
        "gc.freeze",
        "gc.set_threshold",
        "locale.setlocale",
        "os.chdir",
        "os.putenv",
        "os.umask",
        "signal.signal",
        "socket.setdefaulttimeout",
        "sys.setrecursionlimit",
        "sys.setswitchinterval",
        "warnings.filterwarnings",
        "warnings.simplefilter",
    }
)


def _files(root: Path) -> Iterator[tuple[str, str, ast.Module]]:
    """Path below ``module_utils``, path for messages, and syntax tree of each file."""
    base = root / "plugins" / "module_utils"
    for _room, path in house_rules.room_files(root):
        yield path.relative_to(base).as_posix(), path.relative_to(root).as_posix(), house_rules.parse(path)


def _words(nodes: list[ast.expr | None]) -> set[object]:
    return {node.value for node in nodes if isinstance(node, ast.Constant)}


def coercion_has_one_owner(root: Path) -> list[str]:
    """Only ``_records/coerce.py`` converts arbitrary values to texts or numbers; exceptions are listed with reasons."""
    problems = []
    for name, where, tree in _files(root):
        if name == COERCE or name.startswith(tuple(OWN_COERCIONS)):
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef) or node.name.lstrip("_") not in COERCIONS or not node.args.args:
                continue
            first = node.args.args[0].annotation
            if first is not None and ast.unparse(first) in ("t.Any", "Any", "object"):
                problems.append(f"{where}:{node.lineno}: {node.name} reads any value; that belongs in {COERCE}")
    return problems


def verdicts_have_one_owner(root: Path) -> list[str]:
    """Only ``_records/verdicts.py`` lists the verdicts with their codes, and the decisions about findings."""
    problems = []
    for name, where, tree in _files(root):
        if name == VERDICTS:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                numbers = any(isinstance(value, int) for value in _words([*node.values]))
                copied = numbers and _words(node.keys) >= _VERDICT_WORDS
            elif isinstance(node, ast.List | ast.Tuple | ast.Set):
                copied = _words([*node.elts]) >= _VERDICT_WORDS or _words([*node.elts]) >= _DECISION_WORDS
            else:
                continue
            if copied:
                problems.append(f"{where}:{node.lineno}: the verdicts and decisions are listed in {VERDICTS}")
    return problems


def inflating_has_one_owner(root: Path) -> list[str]:
    """Only ``_records/files/ndjson.py`` inflates files, because it enforces a limit."""
    return [
        f"{where}:{node.lineno}: {ast.unparse(node)} inflates without a limit; use {READER}"
        for name, where, tree in _files(root)
        if name not in INFLATING
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in _INFLATE
    ]


def databases_have_one_owner(root: Path) -> list[str]:
    """Only ``_database`` makes an engine from a URL, and asks libpq for its server."""
    return [
        f"{where}:{node.lineno}: {ast.unparse(node)} judges the URL of a database; that belongs in {DATABASE}"
        for name, where, tree in _files(root)
        if not name.startswith(DATABASE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node).rpartition(".")[2] in _DATABASE_URLS
    ]


def documents_have_one_owner(root: Path) -> list[str]:
    """Only ``_records/policy/documents.py`` reads YAML, so that all readers of a policy interpret it alike."""
    return [
        f"{where}:{node.lineno}: {ast.unparse(node)} reads YAML; that belongs in {DOCUMENTS}"
        for name, where, tree in _files(root)
        if name not in READING_YAML
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in _YAML
    ]


def vendors_leave_the_process_alone(root: Path) -> list[str]:
    """No vendor room changes process-wide settings: a program may use several rooms in many threads."""
    return [
        f"{where}:{node.lineno}: {ast.unparse(node)} is for the whole process, and not for a vendor"
        for name, where, tree in _files(root)
        if name.partition("/")[0] in house_rules.VENDORS
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in _PROCESS_WIDE
    ]


def names_have_one_owner(root: Path) -> list[str]:
    """No two classes share a name, private ones included, unless one extends the other: a name means one thing."""
    first: dict[str, str] = {}
    problems = []
    for _name, where, tree in _files(root):
        for node in (node for node in tree.body if isinstance(node, ast.ClassDef)):
            name, place = node.name.lstrip("_"), f"{where}:{node.lineno}"
            if name in {ast.unparse(base).rpartition(".")[2] for base in node.bases}:
                continue
            if name in first:
                problems.append(f"{place}: {node.name} is also the name of the class at {first[name]}")
            first.setdefault(name, place)
    return problems


RULES = (
    coercion_has_one_owner,
    verdicts_have_one_owner,
    inflating_has_one_owner,
    databases_have_one_owner,
    documents_have_one_owner,
    vendors_leave_the_process_alone,
    names_have_one_owner,
)
