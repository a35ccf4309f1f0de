# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Joins findings and events in DuckDB. Events are first reduced to a few rows for each place and kind of attack.

This module is private to the collection and may change at any time.

An event matches a finding if host and path template agree, its family is the finding's or unknown, and its parameter,
if both state one, is the same. Neither a million events on one path nor parameters that an attacker makes up may
multiply with the findings there. So events are grouped by the values that can make a difference to a finding, each
group keeps the figures of its events with the best of their ids and sources, and findings are joined with groups.
"""

from __future__ import annotations

import pathlib
import typing as t

from .._records.attack_families import event_place, family_of_event, parameter_of_event
from .._records.codec import dump_line, loads
from .._records.coerce import mapping
from .._records.files.duck import Engine, Row, derive_table, ndjson_source, open_private, quoted
from .findings import COLUMNS
from .job import Scanners

IDS, SOURCES = 20, 10
"""Maximum number of ids and source addresses in a match."""

_KEY = """hash(concat_ws(chr(31), source, host, CASE WHEN id <> '' THEN id
    ELSE concat_ws(chr(31), chr(30), "time"::VARCHAR, client_ip, path_template, stopped) END))"""
"""Identifies an event that occurs in two files; by its content if it has no id."""

_RANK = """CASE WHEN stopped THEN 0 ELSE 4000000000000000000 END
    + coalesce(epoch_us("time"), -100000000000000000)"""
"""One number that orders events: those that were not stopped first, then the newest; those without a time last."""


def load_findings(engine: Engine, path: pathlib.Path) -> None:
    """Make the tables of findings from the file that ``write_findings`` wrote."""
    engine.run(f"CREATE TABLE findings AS SELECT * FROM {ndjson_source(path, COLUMNS)}")
    engine.run("""
        CREATE TABLE keys AS SELECT row_number() OVER () AS k, * FROM
            (SELECT DISTINCT host, path_template, parameter, family FROM findings WHERE host <> '')
    """)
    engine.run("CREATE TABLE hosts AS SELECT DISTINCT host FROM keys")
    engine.run("""
        CREATE TABLE places AS SELECT row_number() OVER () AS p, * FROM
            (SELECT DISTINCT host, path_template FROM keys WHERE path_template <> '')
    """)
    engine.run("""
        CREATE TABLE placed AS SELECT k, p, parameter, family FROM keys JOIN places USING (host, path_template)
    """)


def join_events(engine: Engine, scanners: Scanners, work: pathlib.Path) -> None:
    """Create the table ``answers``, with what the staged events show about each key, and ``host_totals``."""
    derive_table(
        engine, work / "event_places.ndjson", "event_places", {"place": ("place", "VARCHAR")},
        ("host", "path_template"), _place, "staged WHERE place IS NOT NULL",
    )  # fmt: skip
    _scanner_addresses(engine, scanners, work)
    engine.run(f"""
        CREATE VIEW located AS SELECT staged.* EXCLUDE (host, path_template),
            coalesce(staged.host, event_places.host) AS host,
            coalesce(staged.path_template, event_places.path_template) AS path_template,
            {_is_scanner(scanners)} AS scanner
        FROM staged LEFT JOIN event_places USING (place)
    """)
    engine.run(f"""
        CREATE TABLE host_totals AS SELECT host, count(DISTINCT {_KEY}) AS total
        FROM located SEMI JOIN hosts USING (host) WHERE NOT scanner GROUP BY host
    """)
    there = "located JOIN places USING (host, path_template)"
    derive_table(
        engine, work / "kinds.ndjson", "kinds", {"kind": ("kind", "VARCHAR")}, ("parameter", "attack_family"), _attack,
        f"{there} WHERE kind IS NOT NULL",
    )  # fmt: skip
    engine.run(f"""
        CREATE TABLE hits AS SELECT id, "time", stopped, client_ip, scanner, p,
            coalesce(located.parameter, kinds.parameter) AS parameter,
            coalesce(located.attack_family, kinds.attack_family) AS attack_family
        FROM {there} LEFT JOIN kinds USING (kind) {_newest(engine, there)}
    """)
    _group(engine)
    _answer(engine)


def rows(engine: Engine) -> t.Iterator[list[Row]]:
    """Yield the findings with their events, ordered by source and id.

    Yields:
        source, id, unique id, severity, family, other events on the host, events, stopped ones, first, last, whether
        the parameter agreed, whether all come from scanners, ids, and addresses.
    """
    return engine.stream("""
        SELECT f.source, f.id, f.unique_id, f.severity, f.family,
            coalesce(h.total, 0) - CASE WHEN a.scanner THEN 0 ELSE coalesce(a.events, 0) END,
            coalesce(a.events, 0), coalesce(a.stopped, 0), a.first, a.last, a.by_parameter, coalesce(a.scanner, false),
            i.ids, d.addresses
        FROM findings f
        LEFT JOIN keys k ON k.host = f.host AND k.path_template = f.path_template AND k.parameter = f.parameter
            AND k.family = f.family
        LEFT JOIN answers a USING (k)
        LEFT JOIN answer_ids i USING (k)
        LEFT JOIN answer_addresses d USING (k)
        LEFT JOIN host_totals h ON h.host = f.host
        ORDER BY f.source, f.id NULLS LAST, f.unique_id NULLS LAST, f.n
    """)


def _group(engine: Engine) -> None:
    """Group the events of each place by family, and by those of their parameters that a finding there has.

    No lists are aggregated here: DuckDB would have to hold them in memory, and there may be a million groups.
    """
    engine.run("""
        CREATE TABLE said AS SELECT row_number() OVER () AS s, * FROM
            (SELECT DISTINCT p, attack_family, parameter FROM hits)
    """)
    engine.run("""
        CREATE TABLE shapes AS
        WITH named AS (SELECT DISTINCT s, p, unnest(string_split(parameter, '&')) AS parameter
                FROM said WHERE parameter <> ''),
            wanted AS (SELECT DISTINCT p, parameter FROM placed WHERE parameter <> ''),
            known AS (SELECT s, string_agg(parameter, '&' ORDER BY parameter) AS names
                FROM named JOIN wanted USING (p, parameter) GROUP BY s)
        -- A character that occurs in no name represents parameters that no finding has.
        SELECT said.*, CASE WHEN parameter = '' THEN '' ELSE coalesce(names, '&') END AS parameters
        FROM said LEFT JOIN known USING (s)
    """)
    engine.run("""
        CREATE TABLE groups AS SELECT row_number() OVER () AS g, * FROM
            (SELECT DISTINCT p, attack_family, parameters FROM shapes)
    """)
    engine.run(f"""
        CREATE TABLE grouped AS SELECT g, scanner, stopped, "time", {_RANK} AS rank, id, client_ip
        FROM hits JOIN shapes USING (p, attack_family, parameter) JOIN groups USING (p, attack_family, parameters)
    """)
    engine.run("DROP TABLE hits")
    engine.run("""
        CREATE TABLE figures AS SELECT g, scanner, count(*) AS events, count(*) FILTER (stopped) AS stopped,
            min("time") AS first, max("time") AS last
        FROM grouped GROUP BY g, scanner
    """)
    best = _best("g, scanner", "id", IDS)
    engine.run(f"CREATE TABLE ids AS SELECT g, scanner, rank, id FROM grouped WHERE id <> '' {best}")
    best = _best("g, scanner", "client_ip", SOURCES)
    engine.run(f"""
        CREATE TABLE senders AS SELECT * FROM (SELECT g, scanner, client_ip, max(rank) AS rank FROM grouped
            WHERE client_ip <> '' GROUP BY g, scanner, client_ip) {best}
    """)
    engine.run("DROP TABLE grouped")


def _answer(engine: Engine) -> None:
    engine.run("""
        CREATE TABLE pairs AS
        SELECT k, g, scanner, parameter <> '' AND parameters <> '' AS by_parameter
        FROM placed JOIN groups USING (p) JOIN figures USING (g)
        WHERE (attack_family = '' OR list_contains(string_split(attack_family, ','), family))
            AND (parameters = '' OR parameter = '' OR list_contains(string_split(parameters, '&'), parameter))
    """)
    engine.run("""
        -- Events of scanners do not count if there are others.
        CREATE TABLE used AS SELECT pairs.* FROM pairs JOIN
            (SELECT k, bool_and(scanner) AS scanner FROM pairs GROUP BY k) USING (k, scanner)
    """)
    engine.run("""
        CREATE TABLE answers AS
        SELECT k, any_value(scanner) AS scanner, sum(events)::BIGINT AS events, sum(stopped)::BIGINT AS stopped,
            min(first) AS first, max(last) AS last, bool_or(by_parameter) AS by_parameter
        FROM used JOIN figures USING (g, scanner) GROUP BY k
    """)
    engine.run(f"""
        CREATE TABLE answer_ids AS SELECT k, list(id ORDER BY rank DESC, id DESC) AS ids FROM
            (SELECT k, rank, id FROM used JOIN ids USING (g, scanner) {_best("k", "id", IDS)})
        GROUP BY k
    """)
    engine.run(f"""
        CREATE TABLE answer_addresses AS SELECT k, list(client_ip ORDER BY rank DESC, client_ip DESC) AS addresses FROM
            (SELECT * FROM (SELECT k, client_ip, max(rank) AS rank FROM used JOIN senders USING (g, scanner)
                GROUP BY k, client_ip) {_best("k", "client_ip", SOURCES)})
        GROUP BY k
    """)


def _best(of: str, name: str, most: int) -> str:
    """The clause that keeps the best rows of each group: those that got through first, then the newest."""
    return f"QUALIFY row_number() OVER (PARTITION BY {of} ORDER BY rank DESC, {name} DESC) <= {most}"


def _newest(engine: Engine, there: str) -> str:
    """The clause that keeps one row for each event if any has several: the newest content counts."""
    total, distinct = engine.run(f"SELECT count(*), count(DISTINCT {_KEY}) FROM {there}")[0]
    if total == distinct:
        return ""
    return f"""QUALIFY row_number() OVER (PARTITION BY {_KEY}
        ORDER BY "order" DESC, stopped, "time" DESC NULLS LAST, client_ip NULLS LAST, kind NULLS LAST) = 1"""


def _is_scanner(scanners: Scanners) -> str:
    tests = ["client_ip IN (SELECT address FROM scanner_addresses)"] if scanners.networks else []
    tests += [f"user_agent ILIKE {quoted(pattern)} ESCAPE '\\'" for pattern in scanners.agents]
    return f"coalesce({' OR '.join(f'coalesce({test}, false)' for test in tests)}, false)" if tests else "false"


def _scanner_addresses(engine: Engine, scanners: Scanners, work: pathlib.Path) -> None:
    path = work / "addresses.ndjson"
    with open_private(path) as file:
        if scanners.networks:
            for part in engine.stream("SELECT DISTINCT client_ip FROM staged WHERE client_ip <> ''"):
                file.writelines(dump_line({"address": address}) for (address,) in part if scanners.has(address))
    engine.run(f"CREATE TABLE scanner_addresses AS SELECT * FROM {ndjson_source(path, {'address': 'VARCHAR'})}")


def _place(row: Row) -> tuple[str, str]:
    host, path, url = loads(row[0].encode())
    return event_place({"host": host, "path": path, "url": url})


def _attack(row: Row) -> tuple[str, str]:
    event = mapping(loads(row[0].encode()))
    return parameter_of_event(event), family_of_event(event)
