"""What the charts of a report say, read from matplotlib's figures and from the files that they become."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure as Drawing

from hyrec.studies.analysis.curves import average
from hyrec.studies.analysis.statistics import paired_t
from hyrec.studies.plan.study import Variant
from hyrec.studies.report.blocks import Figure, Forest, ForestRow
from hyrec.studies.report.charts import cost_chart, curve_limits
from hyrec.studies.report.contents import contents
from hyrec.studies.report.findings import Findings
from hyrec.studies.report.forest import forest_chart
from hyrec.studies.report.style import COLOURS, MARKERS, asset, limits, spread, ticks
from hyrec.studies.report.svg import Chart, chart_file
from tests.unit.studies.report.study_folder import SCALING, write_study

HOSTILE = '</text><script>alert("$x^2$")</script> & _{'


@pytest.fixture(scope="module")
def findings(finished_study: Path) -> Findings:
    return Findings.read(finished_study)


@pytest.fixture(scope="module")
def blocks(findings: Findings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Figure | Forest]:
    """All figures of two studies by name, those of the second after ``scaling/``."""
    folder = tmp_path_factory.mktemp("studies") / "scaling"
    write_study(folder, SCALING, seeds=(0, 1, 2), requests=40, metrics=("query_auc",), scaling=("dense_parameters",))
    found = {block_name(block): block for block in figures(findings)}
    return found | {f"scaling/{block_name(block)}": block for block in figures(Findings.read(folder))}


def figures(findings: Findings) -> Iterator[Figure | Forest]:
    for section in contents(findings).sections:
        yield from (block for block in section.blocks if isinstance(block, Figure | Forest))


def block_name(block: Figure | Forest) -> str:
    return block.chart.name if isinstance(block, Forest) else block.name


def charts_of(block: Figure | Forest) -> tuple[Chart, ...]:
    if isinstance(block, Figure):
        return block.charts
    return (block.chart, *(strip for _, rows in block.groups for _, strip in rows))


def words(figure: Drawing) -> list[str]:
    labels = [label for axes in figure.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return [text.get_text() for text in (*figure.texts, *labels)]


def across(figure: Drawing) -> set[tuple[float, float]]:
    """Ends of all level lines."""
    lines = [np.asarray(line.get_xdata(), float) for line in figure.axes[0].lines]
    return {(round(x[0], 9), round(x[-1], 9)) for x in lines if len(x) == 2}


def upright(figure: Drawing) -> set[tuple[float, float]]:
    """Ends of all upright lines."""
    lines = [np.asarray(line.get_ydata(), float) for line in figure.axes[0].lines]
    return {(round(y[0], 9), round(y[-1], 9)) for y in lines if len(y) == 2}


def ends(*intervals: object) -> set[tuple[float, float]]:
    return {(round(i.low, 9), round(i.high, 9)) for i in intervals if i is not None and i.known}  # type: ignore[attr-defined]


def test_the_forest_plot_draws_both_intervals_of_every_variant_at_their_values(
    findings: Findings, blocks: dict[str, Figure | Forest]
) -> None:
    for metric, rows in findings.comparisons.items():
        block = blocks[f"forest-{metric.replace('/', '-')}"]
        assert isinstance(block, Forest)
        shown = across(block.chart.figure)
        for row, (_, strip) in zip(rows, block.groups[0][1], strict=True):
            assert row.variant in words(block.chart.figure)
            if not row.is_baseline:
                both = ends(row.interval, row.group_interval)
                assert len(both) == 2
                assert both <= shown
                assert both <= across(strip.figure)


def test_every_chart_against_cost_names_all_variants_and_draws_the_intervals_of_their_means(
    findings: Findings, blocks: dict[str, Figure | Forest]
) -> None:
    for chart in charts_of(blocks["cost"]):
        assert {row.variant for row in findings.rows} <= set(words(chart.figure))
        assert ends(*(paired_t(list(row.values.values())) for row in findings.rows)) <= upright(chart.figure)


def test_small_panels_are_named_after_their_variant_and_share_their_axes(
    findings: Findings, blocks: dict[str, Figure | Forest]
) -> None:
    others = [row.variant for row in findings.rows if not row.is_baseline]
    for name, block in blocks.items():
        if re.match("curves|slices|calibration", name):
            charts = charts_of(block)
            assert [words(chart.figure)[0] for chart in charts][-len(others) :] == others
            assert len({(chart.figure.axes[0].get_xlim(), chart.figure.axes[0].get_ylim()) for chart in charts}) == 1


def test_scaling_draws_points_and_a_curve_for_each_family(blocks: dict[str, Figure | Forest]) -> None:
    (chart,) = charts_of(blocks["scaling/scaling-dense-parameters"])
    assert {"hyformer", "two_stage"} <= set(words(chart.figure))
    fitted = {line.get_label(): line for line in chart.figure.axes[0].lines if len(np.asarray(line.get_xdata())) > 2}
    assert set(fitted) == {"hyformer", "two_stage"}
    assert len({line.get_linestyle() for line in fitted.values()}) == 2


def test_no_verdict_is_told_by_colour_alone(findings: Findings) -> None:
    assert len(set(MARKERS.values())) == len(MARKERS)
    rows = [replace(row, verdict=v) for row, v in zip(findings.rows[1:], ("better", "worse", "lower"), strict=False)]
    chart = cost_chart("cost", "auc", "FLOPs", [(row, 1e6) for row in rows])
    drawn = [line.get_marker() for line in chart.figure.axes[0].lines if line.get_linestyle() == "None"]
    assert drawn == [MARKERS["better"], MARKERS["worse"], MARKERS["neutral"]]


def test_names_in_the_margin_stay_apart_where_all_points_coincide(findings: Findings) -> None:
    (row, *_) = findings.rows
    variants = [Variant(f"variant_{i}", f"variant_{i}") for i in range(30)]
    costs = [replace(row.costs, planned=replace(row.costs.planned, variant=variant)) for variant in variants]
    points = [(replace(row, costs=one, is_baseline=False), 2e6) for one in costs]
    figure = cost_chart("cost", "auc", "FLOPs", points).figure
    heights = sorted(text.get_position()[1] for text in figure.texts if text.get_text().startswith("variant_"))
    assert len(heights) == 30
    assert all(b - a >= 16.9 for a, b in pairwise(heights))
    assert heights[0] > 0
    assert heights[-1] < figure.bbox.height


def test_the_steep_start_of_training_does_not_hide_the_rest() -> None:
    curve = average([[(step, 100.0 if step < 3 else 0.5 + 0.001 * step) for step in range(100)]])
    assert curve is not None
    assert curve_limits([curve])[1][1] < 1


def test_every_chart_is_well_formed_says_what_it_shows_and_repeats_no_id(blocks: dict[str, Figure | Forest]) -> None:
    for name, block in blocks.items():
        ids: list[str] = []
        for chart in charts_of(block):
            root = ElementTree.fromstring(chart.svg)
            ids += [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
            if not chart.title:
                assert root.attrib["aria-hidden"] == "true"
                continue
            title, description = root[:2]
            assert (title.tag, description.tag) == ("title", "desc")
            assert (title.text, description.text) == (chart.title, chart.description)
            assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], description.attrib["id"]]
            assert len(chart.description) > 20, name
        assert len(set(ids)) == len(ids), name


def test_every_colour_of_a_chart_has_one_for_dark_grounds(blocks: dict[str, Figure | Forest]) -> None:
    used = {
        colour
        for block in blocks.values()
        for chart in charts_of(block)
        for colour in re.findall(r'(?:fill|stroke)="(.+?)"', chart.svg)
    }
    assert used - {"none"} <= set(COLOURS.values())


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


def hostile_chart(name: str) -> Chart:
    row = ForestRow(HOSTILE, "worse", "worse", "p 0.01", "0.7", -0.1, (-0.2, 0.0), None, ("−0.1",), "")
    return forest_chart(name, HOSTILE, "auc", ("worse", "better"), {"": [row]}, "groups")


def test_hostile_names_are_shown_as_they_are() -> None:
    file = chart_file([hostile_chart("a")], HOSTILE, HOSTILE)
    texts = ["".join(element.itertext()) for element in ElementTree.fromstring(file).iter() if "text" in element.tag]
    assert any(text.startswith("</text><") for text in texts)
    assert "<script" not in file


def test_the_same_data_gives_the_same_bytes_whatever_the_readers_own_settings() -> None:
    first = hostile_chart("a").svg
    with matplotlib.rc_context({"font.size": 31, "svg.fonttype": "path", "lines.linewidth": 9, "axes.grid": False}):
        assert hostile_chart("a").svg == first
    assert matplotlib.rcParams["svg.fonttype"] == matplotlib.rcParamsDefault["svg.fonttype"]
    assert hostile_chart("b").svg != first


def test_names_in_other_scripts_warn_of_no_missing_glyph(recwarn: pytest.WarningsRecorder) -> None:
    row = ForestRow("无池化", "neutral", "not distinguishable", "", "0.7", 0.0, None, None, (), "")
    svg = forest_chart("a", "t", "auc", ("worse", "better"), {"": [row]}, "groups").svg
    assert "无池化" in svg
    assert not recwarn.list


@given(st.lists(st.floats(-1e6, 1e6), max_size=8), st.integers(3, 6), st.booleans())
@settings(max_examples=100, deadline=None)
def test_ticks_lie_on_the_axis_of_any_values_and_their_labels_differ(
    values: list[float], count: int, log: bool
) -> None:
    low, high = limits([1 + abs(value) ** 2 for value in values] if log else values, log=log)
    assert all(low <= value <= high for value in ([] if log else values))
    found = ticks((low, high), count, log=log)
    assert 1 <= len(found) <= count + 1
    assert all(low <= tick <= high for tick in found)
    assert len(set(found.values())) == len(found)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12), st.floats(1, 8))
def test_labels_are_moved_apart_and_keep_their_order(wanted: list[float], apart: float) -> None:
    places = spread(wanted, apart, 0, 100)
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    assert all(places[b] - places[a] >= apart - 1e-9 for a, b in pairwise(order))
    assert all(-1e-9 <= place <= 100 + 1e-9 for place in places)


def test_labels_with_room_stay_where_they_are() -> None:
    assert spread([50, 10, 90], 10, 0, 100) == [50, 10, 90]
