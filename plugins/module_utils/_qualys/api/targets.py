# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selects records by ids, or by a filter that a complete search resolves to ids (docs/vendors/qualys_was.md 8.6).

This module is private to the collection and may change at any time.

A filter is only used to find ids and never sent with a write: if Qualys interpreted it differently than intended, the
write would change records that nobody has checked.
"""

from __future__ import annotations

import itertools
import typing as t

from ..._base.errors import IncompleteRead, NotFound, OptionError
from ..._reconcile.apply import every
from .client import MAX_PAGE, QualysClient
from .criteria import Criterion, build
from .listing import IDS_PER_SEARCH, Listing
from .shapes import Raw, items, number, text

Options = t.Mapping[str, t.Any]


def check_selection(params: Options, ceiling: str) -> None:
    """Check the options that select records.

    Args:
        params: the options, with ``ids`` and ``filters``.
        ceiling: the option that limits how many records a filter may select.

    Raises:
        OptionError: both or neither of ids and filters are given, a filter has no ceiling, or the ceiling is negative.
    """
    ids, filters, most = params.get("ids"), params.get("filters"), params.get(ceiling)
    if bool(ids) == bool(filters):
        raise OptionError("Either ids or filters is required, and neither may be empty.", hint="Give one of them.")
    if filters and most is None:
        raise OptionError(f"filters requires {ceiling}.", hint="It limits how many records the filter may select.")
    if most is not None and most < 0:
        raise OptionError(f"{ceiling}: {most} is not a valid number of records.", hint="Give 0 or more.")


def check_ceiling(count: int, params: Options, ceiling: str, what: str) -> None:
    """Raise an error if more records would change than the ceiling allows.

    Raises:
        OptionError: there are more records than the option ``ceiling`` allows.
    """
    most = params.get(ceiling)
    if most is not None and count > most:
        option = "filters" if params.get("filters") else "ids"
        raise OptionError(
            f"{option} would change {count} {what}, more than {ceiling} ({most}).",
            hint=f"Nothing was changed. Narrow {option}, or raise {ceiling}.",
        )


def read_filtered(client: QualysClient, resource: str, params: Options, what: str, warnings: list[str]) -> list[Raw]:
    """Return every record that ``filters`` matches, in the short form.

    Args:
        client: the account.
        resource: object name.
        params: the options, with ``filters`` and ``filters_strict``.
        what: the noun for the records in messages, in the plural.
        warnings: receives a warning about records that Qualys returned although they do not match exactly.

    Raises:
        OptionError: a filter is not allowed.
        IncompleteRead: Qualys sent fewer or more records than it announced, in two attempts.
    """
    criteria = build(params["filters"], resource, strict=params["filters_strict"])
    return read_exact(client, resource, criteria, what, warnings)


def read_exact(
    client: QualysClient, resource: str, criteria: t.Sequence[Criterion], what: str, warnings: list[str]
) -> list[Raw]:
    """Return every record that matches the criteria exactly, as :func:`read_filtered` does."""
    by_tag = any(_of_tag_names(criterion) for criterion in criteria)
    if by_tag and resource != "webapp":
        # A search returns the names of tags for applications only. For other records, the tags themselves are compared.
        found = _by_tag_ids(client, criteria, warnings)
        if found is None:
            return []
        criteria, by_tag = found, False
    records = read_complete(client, resource, criteria, what, verbose=by_tag)
    if any(criterion["field"] == "attributes" for criterion in criteria):
        # A search does not return attributes.
        records = every(records, lambda raw: client.get(resource, int(raw["id"])) or raw, workers=client.workers)
    return only_exact(records, criteria, what, warnings)


def _of_tag_names(criterion: Criterion) -> bool:
    return criterion["field"].endswith("tags.name") and criterion["operator"] in _COMPARED


def _by_tag_ids(
    client: QualysClient, criteria: t.Sequence[Criterion], warnings: list[str]
) -> t.Sequence[Criterion] | None:
    """Return the criteria with tag names replaced by tag ids; None if a criterion matches no tag."""
    found: list[Criterion] = []
    for criterion in criteria:
        if not _of_tag_names(criterion):
            found.append(criterion)
            continue
        named = [{**criterion, "field": "name"}]
        tags = only_exact(read_complete(client, "tag", named, "tags"), named, "tags", warnings)
        if not tags:
            return None
        ids = ",".join(str(raw["id"]) for raw in tags)
        found.append({"field": f"{criterion['field'].removesuffix('name')}id", "operator": "IN", "value": ids})
    return found


def only_exact(records: t.Iterable[Raw], criteria: t.Sequence[Criterion], what: str, warnings: list[str]) -> list[Raw]:
    """Return the records that match exactly: Qualys' comparison of text may ignore case and accents.

    Args:
        records: the records that a search returned.
        criteria: the criteria of the search.
        what: the noun for the records in messages, in the plural.
        warnings: receives a warning about records that do not match exactly.
    """
    exact: list[Raw] = []
    strange: list[str] = []
    for raw in records:
        if all(_matches(raw, criterion) for criterion in criteria):
            exact.append(raw)
        else:
            strange.append(f"{raw.get('id')} ({text(raw.get('name'))})")
    if strange:
        more = f" and {len(strange) - _QUOTED} more" if len(strange) > _QUOTED else ""
        warnings.append(
            f"filters: Qualys returned {len(strange)} {what} that do not match the filter exactly; they are left alone:"
            f" {', '.join(strange[:_QUOTED])}{more}."
        )
    return exact


_QUOTED = 10
_COMPARED = ("EQUALS", "CONTAINS")
_COMPARED_TEXTS = frozenset({"name", "url", "externalRef", "reference", "attributes"})
"""Last parts of the fields whose values are free text."""


def _matches(raw: Raw, criterion: Criterion) -> bool:
    """Return whether the record matches a criterion on text exactly; True too if the record does not have the field."""
    path = criterion["field"].split(".")
    if criterion["operator"] not in _COMPARED or path[-1] not in _COMPARED_TEXTS:
        return True
    found, wanted = _texts_of(raw, criterion, path), criterion["value"].strip()
    if found is None:
        return True
    if criterion["operator"] == "CONTAINS":
        return any(wanted in value for value in found)
    return any(wanted == value.strip() for value in found)


def _texts_of(raw: Raw, criterion: Criterion, path: t.Sequence[str]) -> list[str] | None:
    """Return the texts with which a criterion is compared; None if the record does not have the field."""
    if criterion["field"] != "attributes":
        # The application of a scan is inside its target.
        found = _texts_at(raw, path)
        return _texts_at(raw, ["target", *path]) if found is None else found
    if not _shows_items(raw.get("attributes")):
        return None
    held = (item for item in items(raw["attributes"]) if isinstance(item, dict))
    return [text(item.get("value")) or "" for item in held if text(item.get("name")) == criterion["name"]]


def _texts_at(raw: Raw, path: t.Sequence[str]) -> list[str] | None:
    values: list[t.Any] = [raw]
    shown = False
    for name in path:
        inner = [value.get(name) for value in values if isinstance(value, dict)]
        shown = shown or any(_is_list(value) and _shows_items(value) for value in inner)
        values = [item for value in inner for item in (items(value) if _is_list(value) else [value])]
    found = [word for value in values if (word := text(value)) is not None]
    # An empty list says that there are no texts. A list with only a count leaves them unknown.
    return found if found or (shown and not values) else None


def _shows_items(value: t.Any) -> bool:
    return isinstance(value, dict) and (bool(items(value)) or number(value.get("count")) == 0)


def _is_list(value: t.Any) -> bool:
    return isinstance(value, dict) and ("list" in value or "count" in value)


def read_complete(
    client: QualysClient, resource: str, criteria: t.Sequence[Criterion], what: str, *, verbose: bool = False
) -> list[Raw]:
    """Return every record that matches.

    Raises:
        IncompleteRead: Qualys sent another number of records than it announced, in two attempts. Acting on an
            incomplete listing could create records that exist, or delete records that are in use.
    """
    records, tally = Listing(client, resource, criteria, MAX_PAGE, verbose).read()
    if not tally.complete:
        raise IncompleteRead(
            f"Qualys announced {tally.announced_after} {what} and sent {tally.records}, twice.",
            hint="Nothing was changed. Run again when nobody else changes the estate.",
        )
    return records


def read_ids(client: QualysClient, resource: str, ids: t.Sequence[int], what: str) -> list[Raw]:
    """Return the records with these ids, in the short form and in the order of the ids.

    Raises:
        NotFound: some do not exist; the message lists them.
    """
    found = look_up(client, resource, ids)
    absent = [wanted for wanted in ids if wanted not in found]
    if absent:
        raise NotFound(
            f"ids: Qualys has no {what} {', '.join(map(str, absent[:10]))}{', …' if len(absent) > 10 else ''}.",
            hint="Nothing was changed. Remove them from ids, or check whether this account may see them.",
        )
    return [found[wanted] for wanted in ids]


def look_up(client: QualysClient, resource: str, ids: t.Sequence[int], *, verbose: bool = False) -> dict[int, Raw]:
    """Return the records with these ids, by id; those that do not exist are left out."""
    parts = [ids[start : start + IDS_PER_SEARCH] for start in range(0, len(ids), IDS_PER_SEARCH)]

    def read(part: t.Sequence[int]) -> list[Raw]:
        criteria = [{"field": "id", "operator": "IN", "value": ",".join(map(str, part))}]
        return list(Listing(client, resource, criteria, MAX_PAGE, verbose).stream())

    records = itertools.chain.from_iterable(every(parts, read, workers=client.workers))
    wanted = set(ids)
    return {found: raw for raw in records if (found := number(raw.get("id"))) in wanted and found is not None}
