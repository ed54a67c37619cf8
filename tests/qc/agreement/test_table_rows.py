"""Rows of tables of figures as HTML."""

from qc.core.agreement.figures import Coefficient, Figure
from qc.selectors.agreement.table_parts import Column, Table
from qc.templatetags.coefficients import coefficient, rate, table_rows

COLUMNS = (
    Column("Name", "link"), Column("Group", "group"), Column("Said"), Column("Alpha", "figure"),
    Column("Raw", "rate"), Column("Share", "share"), Column("Boxes", "count"),
    Column("Minutes", "number"),
)  # fmt: skip


def rows(*values):
    table = Table("t", "T", COLUMNS)
    table.add(*values)
    return table_rows(table.shown)


def test_each_kind_of_cell_is_shown_and_sorted_by_its_value():
    alpha = Figure(0.815, "", 8, (0.7, 0.925), 2)
    shown = rows(
        ("kim", "/a/kim"),
        ("object_use", ""),
        "walk",
        alpha,
        Figure(0.5, "", 8),
        0.256,
        1234,
        2.5,
    )
    assert shown == (
        '<tr><td data-order="kim"><a class="title-link" href="/a/kim"><b>kim</b></a></td>'
        '<td data-order="object_use">Object use</td><td data-order="walk">walk</td>'
        '<td data-order="0.815" class="num"><span class="k ok">0.82</span>'
        ' <span class="mut small nowrap">0.70 to 0.93</span>'
        ' <span class="mut small nowrap">2 undefined</span></td>'
        '<td data-order="0.5" class="num"><span class="k">0.50</span></td>'
        '<td data-order="0.256" class="num nowrap">26 %</td>'
        '<td data-order="1234" class="num nowrap">1,234</td>'
        '<td data-order="2.5" class="num nowrap">2.5</td></tr>'
    )


def test_undefined_figures_say_why_and_come_last():
    undefined = Figure(None, "nobody & nothing", 0)
    shown = rows("kim", "", "", undefined, undefined, None, None, None)
    reason = '<span class="mut small note-cell">Undefined: nobody &amp; nothing</span>'
    assert shown.count(f'<td data-order="inf" class="num">{reason}</td>') == 2
    assert shown.count('<td data-order="inf" class="num nowrap"><span class="mut">&ndash;') == 3


def test_names_and_reasons_are_escaped():
    alpha = Figure(0.5, "", 8, None, 0, "<b>")
    shown = rows(("<i>", 'x"y'), ("<u>", ""), "a & b", alpha, alpha, 0, 0, 0)
    assert "<i>" not in shown
    assert 'href="x&quot;y"' in shown
    assert "&lt;u&gt;" in shown
    assert "a &amp; b" in shown
    assert 'title="&lt;b&gt;">no interval<span class="vh">: &lt;b&gt;</span>' in shown


def test_a_figure_beside_a_table_looks_the_same():
    assert coefficient(Coefficient(0.2, "", 3)) == '<span class="k bad">0.20</span>'
    assert rate(Coefficient(0.2, "", 3)) == '<span class="k">0.20</span>'
    assert "Undefined: &lt;" in rate(Coefficient(None, "<", 0))


def test_a_table_without_rows_is_empty():
    assert table_rows([]) == ""
