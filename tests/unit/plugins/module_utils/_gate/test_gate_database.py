# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A baseline in a database: all that one in a file guarantees, and several runs at once."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.appsec.perimeter.plugins.module_utils._base.errors import MissingLibrary
from ansible_collections.appsec.perimeter.plugins.module_utils._database import engine
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.decide.judge import Judge
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.decide.schema_verdict import VERDICT
from ansible_collections.appsec.perimeter.plugins.module_utils._gate.run import secrets_of, texts_of
from ansible_collections.appsec.perimeter.plugins.module_utils._records.result import Result
from tests.unit.plugins.module_utils._gate.gate_kit import Folder, finding, policy, scan
from tests.unit.plugins.module_utils._gate.test_situations import CODES, SITUATIONS, Situation

ADOPT = policy(missing_baseline="adopt")
PAY: dict[str, Any] = {"id": "4712", "name": "pay", "url": None, "tags": []}


class Shared(Folder):
    """A folder whose baseline is in a database."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.file = path / "gate.db"
        self.url = f"sqlite:///{self.file}"

    def main(self, findings: list[Any] | None = None, **options: Any) -> Result:
        """A job of the main branch."""
        return self.proposed(findings, **{"baseline_update": True, **options})

    def proposed(self, findings: list[Any] | None = None, **options: Any) -> Result:
        """A job of a change that is proposed."""
        return super().gate(findings, **{"database_url": self.url, "baseline_name": "shop main", **options})

    def rows(self) -> list[tuple[Any, ...]]:
        """What is stored."""
        with contextlib.closing(sqlite3.connect(self.file)) as connection, connection:
            wanted = "select name, generation, content, gone from perimeter_baselines order by name"
            return connection.execute(wanted).fetchall()

    def gate(self, *arguments: Any, **options: Any) -> Result:
        """The gate, as a situation of a file runs it."""
        if options.pop("baseline", None):
            if self.baseline.exists():
                self.main([], policy=ADOPT)
                with contextlib.closing(sqlite3.connect(self.file)) as connection, connection:
                    connection.execute("update perimeter_baselines set content = ?", [self.baseline.read_text()])
            options = {"database_url": self.url, "baseline_name": "shop main", "baseline_update": True, **options}
        return super().gate(*arguments, **options)

    def adopt(self, findings: list[Any], **options: Any) -> None:
        """Make these findings the baseline."""
        result = self.main(findings, policy=ADOPT, **options)
        assert result.values["verdict"] == "pass", result.values["reasons"]


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    return Shared(tmp_path)


WITH_BASELINE = [
    item
    for item in SITUATIONS
    if item[2].__qualname__.partition(".")[0] in ("after", "twice", "rescanned_before")
    or "_then_back" in item[2].__qualname__
    or "_when_adopted" in item[2].__qualname__
    or "baseline" in item[2].__qualname__
]


@pytest.mark.parametrize(("words", "verdict", "situation"), WITH_BASELINE, ids=[item[0] for item in WITH_BASELINE])
def test_every_situation_ends_alike(shared: Shared, words: str, verdict: str, situation: Situation) -> None:
    result = situation(shared)
    assert (result.values["verdict"], result.values["exit_code"]) == (verdict, CODES[verdict]), words


def test_a_baseline_is_read_moved_and_named_in_the_verdict(shared: Shared) -> None:
    shared.adopt([finding()])
    assert shared.file.stat().st_mode & 0o077 == 0
    assert shared.main([finding()]).error is None
    told = shared.verdict()["baseline"]
    jsonschema.validate(shared.verdict(), VERDICT)
    assert (told["path"], told["database"], told["name"]) == (None, shared.url, "shop main")
    assert (told["exists"], told["generation"], told["updated"]) == (True, 1, False)
    # What says the same is not written again; what says more is.
    assert [row[:2] for row in shared.rows()] == [("shop main", 1)]
    shared.main([finding(), finding(2, severity="low")], policy=policy(missing_baseline="adopt"))
    shared.main([finding(severity="low")])
    assert shared.main([finding()], baseline_name="blog main", policy=ADOPT).error is None
    assert [row[0] for row in shared.rows()] == ["blog main", "shop main"]


def test_a_run_that_may_not_move_the_baseline_writes_nothing(shared: Shared) -> None:
    shared.proposed([finding()], policy=ADOPT)
    assert not shared.file.exists()
    shared.adopt([finding()])
    before = shared.file.read_bytes()
    # A user who may only read is enough, and what a proposed change has fixed is still there for others.
    shared.file.chmod(0o400)
    assert shared.proposed([]).error is None
    assert shared.proposed([finding(2)]).values["verdict"] == "fail"
    assert shared.proposed([], baseline_update=True, check=True).values["verdict"] in ("inconclusive", "platform_error")
    assert shared.file.read_bytes() == before


def test_check_mode_creates_nothing_and_tells_what_could_not_be_written(shared: Shared) -> None:
    assert shared.main([], check=True, policy=ADOPT).values["verdict"] == "inconclusive"
    assert list(shared.path.glob("gate.db*")) == []
    shared.adopt([])
    before = shared.file.read_bytes()
    shared.main([finding(severity="low")], check=True)
    assert shared.file.read_bytes() == before


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("place", ["nowhere/gate.db", "folder", "text"])
def test_a_database_that_cannot_be_written_is_told_before_anything_is_read(
    shared: Shared, place: str, check: bool
) -> None:
    (shared.path / "folder").mkdir()
    (shared.path / "text").write_text("this is no database, and long enough to be read as one" * 20)
    url = f"sqlite:///{shared.path / place}"
    # The probe of the role has nothing to read, and runs in check mode.
    result = shared.main(files=[], scans=[], check=check, database_url=url, policy=ADOPT)
    assert (result.values["verdict"], result.values["exit_code"]) == ("platform_error", 20)
    assert str(result.error).startswith("database_url: ")


def test_findings_are_judged_though_the_baseline_cannot_be_stored_any_more(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared.adopt([finding(), finding(2)])
    real = Judge.settle

    def settle(judge: Judge) -> None:
        real(judge)
        shared.file.write_text("damaged" * 1000)

    monkeypatch.setattr(Judge, "settle", settle)
    result = shared.main([finding()])
    verdict = shared.verdict()
    assert (verdict["verdict"], verdict["exit_code"]) == ("platform_error", 20)
    assert str(result.error).startswith(f"database_url: {shared.url} failed (DatabaseError SQLITE_NOTADB: ")
    assert [app["verdict"] for app in verdict["applications"]] == ["pass"]
    assert verdict["explain_file"]["records"] == 1


class Meanwhile:
    """Other runs that end while this one judges."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, shared: Shared, *others: dict[str, Any]) -> None:
        self.left = list(others)
        self.judged = 0
        real = Judge.settle

        def settle(judge: Judge) -> None:
            real(judge)
            self.judged += 1
            if self.left:
                options = self.left.pop(0)
                left, self.left = self.left, []
                Shared.main(shared, **options, dest=str(shared.path / "other.json"))
                self.left = left

        monkeypatch.setattr(Judge, "settle", settle)


def test_a_run_that_did_not_read_the_newest_baseline_is_judged_by_it(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both begin without a baseline. The other one adopts an application more, which is kept.
    other = {
        "files": [shared.snapshot([finding(3, asset=PAY)], "pay.ndjson", filters=[])],
        "scans": [scan(asset=PAY)],
        "policy": ADOPT,
    }
    meanwhile = Meanwhile(monkeypatch, shared, other)
    assert shared.main([finding()], policy=ADOPT).error is None
    assert meanwhile.judged == 3
    ((_name, generation, content, _gone),) = shared.rows()
    assert generation == 2
    assert sorted(app["name"] for app in json.loads(content)["applications"]) == ["pay", "shop"]


def test_what_another_run_saw_to_be_gone_is_new_in_this_one(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    shared.adopt([finding()])
    # The other one fails, so that it moves nothing, and notes that the known finding is gone.
    Meanwhile(monkeypatch, shared, {"files": [shared.snapshot([finding(2)], "other.ndjson")]})
    result = shared.main([finding()])
    assert (result.values["verdict"], result.values["counts"]["reopened"]) == ("fail", 1)
    assert shared.verdict()["baseline"]["generation"] == 2


def test_a_baseline_that_is_moved_all_the_time_is_given_up_and_never_overwritten(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each of them has fixed one more.
    known = [finding(number) for number in range(1, 9)]
    shared.adopt(known)
    others = [{"files": [shared.snapshot(known[number:], f"{number}.ndjson")]} for number in range(1, 7)]
    meanwhile = Meanwhile(monkeypatch, shared, *others)
    result = shared.main(known[-1:])
    assert result.values["exit_code"] == 20
    assert "other runs changed shop main" in str(result.error)
    assert len(others) - len(meanwhile.left) == 3
    ((_name, generation, content, _gone),) = shared.rows()
    assert (generation, "uuid-7" in content) == (4, True)
    assert [app["verdict"] for app in shared.verdict()["applications"]] == ["pass"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"baseline_name": None}, "database_url needs baseline_name."),
        ({"database_url": None}, "baseline_name needs database_url."),
        ({"database_url": ""}, "baseline_name needs database_url."),
        ({"baseline": "baseline.json"}, "baseline cannot be combined with database_url or baseline_name."),
        (
            {"database_url": None, "baseline": "baseline.json"},
            "baseline cannot be combined with database_url or baseline_name.",
        ),
        ({"database_url": None, "baseline_name": None}, "baseline_update needs baseline, or database_url"),
        ({"baseline_name": "a\x00"}, "baseline_name is "),
        ({"baseline_name": "a" * 201}, "baseline_name is "),
        ({"database_url": "sqlite://"}, "database_url does not name a SQLite file"),
        ({"database_url": "sqlite:///:memory:"}, "database_url does not name a SQLite file"),
        ({"database_url": "sqlite:///file:/x"}, "database_url does not name a SQLite file"),
        ({"database_url": "sqlite:///gate.db"}, "database_url does not name a SQLite file"),
        ({"database_url": "mysql://host/db"}, "database_url: mysql is not supported."),
        ({"database_url": "nonsense"}, "database_url is not a database URL."),
    ],
    ids=str,
)
def test_half_a_place_or_one_that_forgets_is_a_policy_error_and_no_missing_baseline(
    shared: Shared, options: dict[str, Any], words: str
) -> None:
    result = shared.main([], policy=ADOPT, **options)
    assert (result.values["verdict"], result.values["exit_code"]) == ("policy_error", 12)
    assert str(result.error).startswith(words)


def test_the_environment_names_the_database_unless_the_task_names_a_file(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERIMETER_GATE_DATABASE_URL", shared.url)
    nothing = {"database_url": None, "baseline_name": None}
    assert shared.main([], **nothing).values["verdict"] == "policy_error"
    monkeypatch.setenv("PERIMETER_GATE_BASELINE_NAME", "from the environment")
    assert shared.main([], **nothing, policy=ADOPT).error is None
    assert [row[0] for row in shared.rows()] == ["from the environment"]
    assert shared.main([], **nothing, policy=ADOPT, baseline=str(shared.baseline)).error is None
    assert (shared.baseline.exists(), len(shared.rows())) == (True, 1)


def test_an_empty_variable_is_unset_and_never_a_missing_baseline(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERIMETER_GATE_DATABASE_URL", "")
    monkeypatch.setenv("PERIMETER_GATE_BASELINE_NAME", "")
    nothing = {"database_url": None, "baseline_name": None}
    assert shared.proposed([], **nothing, policy=ADOPT).error is None
    monkeypatch.setenv("PERIMETER_GATE_BASELINE_NAME", "shop main")
    assert shared.proposed([], **nothing, policy=ADOPT).values["verdict"] == "policy_error"


def test_a_damaged_or_foreign_row_is_never_taken_for_a_missing_one(shared: Shared) -> None:
    shared.adopt([finding()])
    for column, text in (("content", "{"), ("content", ""), ("content", '{"record": "x"}'), ("gone", "[]")):
        with contextlib.closing(sqlite3.connect(shared.file)) as connection, connection:
            (kept,) = connection.execute(f"select {column} from perimeter_baselines").fetchone()
            connection.execute(f"update perimeter_baselines set {column} = ?", [text])
        for run in (shared.main, shared.proposed):
            assert run([], policy=ADOPT).values["verdict"] == "policy_error", (column, text)
        with contextlib.closing(sqlite3.connect(shared.file)) as connection, connection:
            connection.execute(f"update perimeter_baselines set {column} = ?", [kept])
    with contextlib.closing(sqlite3.connect(shared.file)) as connection, connection:
        connection.execute("alter table perimeter_baselines rename column content to other")
    for run in (shared.main, shared.proposed):
        result = run([], policy=ADOPT)
        assert result.values["exit_code"] == 20
        assert "belongs to another application" in str(result.error)


def test_a_link_is_not_followed(shared: Shared) -> None:
    shared.adopt([])
    (shared.path / "link.db").symlink_to(shared.file)
    url = f"sqlite:///{shared.path / 'link.db'}"
    result = shared.main([], database_url=url)
    assert result.values["exit_code"] == 20
    assert "is a symbolic link" in str(result.error)


def test_the_verdict_never_replaces_the_database(shared: Shared) -> None:
    shared.adopt([])
    before = shared.file.read_bytes()
    assert shared.main([], dest=str(shared.file)).values["exit_code"] == 20
    assert shared.file.read_bytes() == before


def test_a_missing_library_is_told_in_the_words_of_ansible(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "HAS_SQLALCHEMY", False)
    result = shared.main([])
    assert isinstance(result.error, MissingLibrary)
    assert (result.error.library, result.values["exit_code"]) == ("sqlalchemy", 20)


def test_only_the_password_of_the_url_is_secret() -> None:
    url = "postgresql://gate:canary-password@db.example.com/gate?sslmode=require"
    for params, environ in (
        ({"database_url": url}, {}),
        ({}, {"PERIMETER_GATE_DATABASE_URL": url}),
    ):
        assert secrets_of(params, environ) == ("canary-password",)
        assert texts_of(params, environ) == (url,)
    assert secrets_of({"baseline": "x"}, {"PERIMETER_GATE_DATABASE_URL": url}) == ()
    assert (secrets_of({}, {}), texts_of({}, {})) == ((), ())
