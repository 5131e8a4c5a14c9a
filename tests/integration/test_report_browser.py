"""The report of a study in a real browser: nothing overflows, overlaps, is invisible or asks for anything else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hyrec.studies.report import write_report
from tests.unit.studies.report.study_folder import SCALING, TABLE, fail_cell, write_study

pytest.importorskip("aiohttp", reason="aiohttp drives the browser; it comes with lightning")

from tests.integration.browser import Page, browse, find_browser

pytestmark = pytest.mark.skipif(
    find_browser() is None, reason="no Chromium or Chrome on the path (as root: make browser); HYREC_BROWSER names one"
)

WIDTHS = (360, 1280)
SCHEMES = ("light", "dark")
STUDIES = ("table", "scaling")

PROBE = Path(__file__).with_name("report_probe.js").read_text(encoding="utf-8")


@dataclass
class Visit:
    """What was seen in the browser."""

    pages: dict[tuple[str, int, str], Any]
    files: dict[tuple[str, str], Any]
    toggled: tuple[str, str, str]
    messages: list[str]
    requests: set[str]
    printed: dict[str, Any]


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Visit:
    folder = tmp_path_factory.mktemp("studies")
    write_study(folder / "table", TABLE, seeds=(0, 1, 2), requests=60)
    fail_cell(folder / "table", "merged", 2, "RuntimeError: " + "a long line without end " * 30)
    write_study(
        folder / "scaling",
        SCALING,
        seeds=(0, 1, 2),
        requests=40,
        name="a_study_with_a_rather_long_name_that_has_to_go_somewhere",
        metrics=("query_auc",),
        scaling=("dense_parameters", "flops_per_sample"),
    )
    pages = {name: write_report(folder / name) for name in STUDIES}
    return browse(lambda page: _look(page, pages))


async def _look(page: Page, reports: dict[str, Path]) -> Visit:
    pages, files = {}, {}
    toggled = ("", "", "")
    ground = "getComputedStyle(document.body).backgroundColor"
    printed: dict[str, Any] = {}
    for name, report in reports.items():
        for width in WIDTHS:
            await page.open(report, width=width)
            for scheme in SCHEMES:
                await page.prefer(scheme)
                pages[name, width, scheme] = await page.evaluate(f"({PROBE}).page()")
                await _keep(page, f"{name}-{width}-{scheme}")
        await page.prefer("light")
        before = await page.evaluate(ground)
        await page.evaluate("document.getElementById('theme').click()")
        await page.open(report, width=WIDTHS[-1])
        chosen = await page.evaluate(ground)
        await page.evaluate("document.getElementById('theme').click()")
        toggled = (before, chosen, await page.evaluate(ground))
        await page.evaluate("localStorage.clear()")
        await page.call("Emulation.setEmulatedMedia", media="print")
        printed = await page.evaluate(
            "({ nav: getComputedStyle(document.querySelector('nav')).display, ground: " + ground + " })"
        )
        await page.call("Emulation.setEmulatedMedia", media="")
        for chart in sorted(report.parent.glob("*.svg")):
            for scheme in SCHEMES:
                await page.open(chart, width=1280, scheme=scheme)
                files[f"{name}/{chart.name}", scheme] = await page.evaluate(f"({PROBE}).chart()")
    return Visit(pages, files, toggled, page.messages, set(page.requests), printed)


async def _keep(page: Page, name: str) -> None:
    """Keep a picture of the page where HYREC_SCREENSHOTS asks for it."""
    if folder := os.environ.get("HYREC_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        await page.screenshot(Path(folder) / f"{name}.png")


def contrast(first: str, second: str) -> float:
    """Contrast ratio of two CSS colours, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [float(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_the_page_is_silent_and_asks_for_nothing(visit: Visit) -> None:
    assert visit.messages == []
    assert {request.partition(":")[0] for request in visit.requests} <= {"file", "data"}
    assert len([request for request in visit.requests if request.endswith(".html")]) == len(STUDIES)


def test_nothing_is_wider_than_the_screen(visit: Visit) -> None:
    for key, seen in visit.pages.items():
        assert seen["client"] == key[1]
        assert seen["scroll"] <= seen["client"], (key, seen["outside"])
        assert seen["outside"] == [], key


def test_every_chart_is_visible_and_its_texts_stay_apart_and_inside(visit: Visit) -> None:
    for key, seen in visit.pages.items():
        assert len(seen["charts"]) >= 15
        for chart in seen["charts"]:
            assert chart["width"] > 200, (key, chart)
            assert chart["height"] > 80, (key, chart)
            assert chart["texts"] > 3, (key, chart)
            assert chart["beyond"] == [], (key, chart)
            assert chart["overlaps"] == [], (key, chart)
            assert chart["line"] >= 9, (key, chart)  # the height of a line, in CSS pixels


def test_cells_of_tables_hold_their_text_and_wide_tables_scroll_sideways_only(visit: Visit) -> None:
    for key, seen in visit.pages.items():
        assert seen["cells"] > 100
        assert seen["cut"] == [], key
        assert all(inner <= outer + 1 for inner, outer in seen["boxes"]), key


def test_the_forest_plot_is_aligned_with_its_table(visit: Visit) -> None:
    for key, seen in visit.pages.items():
        assert len(seen["forests"]) == (3 if key[0] == "table" else 1)
        for forest in seen["forests"]:
            assert len(forest["zero"]) == 1
            assert forest["labels"] == [], key
            assert sum(row["marks"] for row in forest["rows"]) > 10
            for row in forest["rows"]:
                assert row["zero"] == pytest.approx(forest["zero"][0], abs=1), key
                assert row["inside"], key
                assert row["narrow"] == [], key
                assert row["overlaps"] == [], key
                assert row["beyond"] == 0, key


def test_light_and_dark_differ_and_are_both_readable(visit: Visit) -> None:
    for name in STUDIES:
        for width in WIDTHS:
            light, dark = (visit.pages[name, width, scheme] for scheme in SCHEMES)
            assert contrast(light["ground"], "rgb(0, 0, 0)") > 15
            assert contrast(dark["ground"], "rgb(255, 255, 255)") > 15
            for seen in (light, dark):
                assert contrast(seen["ground"], seen["ink"]) > 10
                for css, colour in seen["colours"].items():
                    assert contrast(seen["ground"], colour) >= 4.5, (css, colour)


def test_the_button_changes_to_dark_for_later_visits_too_and_back(visit: Visit) -> None:
    before, chosen, back = visit.toggled
    assert before == back
    assert contrast(before, chosen) > 10


def test_paper_is_white_and_has_no_links_to_click(visit: Visit) -> None:
    assert visit.printed == {"nav": "none", "ground": "rgb(255, 255, 255)"}


def test_chart_files_are_readable_on_light_and_dark(visit: Visit) -> None:
    assert len(visit.files) >= 2 * 15
    for key, seen in visit.files.items():
        assert seen["texts"] > 3, key
        assert seen["overlaps"] == [], key
        assert seen["beyond"] == [], key
        for ink in seen["inks"]:
            assert contrast(seen["ground"], ink) >= 4.5, (key, ink)
    assert all(visit.files[name, "light"]["ground"] != visit.files[name, "dark"]["ground"] for name, _ in visit.files)
