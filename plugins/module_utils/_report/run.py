# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``report`` module without Ansible: options in, files out.

This module is private to the collection and may change at any time.
"""

from __future__ import annotations

import os
import pathlib
import typing as t

from .._base.errors import FileError, OptionError
from .._records.files.knowledge import Entries, read_knowledge
from .._records.result import Result
from .figures import collect
from .figures.beside import newest_time, read_beside, with_waivers
from .figures.changes import Previous, read_previous
from .formats.xlsx_writer import check_library
from .inputs import model
from .inputs.gate_view import read_gate
from .inputs.places import read_places
from .inputs.read import SnapshotReader, open_store
from .output import Outputs
from .writers import FORMATS

DEFAULT_TITLE = "Web application security report"


def run(params: t.Mapping[str, t.Any], check_mode: bool) -> Result:
    """Write the reports.

    Args:
        params: the options of the module: ``findings`` (paths of snapshots), ``outputs`` (format to path), ``title``,
            ``previous`` (path of an earlier JSON report or its summary), ``webapps`` (records in option form),
            ``knowledge`` (path of the entries of a knowledge base), ``scope`` (what the user asked for), ``notes``,
            ``gate`` (path of a verdict), ``scans`` (records or paths of them), ``events`` and ``matches`` (paths of
            files or streams), ``history`` and ``waivers`` (paths), ``services`` (the outcome of reading each),
            ``catalog`` (paths of YAML files and directories that declare the applications) and ``catalog_root`` (root
            of the repository they are in).
        check_mode: True to render everything, write nothing, and report what would change.

    Returns:
        The result with the values ``written`` (format, path, bytes, sha256, changed, created), ``summary`` (figures)
        and ``only_time_changed``.

    Raises:
        OptionError: an option is missing or invalid.
        FileError: a file cannot be read or written; existing outputs are unchanged, except those that the hint names.
        MissingLibrary: a package that only one of the formats needs is not installed.
    """
    inputs, targets = _inputs(params), _targets(params)
    if "xlsx" in targets:
        check_library()
    explained = pathlib.Path(params["knowledge"]).expanduser() if params.get("knowledge") else None
    _check_apart([*(("findings", path) for path in inputs), *_other_inputs(params)], targets)
    created = {name for name, path in targets.items() if not path.exists()}
    with Outputs(targets) as outputs, open_store() as store:
        reader = SnapshotReader(store)
        for path in inputs:
            reader.read(path)
        store.seal()
        beside = read_beside(params, reader.gaps)
        previous, notes = _previous(params, targets)
        notes += [str(note) for note in params.get("notes") or []]
        knowledge = read_knowledge(explained) if explained else None
        report = _report(params, reader, previous, notes, knowledge, beside)
        written = outputs.render(report, check_mode=check_mode)
        if not check_mode:
            outputs.commit(written)
    return Result(
        changed=any(item["changed"] for item in written),
        values={
            "written": [{**item, "created": item["format"] in created} for item in written],
            "summary": figures(report),
            "only_time_changed": not created and previous is not None and previous.content == report.content,
        },
        warnings=[f"{headline}: {words}" for headline, words in collect.warnings_of(report)],
    )


def figures(report: model.ReportInput) -> dict[str, t.Any]:
    """The figures that playbooks use in conditions; the full summary is in the JSON output."""
    summary = report.summary
    manifests = [file["manifest"] or file.get("stream") for file in report.files]
    return {
        "generated": report.generated,
        "complete": bool(manifests or report.attacks or report.images or report.scans)
        and not collect.warnings_of(report),
        "total": summary["total"],
        "states": summary["states"],
        "open_by_severity": summary["open_by_severity"],
        "by_age": {label: sum(counts.values()) for label, counts in summary["by_age"].items()},
        "by_kind": summary["by_kind"],
        "applications_with_findings": summary["applications_with_findings"],
        "applications_with_open": summary["applications_with_open"],
        "never_scanned": None if report.webapps is None else len(collect.never_scanned(report)),
        "changes": report.changes["counts"] if report.changes and report.changes["listed"] else None,
        "same_scope": report.changes["same_scope"] if report.changes else None,
        "verdict": report.gate.verdict if report.gate else None,
        "attacked": report.summary["attacked"] or None,
        "events": report.attacks and {name: report.attacks[name] for name in ("total", "not_blocked")},
        "overdue": report.history.breached_total if report.history and report.history.with_policy else None,
        "rules_explained": None if report.knowledge is None else len(report.knowledge),
        "quality": summary["quality"],
    }


def _inputs(params: t.Mapping[str, t.Any]) -> list[pathlib.Path]:
    given = params.get("findings")
    if isinstance(given, (str, os.PathLike)):
        given = [given]
    # Markdown can show a verdict alone; the other formats are about findings.
    alone = params.get("gate") and {name for name, path in (params.get("outputs") or {}).items() if path} == {
        "markdown"
    }
    if not given and not alone and not any(params.get(name) for name in ("events", "scans", "history", "services")):
        raise OptionError(
            "`findings` is empty.",
            hint="Give the paths of snapshots written by a finding_export module, or `events`, `scans`, `history` or "
            "`services`.",
        )
    given = given or ()
    return [pathlib.Path(path).expanduser() for path in given]


def _targets(params: t.Mapping[str, t.Any]) -> dict[str, pathlib.Path]:
    outputs = {name: path for name, path in (params.get("outputs") or {}).items() if path is not None}
    if not outputs:
        raise OptionError("`outputs` is empty.", hint=f"Give at least one of {', '.join(FORMATS)} with a path.")
    for name, path in outputs.items():
        if name not in FORMATS:
            raise OptionError(f"outputs.{name} is not a known format.", hint=f"The formats are {', '.join(FORMATS)}.")
        if not path or not isinstance(path, (str, os.PathLike)):
            raise OptionError(f"outputs.{name} has no path.", hint="Give the path of the file to write.")
    return {name: pathlib.Path(outputs[name]).expanduser() for name in FORMATS if name in outputs}


def _other_inputs(params: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, pathlib.Path]]:
    """The files that are read beside the findings, with their options."""
    for option in ("knowledge", "gate", "scans", "events", "matches", "history", "waivers", "catalog"):
        given = params.get(option)
        for item in given if isinstance(given, list) else [given]:
            if isinstance(item, (str, os.PathLike)) and item:
                yield option, pathlib.Path(item).expanduser()


def _check_apart(inputs: list[tuple[str, pathlib.Path]], targets: dict[str, pathlib.Path]) -> None:
    """Refuse an output that is the same file as another output or an input."""
    seen: dict[str, str] = {os.path.realpath(path): option for option, path in inputs}
    for name, path in targets.items():
        place = os.path.realpath(path)
        if place in seen:
            raise OptionError(f"outputs.{name} and {seen[place]} are the same file.", hint="Give each its own path.")
        seen[place] = f"outputs.{name}"


def _previous(params: t.Mapping[str, t.Any], targets: dict[str, pathlib.Path]) -> tuple[Previous | None, list[str]]:
    """The earlier report: the one of the option, else the existing JSON report, read before it is replaced."""
    given, old = params.get("previous"), targets.get("json")
    if given:
        return read_previous(pathlib.Path(given).expanduser()), []
    if old is None or not old.is_file():
        return None, []
    try:
        return read_previous(old), []
    except FileError:
        # The file is replaced anyway, and a damaged report must not block every later run.
        return None, ["The existing file at outputs.json is not a report, so there is nothing to compare with."]


def _report(
    params: t.Mapping[str, t.Any],
    reader: SnapshotReader,
    previous: Previous | None,
    notes: list[str],
    knowledge: Entries | None,
    beside: model.Beside,
) -> model.ReportInput:
    generated = reader.generated or newest_time(beside)
    gate, root = params.get("gate"), pathlib.Path(params.get("catalog_root") or ".").expanduser()
    catalog = [pathlib.Path(path).expanduser() for path in params.get("catalog") or ()]
    report = collect.build(
        reader.store,
        title=str(params.get("title") or DEFAULT_TITLE),
        generated=generated,
        files=reader.files,
        previous=previous,
        webapps=params.get("webapps"),
        notes=notes,
        knowledge=knowledge,
        scope=params.get("scope"),
        gate=read_gate(pathlib.Path(gate).expanduser()) if gate else None,
        places=read_places(catalog, root),
        beside=with_waivers(beside, params, reader.gaps, generated),
    )
    counts = {"duplicates": reader.store.duplicates, "gaps": reader.gaps.count, "other_records": reader.other_records}
    report.summary["quality"] |= {name: count for name, count in counts.items() if count}
    return report
