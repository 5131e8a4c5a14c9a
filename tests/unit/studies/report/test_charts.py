"""What the charts of a report say, read from matplotlib's figures and from the files that they become."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure as Drawing

from hyrec.studies.analysis.statistics import Interval, paired_t
from hyrec.studies.report.blocks import Figure
from hyrec.studies.report.charts import TONES, Row, cost_chart, interval_chart, spread
from hyrec.studies.report.contents import contents
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.svg import Chart, asset
from tests.unit.studies.report.study_folder import SCALING, write_study

HOSTILE = '</text><script>alert("$x^2$")</script> & _{'


@pytest.fixture(scope="module")
def findings(finished_study: Path) -> Findings:
    return Findings.read(finished_study)


@pytest.fixture(scope="module")
def charts(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Chart]:
    """All charts of two studies by name, those of the second after ``scaling/``."""
    folder = tmp_path_factory.mktemp("studies") / "scaling"
    write_study(folder, SCALING, seeds=(0, 1, 2), requests=40, metrics=("query_auc",), scaling=("dense_parameters",))
    found = {chart.name: chart for chart in charts_of(findings)}
    return found | {f"scaling/{chart.name}": chart for chart in charts_of(Findings.read(folder))}


def charts_of(findings: Findings) -> Iterator[Chart]:
    for section in contents(findings).sections:
        yield from (chart for block in section.blocks if isinstance(block, Figure) for chart in block.charts)


def words(figure: Drawing) -> list[str]:
    (axes,) = figure.axes
    labels = [*axes.get_xticklabels(), *axes.get_yticklabels(), *axes.texts]
    return [axes.get_title(loc="left"), *(text.get_text() for text in labels)]


def lines(figure: Drawing, *, upright: bool) -> set[tuple[float, float]]:
    """Ends of all lines between two places."""
    data = [np.asarray(one.get_ydata() if upright else one.get_xdata(), float) for one in figure.axes[0].lines]
    return {(round(x[0], 9), round(x[-1], 9)) for x in data if len(x) == 2}


def ends(*intervals: Interval | None) -> set[tuple[float, float]]:
    return {(round(i.low, 9), round(i.high, 9)) for i in intervals if i is not None and i.known}


def test_the_forest_plot_draws_both_intervals_of_every_variant_at_their_values(
    findings: Findings, charts: dict[str, Chart]
) -> None:
    for metric, rows in findings.comparisons.items():
        figure = charts[f"forest-{metric.replace('_', '-')}"].figure
        assert {row.variant for row in rows} <= set(words(figure))
        for row in rows:
            assert ends(row.interval, row.group_interval) <= lines(figure, upright=False)


def test_every_chart_against_cost_names_all_variants_and_draws_the_intervals_of_their_means(
    findings: Findings, charts: dict[str, Chart]
) -> None:
    for name in ("cost-flops-per-sample", "cost-dense-parameters"):
        figure = charts[name].figure
        assert {row.variant for row in findings.rows} <= set(words(figure))
        means = (paired_t(list(row.values.values())) for row in findings.rows)
        assert ends(*means) <= lines(figure, upright=True)


@pytest.mark.parametrize("kind", ["curve-val-query-auc", "curve-train-loss", "slice-history-length", "reliability"])
def test_small_panels_are_named_after_their_variant_and_share_their_axes(
    findings: Findings, charts: dict[str, Chart], kind: str
) -> None:
    others = [row.variant for row in findings.rows if not row.is_baseline]
    panels = [chart.figure for name, chart in charts.items() if re.fullmatch(rf"{kind}-\d", name)]
    assert [words(panel)[0] for panel in panels][-len(others) :] == others
    assert len({(panel.axes[0].get_xlim(), panel.axes[0].get_ylim()) for panel in panels}) == 1


def test_scaling_draws_points_and_a_curve_for_each_family(charts: dict[str, Chart]) -> None:
    figure = charts["scaling/scaling-dense-parameters"].figure
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["hyformer", "two_stage"]
    assert sum(len(np.asarray(line.get_xdata())) > 2 for line in figure.axes[0].lines) == 2


def test_no_verdict_is_told_by_colour_alone() -> None:
    assert len({look["marker"] for look in TONES.values()}) == len(TONES)
    rows = [Row(tone, tone, Interval(0.1)) for tone in TONES]
    for chart in (
        interval_chart("a", "t", rows, ""),
        cost_chart("b", "auc", "FLOPs", [(row, 1e6) for row in rows]),
    ):
        drawn = [line.get_marker() for line in chart.figure.axes[0].lines if line.get_marker() != "None"]
        assert drawn == [look["marker"] for look in TONES.values()]


def test_every_colour_of_a_chart_on_a_page_has_one_for_dark_grounds(charts: dict[str, Chart]) -> None:
    for chart in charts.values():
        assert not re.search(r"#[0-9a-f]{6}", re.sub(r'"#[^"]*"|url\(#[^)]*\)', "", chart.inline))


def test_texts_and_marks_are_readable_on_light_and_dark() -> None:
    pairs = dict(re.findall(r"--([\w-]+): light-dark\((.+?)\)", asset("colours.css")))
    for side in (0, 1):
        ground = pairs["ground"].split(", ")[side]
        for name in set(pairs) - {"ground", "raised", "rule", "faint"}:
            assert contrast(ground, pairs[name].split(", ")[side]) >= 4.5, (name, side)


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def one_row(name: str, variant: str, title: str = "t") -> Chart:
    return interval_chart(name, title, [Row(variant, "worse", Interval(-0.1, -0.2, 0.0))], "")


def test_hostile_names_are_shown_as_they_are() -> None:
    chart = one_row("a", HOSTILE, HOSTILE)
    for svg in (chart.file, chart.inline):
        root = ElementTree.fromstring(svg.replace("xlink:href", "href"))
        texts = ["".join(element.itertext()) for element in root.iter() if element.tag.endswith("text")]
        assert any(text.startswith("</text><") for text in texts)
        assert "<script" not in svg


def test_the_same_data_gives_the_same_bytes_whatever_the_readers_own_settings() -> None:
    first = one_row("a", "v").inline
    with matplotlib.rc_context({"font.size": 31, "svg.fonttype": "path", "lines.linewidth": 9, "axes.grid": False}):
        assert one_row("a", "v").inline == first
    assert matplotlib.rcParams["svg.fonttype"] == matplotlib.rcParamsDefault["svg.fonttype"]
    assert one_row("b", "v").inline != first


def test_names_in_other_scripts_warn_of_no_missing_glyph(recwarn: pytest.WarningsRecorder) -> None:
    assert "无池化" in one_row("a", "无池化").inline
    assert not recwarn.list


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12), st.floats(1, 8))
def test_labels_are_moved_apart_and_keep_their_order(wanted: list[float], apart: float) -> None:
    places = spread(wanted, apart, 0, 100)
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    assert all(places[b] - places[a] >= apart - 1e-9 for a, b in pairwise(order))
    assert all(-1e-9 <= place <= 100 + 1e-9 for place in places)


def test_labels_with_room_stay_where_they_are() -> None:
    assert spread([50, 10, 90], 10, 0, 100) == [50, 10, 90]
