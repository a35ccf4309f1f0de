# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All checks of the collection. ``make test`` runs them; ``nox -l`` lists them; ``nox -s NAME`` runs one.

Plain nox is used instead of antsibull-nox, which starts ansible-test in containers: not every machine has an engine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

from tests.tools import changed_tests, workbench  # noqa: E402

nox.needs_version = ">=2025.5.1"
# uv makes an environment in a second where pip needs twenty; it comes with tests/requirements.txt.
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_external_run = True
nox.options.error_on_missing_interpreters = True

BASE_PYTHON = workbench.oldest_python()
"""For everything except the newest versions: Python 3.11, the oldest that is supported, if it is installed."""
NEWEST_PYTHON = workbench.newest_python()
MONITORED_PYTHON = workbench.monitored_python()
COVERAGE_PYTHON = MONITORED_PYTHON or BASE_PYTHON
"""Coverage is cheap if Python itself counts lines, and otherwise takes as long as the tests."""
CORES = {
    "2.16": ("ansible-core>=2.16,<2.17", BASE_PYTHON),
    "2.18": ("ansible-core>=2.18,<2.19", BASE_PYTHON),
    "2.19": ("ansible-core>=2.19,<2.20", BASE_PYTHON),
    "newest": ("ansible-core", NEWEST_PYTHON or BASE_PYTHON),
}
"""The ansible-core versions that are tested, and the interpreter for each."""
MAIN_CORE = "2.19"
"""The version for checks that need ansible-core but not every version of it; coverage is measured with it."""
COVERAGE_MINIMUM = 95
TEST_REQUIREMENTS = ROOT / "tests" / "requirements-tests.txt"
ENGINES_REQUIREMENTS = ROOT / "tests" / "requirements-engines.txt"
EDA_REQUIREMENTS = ROOT / "tests" / "requirements-eda.txt"
FORMATS_REQUIREMENTS = ROOT / "tests" / "requirements-formats.txt"
EE_REQUIREMENTS = ROOT / "tests" / "requirements-ee.txt"
AWX_REQUIREMENTS = ROOT / "tests" / "requirements-awx.txt"
ORJSON = "orjson>=3.9.15"
UNIT_TESTS = ("tests/unit", "tests/recording")
MIDDLE_CORE = (
    "tests/unit/plugins/modules/test_documentation.py",
    "tests/unit/plugins/modules/test_modules.py",
    "tests/unit/plugins/module_utils/_module",
    "tests/integration/test_each_core.py",
    "tests/integration/test_hostile_text.py",
)
"""What every version of ansible-core can make a difference to: argument specs, results, hostile texts, and one run of
each module, role and playbook. Everything else runs with the main one; below `_module` nothing imports Ansible."""
OUTER_CORE = (
    *MIDDLE_CORE,
    "tests/integration/test_inventory.py",
    "tests/integration/test_module_defaults.py",
    "tests/integration/test_secrets_roles.py",
)
"""With more for the oldest and the newest: what both have in common, those between them have as well."""
WITHOUT_ORJSON = (
    "tests/unit/plugins/module_utils/_records/files",
    "tests/unit/plugins/module_utils/_records/test_codec.py",
    "tests/unit/plugins/module_utils/_records/test_redact.py",
    "tests/unit/plugins/module_utils/_spool/disk",
    "tests/unit/plugins/module_utils/_spool/collect/test_collect.py",
    "tests/unit/plugins/module_utils/_edgecast",
    "tests/unit/plugins/module_utils/_vendor",
)
"""Tests whose result may depend on the oldest Python, and on JSON without orjson."""
CI_FILES = (
    ("github-workflows", "docs/ci/github/.github/workflows/security-gate.yml"),
    ("gitlab-ci", "--data-transform", "gitlab-ci", "docs/ci/gitlab/.gitlab-ci.yml"),
    # Its patterns use the older syntax.
    ("azure-pipelines", "--data-transform", "azure-pipelines", "--regex-variant", "nonunicode",
     "docs/ci/azure/azure-pipelines.yml", "docs/ci/azure/template/security-gate.yml"),
)  # fmt: skip
"""The ready CI files, each with its schema and the options for checking it."""
PYLINT = ("--test", "pylint", "plugins/", "extensions/", "roles/", "docs/")
"""Pylint on what users get. It takes as long on the tests, which ruff checks."""
IMPORT = ("--test", "import")
LONGEST_CHECKS = ("pylint", "import")
"""They take half of the time of a sanity run, so ``make test`` runs them at both ends of the range, each with its own
Python: what both have in common, those between them have as well. ``make sanity`` runs them everywhere."""
WITHOUT_LONGEST = tuple(word for name in LONGEST_CHECKS for word in ("--skip-test", name))
ALL_CHECKS: dict[str, tuple[tuple[str, ...], ...]] = dict.fromkeys(CORES, ((),)) | {
    "newest": (("--skip-test", "pylint"), PYLINT)
}
SANITY = ALL_CHECKS if os.environ.get("EVERY_CHECK") else ALL_CHECKS | {
    "2.18": (WITHOUT_LONGEST,), "2.19": (WITHOUT_LONGEST,), "newest": (WITHOUT_LONGEST, PYLINT, IMPORT)
}  # fmt: skip
"""The runs of ``ansible-test`` for each version of ansible-core."""
CODE = ("plugins", "roles", "extensions", "tests", "docs", "noxfile.py")


def install(session: nox.Session, *specifiers: str) -> None:
    """Install into the session's environment, unless it already has exactly the requested packages."""
    if BASE_PYTHON is None:
        session.error(f"None of Python {', '.join(workbench.OLDEST_FIRST)} was found: install one, or put it on PATH")
    files = "".join(Path(item).read_text(encoding="utf-8") for item in specifiers if item.endswith(".txt"))
    digest = hashlib.sha256(json.dumps([specifiers, files, str(session.python)]).encode()).hexdigest()
    stamp = Path(session.virtualenv.location) / "installed.sha256"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return
    if not _installed_by_uv(session, *specifiers):
        _install_with_pip(session, *specifiers)
    stamp.write_text(digest, encoding="utf-8")


def _installed_by_uv(session: nox.Session, *specifiers: str) -> bool:
    """Whether uv is there and could install; it does not read pip's settings, such as the address of a mirror."""
    if session.venv_backend != "uv":
        return False
    try:
        session.install("--quiet", *specifiers, env=workbench.uv_settings())
    except nox.command.CommandFailed:
        session.log("NOTE: uv could not install the packages, pip is used instead, which takes longer.")
        return False
    return True


def _install_with_pip(session: nox.Session, *specifiers: str) -> None:
    try:
        session.run("python", "-m", "ensurepip", silent=True)
        session.run("python", "-m", "pip", "install", "--quiet", *specifiers)
    except nox.command.CommandFailed:
        session.error(f"pip could not install {' '.join(specifiers)}: this step needs a package index that pip reaches")


def run_each(session: nox.Session, *commands: tuple[str, ...]) -> None:
    """Run all commands, even after one has failed, so that one run shows everything."""
    failed = []
    for command in commands:
        try:
            session.run(*command)
        except nox.command.CommandFailed:
            failed.append(command[0])
    if failed:
        session.error(f"failed: {', '.join(failed)}")


def need_core(session: nox.Session, core: str) -> str:
    """The specifier of an ansible-core version; ends the session if its interpreter is missing."""
    specifier = CORES[core][0]
    if core == "newest" and NEWEST_PYTHON is None:
        session.log("NOTE: no Python 3.12, 3.13 or 3.14 was found, so the newest ansible-core is that for Python 3.11.")
    return specifier


def need_file(session: nox.Session, name: str) -> Path:
    """A file that the session runs; ends the session if it is missing."""
    path = ROOT / name
    if not path.exists():
        session.error(f"{name} is missing")
    return path


@contextlib.contextmanager
def test_environment(session: nox.Session) -> Iterator[dict[str, str]]:
    """Where this session's tests find the tree, and leave their coverage and everything temporary."""
    data = workbench.NOX / "coverage" / session.name
    data.mkdir(parents=True, exist_ok=True)
    # Most of the time of a play is the start of Python for each module: it is done once (tests/integration/warm).
    with workbench.temporary_folder() as temporary:
        yield {
            "PERIMETER_ROOT": str(ROOT),
            "COVERAGE_FILE": str(data / "data"),
            "TMPDIR": str(temporary),
            "TEST_WARM": "1",
        }


def base_folder(environment: Mapping[str, str]) -> str:
    """The option of pytest for the folders of tests. Their paths have to be short: a socket's has 107 characters."""
    return f"--basetemp={environment['TMPDIR']}/t"


def run_pytest(session: nox.Session, *arguments: str, folders: tuple[str, ...]) -> None:
    """Run the tests in these folders, and leave their count and times for run_sessions.py."""
    for folder in folders:
        need_file(session, folder)
    results = workbench.NOX / "results" / f"{session.name}.xml"
    selected = session.posargs or folders
    command = ("python", "-m", "pytest", f"--junitxml={results}", *arguments, *selected)
    with test_environment(session) as environment:
        session.run(*command, base_folder(environment), env=environment)


def run_controller_tests(session: nox.Session, *arguments: str) -> bool:
    """Run the tests of controller plugins in a separate process: beside controller code, modules behave as if inside
    it.

    Returns whether they passed, so that the other tests still run and one run shows everything.
    """
    if session.posargs:
        return True
    # Not the session's own file: there is one report for each session, and the following tests write it.
    results = workbench.NOX / "results" / f"{session.name}-controller.xml"
    try:
        with test_environment(session) as environment:
            session.run(
                "python", "-m", "pytest", f"--junitxml={results}", *arguments, "tests/controller",
                base_folder(environment), env=environment,
            )  # fmt: skip
    except nox.command.CommandFailed:
        return False
    return True


def show_versions(session: nox.Session) -> None:
    """Print the tested versions of Python and ansible-core."""
    code = (
        "import platform, ansible.release as r; print('ansible-core', r.__version__, 'on', platform.python_version())"
    )
    session.run("python", "-c", code)


@nox.session(python=BASE_PYTHON)
def lint(session: nox.Session) -> None:
    """Ruff (rules and format) and yamllint."""
    install(session, "ruff>=0.14", "yamllint>=1.37")
    folders = [item for item in CODE if (ROOT / item).exists()]
    checks = ("ruff", "check", *folders), ("ruff", "format", "--check", *folders), ("yamllint", "--strict", ".")
    run_each(session, *checks)


@nox.session(python=BASE_PYTHON)
def typing(session: nox.Session) -> None:
    """Strict mypy on the collection's code, the sandbox and the tools."""
    install(
        session, "mypy>=1.18", "trustme", "types-requests", "types-jmespath", "types-PyYAML", "orjson", "pytest", "nox",
        "sqlalchemy>=2.0", "psycopg", "duckdb>=1.5",
    )  # fmt: skip
    session.run("python", "tests/conftest.py")
    tests = ("tests/sandbox", "tests/tools", "tests/demo", "tests/conftest.py", "tests/unit/test_house_rules.py")
    others = (*tests, "docs/docsite/tables.py", "noxfile.py")
    # A program of its own, whose files import each other by their bare names.
    files = sorted(map(str, (ROOT / "roles" / "gate" / "files" / "gate_job").glob("*.py")))
    run_each(
        session, ("mypy", "-p", "ansible_collections.appsec.perimeter.plugins"), ("mypy", *others), ("mypy", *files)
    )


COVER = ("--cov", "--cov-config=.coveragerc")
ALL_COVER = (*COVER, "--cov-append", "--cov-report=term", f"--cov-fail-under={COVERAGE_MINIMUM}")


@nox.session(python=COVERAGE_PYTHON)
def unit(session: nox.Session) -> None:
    """All unit tests and the recording, with the main ansible-core, orjson, and line coverage."""
    session.env["COVERAGE_CORE"] = "sysmon" if MONITORED_PYTHON else "ctrace"
    install(session, need_core(session, MAIN_CORE), "-r", str(TEST_REQUIREMENTS), ORJSON)
    show_versions(session)
    shutil.rmtree(workbench.NOX / "coverage" / session.name, ignore_errors=True)
    controller_passed = run_controller_tests(session, *COVER, "--cov-report=")
    run_pytest(session, *(() if session.posargs else ALL_COVER), folders=UNIT_TESTS)
    if not controller_passed:
        session.error("tests/controller failed")


@nox.session(python=BASE_PYTHON)
def integration(session: nox.Session) -> None:
    """All playbooks, roles and modules through ansible-playbook, with the main ansible-core and orjson."""
    install(session, need_core(session, MAIN_CORE), "-r", str(TEST_REQUIREMENTS), ORJSON)
    show_versions(session)
    run_pytest(session, "--ignore=tests/integration/test_demo.py", folders=("tests/integration",))


@nox.session(python=BASE_PYTHON)
def demo(session: nox.Session) -> None:
    """``make demo`` in a copy of the repository; with the other playbooks it would occupy one core to the end."""
    install(session, need_core(session, MAIN_CORE), "-r", str(TEST_REQUIREMENTS))
    run_pytest(session, folders=("tests/integration/test_demo.py",))


def _outer_core(session: nox.Session, core: str) -> None:
    session.env["TEST_NEW_PYTHON"] = "1"
    install(session, need_core(session, core), "-r", str(TEST_REQUIREMENTS))
    show_versions(session)
    controller_passed = run_controller_tests(session)
    run_pytest(session, folders=OUTER_CORE)
    if not controller_passed:
        session.error("tests/controller failed")


@nox.session(name="core-2.16", python=CORES["2.16"][1])
def core_2_16(session: nox.Session) -> None:
    """What ansible-core 2.16 can make a difference to."""
    _outer_core(session, "2.16")


@nox.session(name="core-2.18", python=CORES["2.18"][1])
def core_2_18(session: nox.Session) -> None:
    """What ansible-core 2.18 on the oldest Python can make a difference to, and JSON without orjson."""
    install(session, need_core(session, "2.18"), "-r", str(TEST_REQUIREMENTS))
    show_versions(session)
    run_pytest(session, folders=(*MIDDLE_CORE, *WITHOUT_ORJSON))


@nox.session(name="core-newest", python=CORES["newest"][1])
def core_newest(session: nox.Session) -> None:
    """What the newest ansible-core on the newest Python at hand can make a difference to."""
    _outer_core(session, "newest")


@nox.session(python=BASE_PYTHON)
def browser(session: nox.Session) -> None:
    """The report in a real Chromium."""
    if workbench.find_chromium() is None:
        session.error("Chromium was not found: install it (Debian: apt-get install chromium)")
    if shutil.which("npm") is None:
        session.error("npm was not found: install it (Debian: apt-get install npm)")
    install(session, need_core(session, MAIN_CORE), "-r", str(TEST_REQUIREMENTS))
    if not workbench.axe_core().exists():
        where = ("--prefix", str(workbench.AXE), "--no-save", "--no-audit", "--no-fund", "--ignore-scripts")
        session.run("npm", "install", *where, workbench.AXE_PACKAGE, external=True)
    run_pytest(session, folders=("tests/browser",))


@nox.session(python=BASE_PYTHON)
def formats(session: nox.Session) -> None:
    """Reports read by programs of other projects; the schema validators are part of the unit tests."""
    if shutil.which("npm") is None:
        session.error("npm was not found: install it (Debian: apt-get install npm)")
    install(session, need_core(session, MAIN_CORE), "-r", str(FORMATS_REQUIREMENTS))
    tool = workbench.sarif_multitool()
    if not tool.exists():
        where = ("--prefix", str(workbench.MULTITOOL), "--no-save", "--no-audit", "--no-fund", "--ignore-scripts")
        session.run("npm", "install", *where, workbench.MULTITOOL_PACKAGE, external=True)
    tool.chmod(0o755)
    run_pytest(session, folders=("tests/formats",))


@nox.session(python=BASE_PYTHON)
def receivers(session: nox.Session) -> None:
    """Delivery to a real PostgreSQL and a real rsyslog, which the tests start."""
    if missing := workbench.missing_servers():
        session.error(f"{', '.join(missing)}: not found. {workbench.SERVERS_HINT}")
    install(session, need_core(session, MAIN_CORE), "-r", str(TEST_REQUIREMENTS))
    run_pytest(session, folders=("tests/receivers",))


@nox.session(python=BASE_PYTHON)
def ee(session: nox.Session) -> None:
    """Execution environments by ansible-builder, jobs by ansible-runner, the artifact by galaxy-importer."""
    install(session, need_core(session, MAIN_CORE), "-r", str(EE_REQUIREMENTS))
    run_pytest(session, folders=("tests/ee",))


@nox.session(python=BASE_PYTHON)
def awx(session: nox.Session) -> None:
    """The role awx_setup with the modules of awx.awx, from the package ansible, and a stand-in."""
    install(session, "-r", str(AWX_REQUIREMENTS))
    run_pytest(session, folders=("tests/awx",))


@nox.session(python=BASE_PYTHON)
def engines(session: nox.Session) -> None:
    """The queries in docs/sql on DuckDB and on Spark. Only this session needs Spark, which is large."""
    if not workbench.has_java():
        session.error(f"Java 17 was not found. {workbench.JAVA_HINT}")
    install(session, need_core(session, MAIN_CORE), "-r", str(ENGINES_REQUIREMENTS))
    run_pytest(session, folders=("tests/engines",))


@nox.session(python=BASE_PYTHON)
def eda(session: nox.Session) -> None:
    """Rulebooks in a real ansible-rulebook, with the installed artifact and a PostgreSQL; ``make faults`` runs more."""
    missing = [name for name in ("java", "initdb") if workbench.find_program(name) is None]
    if missing:
        session.error(f"{', '.join(missing)}: not found (Debian: apt-get install openjdk-17-jre-headless postgresql)")
    install(session, need_core(session, MAIN_CORE), "-r", str(EDA_REQUIREMENTS))
    run_pytest(session, "-rP", folders=("tests/eda",))


@nox.session(python=BASE_PYTHON)
def faults(session: nox.Session) -> None:
    """Failures around a collector, including kills at random instants; ``make faults`` kills more often."""
    install(session, need_core(session, MAIN_CORE), "-r", str(TEST_REQUIREMENTS))
    run_pytest(session, "-rP", folders=("tests/faults",))


def _sanity(session: nox.Session, core: str) -> None:
    install(session, need_core(session, core))
    show_versions(session)
    code = "import ansible_test, pathlib; print(pathlib.Path(ansible_test.__file__).parents[1])"
    packages = str(session.run("python", "-c", code, silent=True)).strip()
    home, note = workbench.ansible_test_home(session.name, Path(packages))
    session.log(note)
    # The tests are not part of the artifact, so only the newest rules, which are the strictest, apply to them.
    tree = workbench.copy_tree(
        session.name, without=workbench.RECORDED if core == "newest" else workbench.NOT_FOR_USERS
    )
    # The newest version compiles with every installed Python, the older ones with the session's Python.
    version = str(session.run("python", "-c", "import sys; print('%d.%d' % sys.version_info[:2])", silent=True)).strip()
    environment = {"HOME": str(home), "PATH": workbench.path_with_interpreters(("3.11", *workbench.NEWEST_FIRST))}
    output = ""
    with session.chdir(tree):
        for arguments in SANITY[core]:
            own = ("--python", version) if core != "newest" or arguments == IMPORT else ()
            command = ("ansible-test", "sanity", "--color", "no", *arguments, *own, *session.posargs)
            output += str(session.run(*command, silent=True, env=environment))
    session.log(output)
    left_out = LONGEST_CHECKS if SANITY[core] == (WITHOUT_LONGEST,) else ()
    missing = [name for name in workbench.sanity_gaps(output) if name not in left_out]
    if missing:
        session.error(f"ansible-test ended well without running {', '.join(missing)}")


@nox.session(name="sanity-2.16", python=CORES["2.16"][1])
def sanity_2_16(session: nox.Session) -> None:
    """``ansible-test sanity`` of ansible-core 2.16, without ignore entries."""
    _sanity(session, "2.16")


@nox.session(name="sanity-2.18", python=CORES["2.18"][1])
def sanity_2_18(session: nox.Session) -> None:
    """``ansible-test sanity`` of ansible-core 2.18, without ignore entries."""
    _sanity(session, "2.18")


@nox.session(name="sanity-2.19", python=CORES["2.19"][1])
def sanity_2_19(session: nox.Session) -> None:
    """``ansible-test sanity`` of ansible-core 2.19, without ignore entries."""
    _sanity(session, "2.19")


@nox.session(name="sanity-newest", python=CORES["newest"][1])
def sanity_newest(session: nox.Session) -> None:
    """``ansible-test sanity`` of the newest ansible-core, without ignore entries."""
    _sanity(session, "newest")


@nox.session(name="ansible-lint", python=BASE_PYTHON)
def ansible_lint(session: nox.Session) -> None:
    """ansible-lint, profile production, on the whole repository."""
    install(
        session, need_core(session, MAIN_CORE), "ansible-lint>=25.9", "-r", str(ROOT / "meta" / "ee-requirements.txt")
    )
    tree = workbench.copy_tree(session.name)
    environment = {"ANSIBLE_COLLECTIONS_PATH": workbench.collections_path(tree)}
    with session.chdir(tree):
        # Most of its time goes into the start of Ansible for each playbook and role.
        program = str(ROOT / "tests" / "tools" / "warm_lint.py")
        arguments = ("--offline", "--nocolor", "--profile", "production", *session.posargs)
        session.run("python", program, *arguments, env=environment)


@nox.session(python=BASE_PYTHON)
def docs(session: nox.Session) -> None:
    """The documentation of every plugin, changelog fragments, CI files against their schemas, and workflow security."""
    install(
        session, need_core(session, MAIN_CORE), "antsibull-docs>=2.20", "antsibull-changelog>=0.34",
        "check-jsonschema>=0.30", "zizmor>=1.20",
    )  # fmt: skip
    tree = workbench.copy_tree(session.name)
    with session.chdir(tree):
        docs_lint = ("antsibull-docs", "lint-collection-docs", "--plugin-docs", "--validate-collection-refs=self", ".")
        schemas = (("check-jsonschema", "--builtin-schema", f"vendor.{name}", *rest) for name, *rest in CI_FILES)
        workflow = ("zizmor", "--offline", "--no-progress", "docs/ci/github")
        run_each(session, ("antsibull-changelog", "lint"), docs_lint, *schemas, workflow)


@nox.session(python=BASE_PYTHON)
def build(session: nox.Session) -> None:
    """Build the collection, install the artifact, and let ansible-doc and ansible-playbook read it."""
    install(session, need_core(session, MAIN_CORE))
    scratch = Path(session.create_tmp()).resolve()
    installed = scratch / "collections"
    session.run("ansible-galaxy", "collection", "build", "--force", "--output-path", str(scratch))
    artifact = next(scratch.glob("appsec-perimeter-*.tar.gz"))
    if problems := workbench.artifact_problems(artifact):
        session.error("\n".join(problems))
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(installed), "ANSIBLE_HOME": str(scratch / "home")}
    target = ("--collections-path", str(installed), "--force", "--offline", "--no-deps")
    session.run("ansible-galaxy", "collection", "install", str(artifact), *target, env=environment)
    with session.chdir(scratch):
        names = workbench.module_names()
        if not names:
            session.error("There is no module under plugins/modules")
        shown = str(session.run("ansible-doc", "--type", "module", "--json", *names, silent=True, env=environment))
        if without := [name for name in names if not workbench.shows_documentation(shown, name)]:
            session.log(shown)
            session.error(f"ansible-doc cannot show {', '.join(without)} of the installed artifact")
        session.log(f"ansible-doc shows {len(names)} modules")
        playbooks = [f"appsec.perimeter.{path.stem}" for path in sorted((ROOT / "playbooks").glob("*.yml"))]
        session.run("ansible-playbook", "--syntax-check", "-i", "localhost,", *playbooks, env=environment)


@nox.session(python=BASE_PYTHON)
def assets(session: nox.Session) -> None:
    """The generated assets of the report are up to date with their sources."""
    script = need_file(session, "docs/report-assets/build.py")
    session.run("python", str(script), "--check", *session.posargs)


@nox.session(name="sdk-proof", python=BASE_PYTHON)
def sdk_proof(session: nox.Session) -> None:
    """An independent client (qualysdk 0.3.17) works against the sandbox."""
    need_file(session, "tests/sandbox/prove_qualysdk.py")
    install(session, "qualysdk==0.3.17", "trustme>=1.1")
    session.run("python", "tests/tools/sdk_proof.py", *session.posargs)


@nox.session(name="bench-quick", venv_backend="none")
def bench_quick(session: nox.Session) -> None:
    """A small run of the benchmarks: they work, and the request counts are right. Only make bench judges the times."""
    session.run(sys.executable, "tests/perf/bench.py", "--quick", *session.posargs, external=True)


@nox.session(python=BASE_PYTHON, default=False)
def quick(session: nox.Session) -> None:
    """The unit tests of files that differ from the commit in SINCE (by default the last one)."""
    install(session, need_core(session, MAIN_CORE), "-r", str(TEST_REQUIREMENTS), ORJSON)
    tests = changed_tests.select(changed_tests.changed_files(os.environ.get("SINCE") or "HEAD"))
    session.log(f"tests of what changed: {', '.join(tests)}")
    run_pytest(session, folders=tuple(tests))


@nox.session(name="format", python=BASE_PYTHON, default=False)
def format_(session: nox.Session) -> None:
    """Rewrite the Python files in the house style; not part of the checks."""
    install(session, "ruff>=0.14")
    folders = [item for item in CODE if (ROOT / item).exists()]
    session.run("ruff", "check", "--fix", "--exit-zero", *folders)
    session.run("ruff", "format", *folders)
