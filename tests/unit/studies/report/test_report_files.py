from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from hyrec.studies.analysis.comparison import compare
from hyrec.studies.analysis.results import read_results
from hyrec.studies.plan.study import StudyError
from hyrec.studies.report import write_report
from hyrec.studies.report.numbers import fixed, signed
from tests.unit.studies.report.study_folder import SCALING, TABLE, Planted, fail_cell, remove_cell, write_study

VOID = {"meta", "link", "wbr", "br"}


class Balanced(HTMLParser):
    """Checks that tags are closed in order, and keeps ids and the addresses that a page asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if named.get("id"):
            self.ids.append(str(named["id"]))
        self.addresses += [str(named[key]) for key in ("src", "href", "srcset", "data", "action") if key in named]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another tag"


def parsed(page: Path) -> Balanced:
    parser = Balanced()
    parser.feed(page.read_text(encoding="utf-8"))
    assert parser.open == []
    return parser


def text_of(page: Path) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.read_text(encoding="utf-8"))).split())


@pytest.fixture(scope="module")
def report(finished_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "study"
    shutil.copytree(finished_study, folder)
    return write_report(folder)


def test_the_page_needs_nothing_but_itself(report: Path) -> None:
    page = parsed(report)
    assert all(address.startswith("#") or address == "data:," for address in page.addresses)
    text = report.read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\((?!#)", text)


def test_every_id_is_there_once_and_every_link_leads_somewhere(report: Path) -> None:
    page = parsed(report)
    assert len(set(page.ids)) == len(page.ids)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    named = re.findall(r'aria-labelledby="([^"]+)"', report.read_text(encoding="utf-8"))
    assert named
    assert {name for names in named for name in names.split()} <= set(page.ids)


def test_markdown_shows_every_chart_and_every_chart_is_well_formed(report: Path) -> None:
    shown = re.findall(r"\]\(([^)]+\.svg)\)", report.with_name("report.md").read_text(encoding="utf-8"))
    written = {path.name for path in report.parent.glob("*.svg")}
    assert set(shown) == written
    assert len(shown) == len(written) >= 10
    for name in written:
        assert ElementTree.parse(report.parent / name).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_the_same_study_gives_the_same_bytes_and_no_chart_of_an_earlier_report_stays(
    report: Path, study: Callable[[], Path]
) -> None:
    folder = study()
    (folder / "report").mkdir()
    (folder / "report" / "scaling-old.svg").write_text("<svg/>")
    again = write_report(folder).parent
    assert {path.name for path in again.iterdir()} == {path.name for path in report.parent.iterdir()}
    for path in sorted(report.parent.iterdir()):
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_the_report_prints_the_figures_of_the_comparison(report: Path) -> None:
    results = read_results(report.parents[1])
    markdown = report.with_name("report.md").read_text(encoding="utf-8")
    page = text_of(report)
    for metric in results.plan.study.metrics:
        for row in compare(results, metric):
            mean = fixed(float(np.mean([row.values[seed] for seed in (0, 1, 2)])))
            line = next(
                line for line in markdown.splitlines() if line.startswith(f"| `{row.variant}` | ") and mean in line
            )
            if row.is_baseline:
                continue
            assert row.group_interval is not None
            assert row.interval is not None
            for interval in (row.interval, row.group_interval):
                bounds = f"[{signed(interval.low)}, {signed(interval.high)}]"
                assert bounds in line
                assert bounds in page
            assert row.verdict in line


def test_figures_of_the_paper_stand_beside_ours_as_changes(report: Path) -> None:
    text = text_of(report)
    assert "levels are not comparable" in text
    assert "in the paper" in text
    assert "−0.17 %" in text  # 0.6478 / 0.6489 - 1


def test_carried_arguments_are_marked(report: Path) -> None:
    line = next(line for line in report.with_name("report.md").read_text().splitlines() if "num_layers" in line)
    assert "(carried)" in line


def test_text_of_the_study_is_escaped_everywhere(tmp_path: Path) -> None:
    evil = '<script>alert(1)</script> & "quotes" | pipes'
    planted = (TABLE[0], Planted("other", 0.9, about=evil, paper={}))
    write_study(tmp_path, planted, seeds=(0, 1), requests=20, question=evil, predictions=False)
    fail_cell(tmp_path, "other", 1, f"Traceback {evil}")
    page = write_report(tmp_path)
    parsed(page)
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3
    markdown = page.with_name("report.md").read_text(encoding="utf-8")
    assert "<script>" not in markdown
    assert "\\| pipes" in markdown


def test_cells_without_results_are_named_on_top(study: Callable[[], Path]) -> None:
    folder = study()
    fail_cell(folder, "merged", 1, "RuntimeError: the loss is NaN")
    remove_cell(folder, "no_pooling", 2)
    text = text_of(write_report(folder))
    assert "2 of 15 cells have no results" in text
    assert "merged s1 . RuntimeError: the loss is NaN" in text
    assert "no_pooling s2" in text
    assert text.index("2 of 15 cells") < text.index("Measured by")


def test_a_study_without_results_says_so(study: Callable[[], Path]) -> None:
    folder = study()
    for record in folder.glob("cells/*/*/cell.json"):
        record.unlink()
    page = write_report(folder)
    parsed(page)
    assert "15 of 15 cells have no results" in text_of(page)
    assert "Nothing can be compared" in text_of(page)


def test_sections_whose_data_is_missing_say_why(study: Callable[[], Path]) -> None:
    folder = study()
    (folder / "rows.parquet").unlink()
    for predictions in folder.glob("cells/*/*/predictions"):
        shutil.rmtree(predictions)
    text = text_of(write_report(folder))
    assert "No slices: rows.parquet is missing" in text
    assert "No calibration curves: no finished cell saved predictions" in text
    assert "saved no predictions" in text


def test_one_seed_gives_differences_without_intervals(tmp_path: Path) -> None:
    write_study(tmp_path, TABLE[:2], seeds=(0,), requests=40)
    text = text_of(write_report(tmp_path))
    assert "has no spread: an interval needs at least two seeds" in text
    assert "2 variants × 1 seed " in text
    assert "too few seeds" in text
    assert "nan" not in text.lower().replace("nano", "")


def test_a_metric_without_a_better_end_is_higher_or_lower(tmp_path: Path) -> None:
    write_study(tmp_path, TABLE[:3], seeds=(0, 1, 2), requests=40, metrics=("pcoc", "ece"))
    text = text_of(write_report(tmp_path))
    assert "← lower" in text
    assert "cannot be bootstrapped" in text


def test_scaling_draws_a_curve_for_each_family_and_compares_them(tmp_path: Path) -> None:
    write_study(
        tmp_path,
        SCALING,
        seeds=(0, 1, 2),
        requests=60,
        metrics=("query_auc",),
        scaling=("dense_parameters", "flops_per_sample"),
    )
    page = write_report(tmp_path)
    parsed(page)
    assert "two_stage against hyformer" in text_of(page)
    assert "Gain for ten times the cost" in text_of(page)


def test_too_few_sizes_give_the_reason_instead_of_a_curve(tmp_path: Path) -> None:
    few = [planted for planted in SCALING if planted.point["model.d_model"] in (16, 32, 64)]
    write_study(tmp_path, few, seeds=(0, 1), requests=30, metrics=("auc",), scaling=("dense_parameters",))
    assert "needs at least 4 sizes" in text_of(write_report(tmp_path))


def test_a_resumed_run_shows_one_curve(report: Path, study: Callable[[], Path]) -> None:
    folder, whole = study(), report.read_bytes()
    run = folder / "cells" / "merged" / "s0"
    header, *lines = (run / "metrics.csv").read_text().splitlines()
    (run / "metrics-1.csv").write_text("\n".join([header, *lines[:20]]) + "\n")
    (run / "metrics.csv").write_text("\n".join([header, *lines[18:]]) + "\n")
    assert write_report(folder).read_bytes() == whole


def test_a_folder_without_a_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape("plan.json")):
        write_report(tmp_path)


def test_a_baseline_that_failed_in_one_seed_takes_the_pair_and_not_the_mean(study: Callable[[], Path]) -> None:
    folder = study()
    fail_cell(folder, "hyformer", 1, "RuntimeError: out of memory")
    page = write_report(folder)
    text, markdown = text_of(page), page.with_name("report.md").read_text(encoding="utf-8")
    assert "1 of 15 cells has no results" in text
    rows = [line for line in markdown.splitlines() if line.startswith("| `merged` |") and "(mean: 3)" in line]
    assert len(rows) == 3
    assert all("| 2 (mean: 3) |" in row for row in rows)
    assert "4 of 4 differences rest on fewer than 5 seeds" in text


def test_reasons_end_with_one_full_stop(tmp_path: Path) -> None:
    write_study(tmp_path, TABLE[:2], seeds=(0, 1), requests=40, metrics=("bogus", "auc"), predictions=False)
    text = text_of(write_report(tmp_path))
    assert "Nothing can be compared: No cell" in text
    assert not re.search(r"[^.]\.\.[^.]", text)


def test_five_seeds_need_no_warning_and_three_do(report: Path, tmp_path: Path) -> None:
    assert "4 of 4 differences rest on fewer than 5 seeds" in text_of(report)
    write_study(tmp_path, TABLE[:2], requests=40)
    assert "which a claim needs" not in text_of(write_report(tmp_path))


def test_one_seed_tests_no_slope(tmp_path: Path) -> None:
    write_study(tmp_path, SCALING, seeds=(0,), requests=40, scaling=("dense_parameters",))
    text = text_of(write_report(tmp_path))
    assert "too few seeds" in text
    assert "after Holm's correction)" not in text


def test_a_variant_that_changes_nothing_is_suspected(study: Callable[[], Path]) -> None:
    folder = study()
    for cell in folder.glob("cells/merged/*"):
        shutil.copytree(folder / "cells/hyformer" / cell.name / "predictions", cell / "predictions", dirs_exist_ok=True)
        shutil.copy(folder / "cells/hyformer" / cell.name / "metrics.csv", cell)
    text = text_of(write_report(folder))
    assert "merged: every seed gives the very same figures." in text


def test_the_report_says_which_versions_the_cells_ran_with_where_they_are_not_the_plans(
    report: Path, study: Callable[[], Path]
) -> None:
    folder = study()
    assert "cells ran with" not in report.with_name("report.md").read_text()
    for number, path in enumerate(sorted(folder.glob("cells/*/*/cell.json"))):
        source = {"version": "0.2", "commit": "feed"} if number < 2 else {"version": "0.1.0", "commit": None}
        path.write_text(json.dumps({**json.loads(path.read_text()), **source}))
    text = write_report(folder).with_name("report.md").read_text()
    assert "2 cells ran with 0.2, commit `feed`" in text
    assert "13 cells ran with 0.1.0, no commit known" in text


def test_no_path_of_this_machine_stands_in_a_report(study: Callable[[], Path]) -> None:
    folder = study()
    (folder / "cells/merged/s0/metrics.csv").unlink()
    (folder / "rows.parquet").unlink()
    fail_cell(folder, "no_pooling", 1, f"OSError: {folder}/cells/no_pooling/s1/x cannot be written")
    page = write_report(folder)
    for text in (page.read_text(), page.with_name("report.md").read_text()):
        assert str(folder) not in text
        assert "cells/no_pooling/s1/x cannot be written" in text
        assert "cells/merged/s0 has no metrics.csv" in text


def test_another_baseline_is_compared_with_in_a_report_of_its_own(study: Callable[[], Path]) -> None:
    folder = study()
    baseline = next(v.variant.name for v in read_results(folder).plan.variants[1:])
    page = write_report(folder, baseline)
    assert page.parent.name == f"report-{baseline}"
    assert not (folder / "report").exists()
    assert f"baseline {baseline} in place of" in page.read_text(encoding="utf-8")
    one, other = read_results(folder), read_results(folder, baseline)
    difference = next(r.difference for r in compare(one, "query_auc") if r.variant == baseline)
    (back,) = (r.difference for r in compare(other, "query_auc") if r.variant == one.plan.study.baseline)
    assert difference is not None
    assert back == pytest.approx(-difference)


def test_a_baseline_that_the_study_does_not_have_is_refused_with_the_nearest_name(finished_study: Path) -> None:
    with pytest.raises(StudyError, match="longer_rankmixer"):
        write_report(finished_study, "longer_rankmixerx")
