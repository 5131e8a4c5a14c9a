"""The report of a study in a real browser: nothing overflows, overlaps, is missing or asks for anything else."""

from __future__ import annotations

import os
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

PROBE = Path(__file__).with_name("report_probe.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", ["table", "scaling"])
def test_a_finished_page_is_whole_and_readable_at_every_width_in_light_and_dark(tmp_path: Path, kind: str) -> None:
    if kind == "table":
        write_study(tmp_path, TABLE, seeds=(0, 1, 2), requests=60)
        fail_cell(tmp_path, "merged", 2, "RuntimeError: " + "a long line without end " * 30)
    else:
        costs, name = ("dense_parameters", "flops_per_sample"), "a_study_with_a_rather_long_name_that_goes_somewhere"
        write_study(tmp_path, SCALING, seeds=(0, 1, 2), requests=40, name=name, metrics=("query_auc",), scaling=costs)
    report = write_report(tmp_path)

    async def look(page: Page) -> None:
        for width in (375, 1280):
            grounds = []
            for scheme in ("light", "dark"):
                await page.open(report, width=width, scheme=scheme)
                seen = await page.evaluate(PROBE)
                if folder := os.environ.get("HYREC_SCREENSHOTS"):
                    await page.screenshot(Path(folder) / f"{kind}-{width}-{scheme}.png")
                check(seen, width)
                grounds.append(seen["colours"][0])
            assert grounds == ["rgb(253, 252, 250)", "rgb(20, 23, 26)"]
        # The button overrules the reader's preference, on this visit and on later ones; paper is always white.
        ground = "getComputedStyle(document.body).backgroundColor"
        await page.evaluate("document.getElementById('theme').click()")
        await page.open(report, width=1280, scheme="dark")
        assert await page.evaluate(ground) == grounds[0]
        await page.call("Emulation.setEmulatedMedia", media="print")
        assert await page.evaluate(ground) == "rgb(255, 255, 255)"
        assert page.messages == []
        assert {request.partition(":")[0] for request in page.requests} <= {"file", "data"}

    browse(look)


def check(seen: dict[str, Any], width: int) -> None:
    assert seen["scroll"] <= seen["client"] == width, seen["outside"]
    assert seen["outside"] == []
    assert seen["cut"] == []
    assert len(seen["charts"]) >= 15
    for chart in seen["charts"]:
        assert chart["width"] > 200, chart
        assert chart["height"] > 80, chart
        assert chart["texts"] > 3, chart
        assert chart["line"] >= 9, chart  # the height of a line, in CSS pixels
        assert chart["beyond"] == chart["overlaps"] == [], chart
    assert len(set(seen["colours"])) == 3
