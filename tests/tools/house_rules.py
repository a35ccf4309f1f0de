# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The house rules (CONTRIBUTING.md) as functions that return violations.

Each takes the root of a collection and returns one sentence per violation, with the file and the line.
``tests/unit/test_house_rules.py`` runs them on this collection, and on small broken trees to show that they work.
"""

from __future__ import annotations

import ast
import collections
import functools
import graphlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PACKAGE = "ansible_collections.appsec.perimeter"
UTILS = f"{PACKAGE}.plugins.module_utils"
GLUE = "_module"
VENDORS = frozenset({"_qualys", "_indusface", "_edgecast", "_scutum", "_carbon_black"})
ROOMS = VENDORS | {
    "_catalog", "_changes", "_correlate", "_deliver", "_doctor", "_eda", "_gate", "_history", "_lake", "_report",
}  # fmt: skip
"""A module imports one of these. None of them imports another."""
BELOW: dict[str, frozenset[str]] = {
    "_base": frozenset(),
    "_http": frozenset({"_base"}),
    "_records": frozenset({"_base"}),
    "_state": frozenset({"_base", "_records"}),
    "_reconcile": frozenset({"_base", "_records", "_state"}),
    "_spool": frozenset({"_base", "_records", "_state"}),
    "_vendor": frozenset({"_base", "_http", "_reconcile", "_records", "_spool", "_state"}),
    "_database": frozenset({"_base", "_http", "_reconcile", "_records", "_spool", "_state"}),
}
"""The shared rooms, each with the rooms that it may import."""
NEIGHBOURS: dict[tuple[str, str], str] = {}
"""Imports between rooms of one level that are allowed: (importing room, imported room) and the reason."""
MAX_LINES = 600
MAX_FILES = 16
"""In a larger folder it takes too long to find a file."""
MAX_MAIN_STATEMENTS = 15
GENERATED = "do not edit"
"""Text in the first lines of a generated file, whose length is not limited."""
COPYRIGHT = "# Copyright: appsec.perimeter contributors"
SPDX = "# SPDX-License-Identifier: GPL-3.0-or-later"
GPL_SENTENCE = "GNU General Public License v3.0"
"""``ansible-test sanity`` looks for this in the first lines of a module."""
VENDOR_PREFIXES = ("qualys_", "indusface_", "edgecast_", "scutum_", "carbon_black_")
CONNECTION_FRAGMENT = "appsec.perimeter._connection"
"""The fragment with the connection options; a module that has it but no vendor belongs to the group ``all`` only."""
BAD_NAMES = frozenset({"_", "bar", "baz", "foo", "tata", "toto", "tutu"})
KEPT_BY_ANSIBLE = frozenset({"message", "syslog_facility"})
MODULE_SIDE = ("ansible.module_utils", "ansible.release")
"""The parts of Ansible that a module may import."""
DOCUMENTS = frozenset({"DOCUMENTATION", "EXAMPLES", "RETURN"})


def reachable(room: str) -> frozenset[str]:
    """The other rooms of ``module_utils`` that a room may import."""
    neighbours = {imported for importing, imported in NEIGHBOURS if importing == room}
    return BELOW.get(room, frozenset(BELOW)) | neighbours


@dataclass(frozen=True)
class Import:
    """One imported module: its full dotted name, and how it is imported."""

    name: str
    line: int
    guarded: bool
    typing_only: bool

    @property
    def top(self) -> str:
        """The top-level package."""
        return self.name.partition(".")[0]

    @property
    def room(self) -> str | None:
        """The room of ``module_utils``, or None for anything else."""
        if not self.name.startswith(UTILS + "."):
            return None
        return self.name.removeprefix(UTILS + ".").partition(".")[0]


def python_files(directory: Path) -> list[Path]:
    """The Python files under a directory, sorted; a missing directory has none."""
    return sorted(path for path in directory.rglob("*.py") if "__pycache__" not in path.parts)


@functools.cache
def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def package_of(root: Path, path: Path) -> list[str]:
    """The dotted package that contains a file of the collection, in parts."""
    return [*PACKAGE.split("."), *path.relative_to(root).parts[:-1]]


def _is_type_checking(test: ast.expr) -> bool:
    return ast.unparse(test).rpartition(".")[2] == "TYPE_CHECKING"


def _catches_import_error(node: ast.Try) -> bool:
    caught = " ".join(ast.unparse(handler.type) if handler.type else "Exception" for handler in node.handlers)
    return any(name in caught for name in ("ImportError", "Exception"))


def _names(node: ast.Import | ast.ImportFrom, package: list[str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not node.level:
        base = node.module or ""
    else:
        above = package[: len(package) - node.level + 1]
        base = ".".join([*above, node.module] if node.module else above)
    # "from package import a" may import the module package.a, so each name is checked.
    return [f"{base}.{alias.name}" for alias in node.names]


def imports(tree: ast.Module, package: list[str]) -> list[Import]:
    """Every import of a file, including those inside functions."""
    found: list[Import] = []

    def visit(node: ast.AST, guarded: bool, typing_only: bool) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.extend(Import(name, node.lineno, guarded, typing_only) for name in _names(node, package))
        elif isinstance(node, ast.Try):
            inside = guarded or _catches_import_error(node)
            for tried in node.body:
                visit(tried, inside, typing_only)
            for other in (*node.handlers, *node.orelse, *node.finalbody):
                visit(other, guarded, typing_only)
        elif isinstance(node, ast.If) and _is_type_checking(node.test):
            for child in node.body:
                visit(child, guarded, True)
            for child in node.orelse:
                visit(child, guarded, typing_only)
        else:
            # Imports are statements, and no expression contains one.
            for inner in (child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)):
                visit(inner, guarded, typing_only)

    visit(tree, False, False)
    return found


@functools.cache
def file_imports(root: Path, path: Path) -> list[Import]:
    """Every import of one file of the collection."""
    return imports(parse(path), package_of(root, path))


def _where(root: Path, path: Path, line: int = 1) -> str:
    return f"{path.relative_to(root)}:{line}"


def room_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Every Python file of ``module_utils`` with the name of its room."""
    base = root / "plugins" / "module_utils"
    for path in python_files(base):
        yield path.relative_to(base).parts[0], path


def rooms_are_private_and_known(root: Path) -> list[str]:
    """Everything in ``module_utils`` is a room that these rules know, so its name starts with an underscore."""
    known = {*ROOMS, *BELOW, GLUE}
    return [
        f"{_where(root, path)}: {room} is not a room that the rules of the house name"
        for room, path in room_files(root)
        if room not in known
    ]


def imports_point_one_way(root: Path) -> list[str]:
    """A room imports only rooms below it, and there is no cycle; no vendor room imports another."""
    problems = []
    graph: dict[str, set[str]] = {}
    for room, path in room_files(root):
        for item in file_imports(root, path):
            if item.room is None:
                if item.name.startswith(PACKAGE + "."):
                    problems.append(
                        f"{_where(root, path, item.line)}: module_utils imports {item.name}, which is above it"
                    )
                continue
            if item.room == room:
                continue
            graph.setdefault(room, set()).add(item.room)
            if item.room not in reachable(room):
                problems.append(f"{_where(root, path, item.line)}: {room} must not import {item.room}")
    problems += [
        f"tests/tools/house_rules.py: {importing} no longer imports {imported}; remove the exception"
        for importing, imported in NEIGHBOURS
        if imported not in graph.get(importing, ())
    ]
    if circle := _circle(graph):
        problems.append(f"plugins/module_utils: rooms import each other in a circle: {circle}")
    return problems


def _circle(graph: dict[str, set[str]]) -> str | None:
    """The members of one cycle of a graph, with arrows between them, or None if there is no cycle."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return " -> ".join(reversed(error.args[1]))
    return None


def _imported_file(base: Path, name: str) -> Path | None:
    """The file of ``module_utils`` behind an import, given the full dotted name of a module or of a name in it."""
    parts = name.removeprefix(UTILS + ".").split(".")
    for length in range(len(parts), 1, -1):
        path = base.joinpath(*parts[:length]).with_suffix(".py")
        if path.exists():
            return path
    return None


def _place(base: Path, path: Path) -> str:
    """What represents a file in the check: its folder below the room, or the file itself at the top of the room."""
    inside = path.relative_to(base)
    return str(inside.parent if len(inside.parts) > 2 else inside)


def folders_form_no_circle(root: Path) -> list[str]:
    """Within a room, the imports between its folders and the files at its top form no cycle.

    Each file at the top is checked separately: ``run.py`` is above the folders, and shared files may be below them.
    """
    base = root / "plugins" / "module_utils"
    graphs: dict[str, dict[str, set[str]]] = {}
    for room, path in room_files(root):
        for item in file_imports(root, path):
            imported = _imported_file(base, item.name) if item.room == room else None
            if imported is None:
                continue
            source, target = _place(base, path), _place(base, imported)
            if source != target:
                graphs.setdefault(room, {}).setdefault(source, set()).add(target)
    circles = {room: _circle(graph) for room, graph in graphs.items()}
    return [
        f"plugins/module_utils/{room}: its folders import each other in a circle: {circle}"
        for room, circle in circles.items()
        if circle
    ]


def folders_are_small(root: Path) -> list[str]:
    """A folder under ``module_utils`` has at most 16 files."""
    counts = collections.Counter(path.parent for room, path in room_files(root))
    return [
        f"{folder.relative_to(root)}: {count} files; at most {MAX_FILES} belong in a folder"
        for folder, count in sorted(counts.items())
        if count > MAX_FILES
    ]


def only_the_glue_imports_ansible(root: Path) -> list[str]:
    """In ``module_utils`` only ``_module`` imports ansible."""
    return [
        f"{_where(root, path, item.line)}: {room} imports {item.name}; only {GLUE} may import ansible"
        for room, path in room_files(root)
        for item in file_imports(root, path)
        if item.top == "ansible" and room != GLUE
    ]


def unit_tests_import_no_controller(root: Path) -> list[str]:
    """Unit tests do not import controller code, with which modules behave as if they ran inside it."""
    return [
        f"{_where(root, path, item.line)}: imports {item.name}, which belongs into tests/controller"
        for path in python_files(root / "tests" / "unit")
        for item in imports(parse(path), [])
        if item.top == "ansible" and not item.name.startswith(MODULE_SIDE)
    ]


def modules_import_glue_and_one_room(root: Path) -> list[str]:
    """A module imports ``_module`` and one room, so its payload contains one vendor only."""
    problems = []
    for path in python_files(root / "plugins" / "modules"):
        rooms: set[str] = set()
        for item in file_imports(root, path):
            if item.room is not None:
                rooms.add(item.room)
            elif item.top != "__future__":
                problems.append(f"{_where(root, path, item.line)}: a module imports {item.name}; that is for a room")
        if GLUE not in rooms:
            problems.append(f"{_where(root, path)}: the module does not import {GLUE}")
        others = sorted(rooms - {GLUE})
        if len(others) != 1 or others[0] not in ROOMS:
            problems.append(f"{_where(root, path)}: a module imports {GLUE} and one room, this one {others or 'none'}")
    return problems


def _is_entry(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node) == "if __name__ == '__main__':\n    main()"


def _is_allowed_in_module(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom) or _is_entry(node):
        return True
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    if isinstance(node, ast.Assign):
        return len(node.targets) == 1 and ast.unparse(node.targets[0]) in DOCUMENTS
    return isinstance(node, ast.FunctionDef) and node.name == "main"


def modules_hold_no_logic(root: Path) -> list[str]:
    """A module is documentation, imports and a short ``main`` without branches or loops."""
    problems = []
    for path in python_files(root / "plugins" / "modules"):
        tree = parse(path)
        for node in tree.body:
            if not _is_allowed_in_module(node):
                problems.append(
                    f"{_where(root, path, node.lineno)}: only documentation, imports and main() belong here"
                )
        main = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"), None)
        if main is None or not any(_is_entry(node) for node in tree.body):
            problems.append(f"{_where(root, path)}: the module needs main() and the call of it")
            continue
        statements = [node for node in ast.walk(main) if isinstance(node, ast.stmt)][1:]
        if len(statements) > MAX_MAIN_STATEMENTS:
            problems.append(f"{_where(root, path, main.lineno)}: main() has {len(statements)} statements")
        logic = (ast.If, ast.For, ast.While, ast.Try, ast.With, ast.Match, ast.FunctionDef, ast.ClassDef, ast.IfExp)
        for inner in ast.walk(main):
            if inner is not main and isinstance(inner, logic):
                problems.append(f"{_where(root, path, inner.lineno)}: main() holds logic; that is for a room")
    return problems


def only_python_travels(root: Path) -> list[str]:
    """Ansible ships only Python files with a module."""
    return [
        f"{_where(root, path)}: only .py files travel with a module"
        for path in sorted((root / "plugins" / "module_utils").rglob("*"))
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    ]


def third_party_imports_are_guarded(root: Path) -> list[str]:
    """A library other than Python's and ansible is imported in a ``try`` that handles its absence."""
    own = {"ansible", "ansible_collections"} | sys.stdlib_module_names
    problems = []
    for path in [*python_files(root / "plugins"), *python_files(root / "extensions")]:
        outside = [item for item in file_imports(root, path) if item.top not in own and not item.typing_only]
        problems += [
            f"{_where(root, path, item.line)}: the import of {item.name} needs try/except ImportError"
            for item in outside
            if not item.guarded
        ]
        tops = {item.top for item in outside}
        for node in parse(path).body:
            if not isinstance(node, ast.ClassDef):
                continue
            problems += [
                f"{_where(root, path, node.lineno)}: {node.name} subclasses {ast.unparse(base)}, which may be absent"
                for base in node.bases
                if ast.unparse(base).partition(".")[0] in tops
            ]
    return problems


def _documentation_lines(tree: ast.Module) -> int:
    """Number of lines of a module that are DOCUMENTATION, EXAMPLES and RETURN."""
    blocks = [node for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in DOCUMENTS]
    return sum((node.end_lineno or node.lineno) - node.lineno + 1 for node in blocks)


def files_are_short(root: Path) -> list[str]:
    """No hand-written Python file has more than 600 lines, excluding the documentation of a module."""
    problems = []
    for path in own_python_files(root):
        lines = path.read_text(encoding="utf-8").splitlines()
        if any(GENERATED in line for line in lines[:8]):
            continue
        count = len(lines) - _documentation_lines(parse(path))
        if count > MAX_LINES:
            problems.append(f"{_where(root, path)}: {count} lines, at most {MAX_LINES}")
    return problems


def own_python_files(root: Path) -> list[Path]:
    """All Python files that belong to the repository."""
    folders = ("plugins", "extensions", "tests", "docs", "roles")
    return [*sorted(root.glob("*.py")), *(path for folder in folders for path in python_files(root / folder))]


def files_carry_the_header(root: Path) -> list[str]:
    """Each Python file begins with copyright and licence, and a module also with the sentence that sanity requires."""
    problems = []
    for path in own_python_files(root):
        head = path.read_text(encoding="utf-8").splitlines()[:8]
        if not head:
            continue
        problems += [
            f"{_where(root, path)}: the line {line!r} is missing" for line in (COPYRIGHT, SPDX) if line not in head
        ]
        if path.parent == root / "plugins" / "modules" and not any(GPL_SENTENCE in line for line in head):
            problems.append(f"{_where(root, path)}: no line says {GPL_SENTENCE!r}, which ansible-test asks for")
    return problems


def sandbox_is_independent(root: Path) -> list[str]:
    """The sandbox never imports the collection, so that a shared mistake cannot hide."""
    problems = []
    for path in python_files(root / "tests" / "sandbox"):
        for item in file_imports(root, path):
            inside = item.name.startswith(f"{PACKAGE}.tests.sandbox") or item.name.startswith("tests.sandbox")
            if (item.top in {"ansible_collections", "plugins"} and not inside) or item.top == "ansible":
                problems.append(f"{_where(root, path, item.line)}: the sandbox imports {item.name}")
    return problems


@functools.cache
def module_section(path: Path, name: str) -> Any:
    """The parsed DOCUMENTATION, EXAMPLES or RETURN of a module, or None."""
    for node in parse(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return yaml.safe_load(ast.literal_eval(node.value))
    return None


def module_documents(path: Path) -> dict[str, Any]:
    """The parsed DOCUMENTATION of a module."""
    loaded = module_section(path, "DOCUMENTATION")
    return loaded if isinstance(loaded, dict) else {}


@functools.cache
def _fragment(root: Path, name: str) -> dict[str, Any]:
    """A documentation fragment of this collection; a fragment of another collection counts as empty."""
    file, dot, variant = name.removeprefix("appsec.perimeter.").partition(".")
    path = root / "plugins" / "doc_fragments" / f"{file}.py"
    if not name.startswith("appsec.perimeter.") or not path.exists():
        return {}
    wanted = variant.upper() if dot else "DOCUMENTATION"
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == wanted:
            return yaml.safe_load(ast.literal_eval(node.value)) or {}
    return {}


def documented(root: Path, path: Path, section: str) -> dict[str, dict[str, Any]]:
    """The ``options`` or ``attributes`` of a module: those of its fragments, overridden by its own."""
    document = module_documents(path)
    fragments = document.get("extends_documentation_fragment") or []
    names = [fragments] if isinstance(fragments, str) else fragments
    merged: dict[str, dict[str, Any]] = {}
    for source in (*(_fragment(root, name) for name in names), document):
        for name, value in (source.get(section) or {}).items():
            merged[name] = {**merged.get(name, {}), **value}
    return merged


def modules_are_documented(root: Path) -> list[str]:
    """Every module documents the version that added it, and what it supports (attributes)."""
    problems = []
    for path in python_files(root / "plugins" / "modules"):
        document = module_documents(path)
        if document.get("module") != path.stem:
            problems.append(f"{_where(root, path)}: DOCUMENTATION says module: {document.get('module')}")
        if "version_added" not in document:
            problems.append(f"{_where(root, path)}: version_added is missing")
        attributes = documented(root, path, "attributes")
        for name in ("check_mode", "diff_mode", "idempotent"):
            if "support" not in attributes.get(name, {}):
                problems.append(f"{_where(root, path)}: attributes.{name}.support is missing")
    return problems


def expected_action_groups(root: Path) -> dict[str, set[str]]:
    """The required ``action_groups``: a group per vendor, and ``all`` for the modules with connection options."""
    groups: dict[str, set[str]] = {"all": set()}
    for path in python_files(root / "plugins" / "modules"):
        vendor = next((prefix for prefix in VENDOR_PREFIXES if path.stem.startswith(prefix)), None)
        if vendor:
            groups["all"].add(path.stem)
            groups.setdefault(vendor.rstrip("_"), set()).add(path.stem)
        elif CONNECTION_FRAGMENT in (module_documents(path).get("extends_documentation_fragment") or []):
            groups["all"].add(path.stem)
    return groups


def action_groups_are_complete(root: Path) -> list[str]:
    """``meta/runtime.yml`` lists each module in its vendor's group, sorted, and nothing else."""
    runtime = yaml.safe_load((root / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    groups: dict[str, list[str]] = runtime.get("action_groups") or {}
    expected = expected_action_groups(root)
    problems = []
    for name in sorted(set(groups) | set(expected)):
        listed, wanted = groups.get(name, []), expected.get(name, set())
        problems += [f"meta/runtime.yml: group {name} lacks {module}" for module in sorted(wanted - set(listed))]
        problems += [
            f"meta/runtime.yml: group {name} lists {module}, no such module" for module in sorted(set(listed) - wanted)
        ]
        if listed != sorted(set(listed)):
            problems.append(f"meta/runtime.yml: group {name} is not sorted, or lists a module twice")
    for path in python_files(root / "plugins" / "modules"):
        wanted = {f"appsec.perimeter.{name}" for name, modules in expected.items() if path.stem in modules}
        said = set(documented(root, path, "attributes").get("action_group", {}).get("membership") or [])
        if said != wanted:
            problems.append(
                f"{_where(root, path)}: attributes.action_group.membership is {sorted(said)}, not {sorted(wanted)}"
            )
    return problems


def names_suit_sanity(root: Path) -> list[str]:
    """No name is one that ansible-test's pylint refuses, such as ``_``."""
    problems = []
    for path in own_python_files(root):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                name = node.id
            elif isinstance(node, ast.arg):
                name = node.arg
            else:
                continue
            if name in BAD_NAMES:
                problems.append(f"{_where(root, path, node.lineno)}: ansible-test refuses the name {name}")
    return problems


def options_suit_sanity(root: Path) -> list[str]:
    """No option, at any depth, has a name that Ansible reserves."""
    return [
        f"{_where(root, path)}: Ansible keeps the name of the option {name} for itself"
        for path in python_files(root / "plugins" / "modules")
        for name in _option_names(documented(root, path, "options"))
        if name in KEPT_BY_ANSIBLE
    ]


def _option_names(options: dict[str, Any]) -> Iterator[str]:
    for name, option in options.items():
        yield name
        yield from _option_names(option.get("suboptions") or {})


def types_suit_sanity(root: Path) -> list[str]:
    """No code that is shipped has what older pylint and pep8 refuse: unions in type aliases, one-line functions."""
    problems = []
    for path in python_files(root / "plugins"):
        for node in parse(path).body:
            if isinstance(node, ast.Assign) and any(_is_union(part) for part in ast.walk(node.value)):
                problems.append(f"{_where(root, path, node.lineno)}: ansible-test refuses | in an alias of types")
            if isinstance(node, ast.FunctionDef) and node.body[0].lineno == node.lineno:
                problems.append(f"{_where(root, path, node.lineno)}: ansible-test refuses a function in one line")
    return problems


def _is_union(node: ast.AST) -> bool:
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.BitOr):
        return False
    return "None" in (ast.unparse(node.left), ast.unparse(node.right))


def no_sanity_ignores(root: Path) -> list[str]:
    """``ansible-test sanity`` runs without a single exception."""
    return [
        f"{_where(root, path)}: sanity runs without ignore entries"
        for path in sorted((root / "tests" / "sanity").glob("ignore*.txt"))
        if path.read_text(encoding="utf-8").strip()
    ]


RULES = (
    rooms_are_private_and_known,
    imports_point_one_way,
    folders_form_no_circle,
    folders_are_small,
    only_the_glue_imports_ansible,
    unit_tests_import_no_controller,
    modules_import_glue_and_one_room,
    modules_hold_no_logic,
    only_python_travels,
    third_party_imports_are_guarded,
    files_are_short,
    files_carry_the_header,
    sandbox_is_independent,
    modules_are_documented,
    action_groups_are_complete,
    names_suit_sanity,
    options_suit_sanity,
    types_suit_sanity,
    no_sanity_ignores,
)
