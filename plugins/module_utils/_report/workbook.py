# Copyright: appsec.perimeter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small writer of Office Open XML workbooks (ECMA-376): sheets of text and numbers, row by row.

This module is private to the collection and may change at any time.

It writes what a report needs and nothing more, so it needs no library, and a row costs a quarter of what a library
takes for it. Rows go straight into the archive, which need not be seekable. No cell can be a formula or a link: there
is no code for either. All times in the file are fixed, so the same rows give the same bytes.
"""

from __future__ import annotations

import re
import typing as t
import zipfile
from xml.sax.saxutils import escape, quoteattr

Cell = t.Union[str, int, float, None]
Row = t.Sequence[Cell]
Sheet = tuple[str, Row, t.Iterable[Row]]
"""Name, head and rows."""

MAX_CHARACTERS = 32_767
"""Characters of a cell that Excel takes."""
_ROWS_IN_A_CHUNK = 500
_DATE = (1980, 1, 1, 0, 0, 0)
_CREATED = "2000-01-01T00:00:00Z"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Excel takes _x0041_ for the character with that number, so the text itself has to be escaped.
_ESCAPE = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")

_STYLES = (
    f'{_XML}<styleSheet xmlns="{_MAIN}">'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)


def write_workbook(stream: t.BinaryIO, title: str, sheets: t.Sequence[Sheet]) -> None:
    """Write a workbook.

    Args:
        stream: where to; it is only written to, from front to back.
        title: title of the document.
        sheets: each with a frozen head. Their rows are asked for one after the other.
    """
    names = [name for name, _head, _rows in sheets]
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        _part(archive, "[Content_Types].xml", _content_types(len(names)))
        _part(archive, "_rels/.rels", _relations(_ROOT))
        _part(archive, "docProps/core.xml", _properties(title))
        _part(archive, "xl/workbook.xml", _workbook(names))
        sheet_parts = [("worksheet", f"worksheets/sheet{number}.xml") for number in range(1, len(names) + 1)]
        _part(archive, "xl/_rels/workbook.xml.rels", _relations([*sheet_parts, ("styles", "styles.xml")]))
        _part(archive, "xl/styles.xml", _STYLES)
        for number, (_name, head, rows) in enumerate(sheets, 1):
            with archive.open(_info(f"xl/worksheets/sheet{number}.xml"), "w", force_zip64=True) as part:
                for piece in _sheet(head, rows):
                    part.write(piece.encode())


_ROOT = (
    ("officeDocument", "xl/workbook.xml"),
    (f"{_PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
)


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    info._compresslevel = 1  # type: ignore[attr-defined]
    return info


def _part(archive: zipfile.ZipFile, name: str, content: str) -> None:
    archive.writestr(_info(name), content.encode())


def _sheet(head: Row, rows: t.Iterable[Row]) -> t.Iterator[str]:
    yield (
        f'{_XML}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" '
        'activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
        f'<cols><col min="1" max="{len(head)}" width="18" customWidth="1"/></cols><sheetData>'
    )
    yield _row(head, ' s="1"')
    chunk: list[str] = []
    for row in rows:
        chunk.append(_row(row, ""))
        if len(chunk) == _ROWS_IN_A_CHUNK:
            yield "".join(chunk)
            chunk = []
    yield "".join(chunk) + "</sheetData></worksheet>"


def _row(row: Row, style: str) -> str:
    return f"<row>{''.join([_cell(cell, style) for cell in row])}</row>"


def _cell(cell: Cell, style: str) -> str:
    if cell is None or cell == "":
        return "<c/>"
    if isinstance(cell, str):
        return f'<c t="inlineStr"{style}><is><t xml:space="preserve">{_text(cell)}</t></is></c>'
    return f"<c{style}><v>{cell!r}</v></c>"


def _text(value: str) -> str:
    if len(value) > MAX_CHARACTERS:
        value = value[:MAX_CHARACTERS]
    # Most cells are plain words, and there are millions of them.
    if value.isalnum():
        return value
    shown = _FORBIDDEN.sub("\ufffd", value)
    if "_x" in shown:
        shown = _ESCAPE.sub("_x005F_", shown)
    return escape(shown)


def _content_types(count: int) -> str:
    parts = [("xl/workbook.xml", f"{_TYPES}.sheet.main+xml"), ("xl/styles.xml", f"{_TYPES}.styles+xml")]
    parts += [(f"xl/worksheets/sheet{number}.xml", f"{_TYPES}.worksheet+xml") for number in range(1, count + 1)]
    parts += [("docProps/core.xml", "application/vnd.openxmlformats-package.core-properties+xml")]
    listed = "".join(f'<Override PartName="/{name}" ContentType="{kind}"/>' for name, kind in parts)
    return (
        f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{listed}</Types>'
    )


def _relations(parts: t.Sequence[tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="rId{number}" Type="{kind if "/" in kind else f"{_RELATION}/{kind}"}" Target="{target}"/>'
        for number, (kind, target) in enumerate(parts, 1)
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def _properties(title: str) -> str:
    stamp = f'xsi:type="dcterms:W3CDTF">{_CREATED}'
    return (
        f'{_XML}<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<dc:title>{_text(title)}</dc:title><dcterms:created {stamp}</dcterms:created>"
        f"<dcterms:modified {stamp}</dcterms:modified></cp:coreProperties>"
    )


def _workbook(names: t.Sequence[str]) -> str:
    listed = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{number}" r:id="rId{number}"/>' for number, name in enumerate(names, 1)
    )
    return (
        f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATION}"><bookViews><workbookView/></bookViews>'
        f"<sheets>{listed}</sheets></workbook>"
    )
