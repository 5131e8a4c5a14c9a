"""The report of a study: Markdown with SVG files, and one HTML page that needs nothing but itself."""

from __future__ import annotations

from pathlib import Path

from hyrec.files import write_text

REPORT_FOLDER = "report"


def write_report(folder: str | Path, baseline: str = "") -> Path:
    """Write ``report/report.html``, ``report/report.md`` and the charts that it shows into a study's folder.

    Everything is read from files; nothing is trained or asked from elsewhere. The same files give the same bytes.

    Args:
        folder: Folder that ``hyrec ablate run`` wrote; cells that have not finished are named on top of the report.
        baseline: Variant to compare the others with, in place of the study's own; the report then goes to
            ``report-<baseline>/``.

    Returns:
        The HTML page.

    Raises:
        StudyError: When the folder holds no plan, or the study has no such variant.
    """
    from hyrec.studies.report.contents import contents
    from hyrec.studies.report.findings import Findings
    from hyrec.studies.report.pages import html, markdown

    # Absolute, so that messages name it as contents() will find and shorten it.
    document = contents(Findings.read(Path(folder).absolute(), baseline))
    target = Path(folder) / (f"{REPORT_FOLDER}-{baseline}" if baseline else REPORT_FOLDER)
    target.mkdir(parents=True, exist_ok=True)
    text, charts = markdown(document)
    for stale in target.glob("*.svg"):
        if stale.name not in charts:
            stale.unlink()
    for name, chart in charts.items():
        write_text(target / name, chart)
    write_text(target / "report.md", text)
    page = target / "report.html"
    write_text(page, html(document))
    return page
