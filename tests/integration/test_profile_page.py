"""The page of ``hyrec data profile``: it needs nothing but itself, and nothing overflows on a desk or in a hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hyrec.cli.main import main
from tests.unit.data.profiling.logs import SPLITS, log, write

pytest.importorskip("matplotlib", reason="the page is drawn with hyrec[report]")

PROBE = Path(__file__).with_name("report_probe.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    columns = log()
    for split in SPLITS:
        columns[split]["extra"] = columns[split]["click"] * 1.0
    columns["test"]["price"] = columns["test"]["price"] + 1
    folder = write(tmp_path_factory.mktemp("profile") / "a_data_set_with_a_rather_long_name", columns)
    assert main(["data", "profile", str(folder), "--out", str(folder / "out")]) == 0
    return folder / "out" / "profile.html"


def test_the_page_refers_to_nothing_outside_itself(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert (
        re.findall(r"(?:src|href)=\"(?!#|data:)[^\"]*|url\((?!#)[^)]*|https?://(?!www\.w3\.org)[^\s\"<]*", text) == []
    )


def test_the_page_names_what_leaks_and_what_to_do(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "1 suspected leak:" in text
    assert "<code>extra</code>: its two values are the label" in text


def test_the_page_does_not_scroll_sideways_and_no_text_of_a_chart_is_cut(page: Path) -> None:
    pytest.importorskip("aiohttp", reason="aiohttp drives the browser; it comes with lightning")
    from tests.integration.browser import Page, browse, find_browser

    if find_browser() is None:
        pytest.skip("no Chromium or Chrome on the path; HYREC_BROWSER names one")

    async def look(tab: Page) -> None:
        for width in (375, 1280):
            await tab.open(page, width=width)
            seen = await tab.evaluate(PROBE)
            assert seen["scroll"] <= seen["client"] == width, seen["outside"]
            assert seen["outside"] == seen["cut"] == []
            assert len(seen["charts"]) >= 3
            for chart in seen["charts"]:
                assert chart["beyond"] == chart["overlaps"] == [], chart
        assert tab.messages == []
        assert {request.partition(":")[0] for request in tab.requests} <= {"file", "data"}

    browse(look)
