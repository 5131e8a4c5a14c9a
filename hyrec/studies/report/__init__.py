"""The report of a study: Markdown with SVG files, and one HTML page that needs nothing but itself."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from hyrec.files import write_text
from hyrec.studies.report.findings import Findings

REPORT_FOLDER = "report"


class ReportExtraMissingError(ModuleNotFoundError, ValueError):
    """A report was asked for, and what draws it is not installed."""


_KEPT = "All that it is made of stays in the study's folder, and hyrec ablate report FOLDER writes it at any time."


def require_report_extra(kept: str = _KEPT) -> None:
    """Raise ``ReportExtraMissingError``, with the command that helps, unless a report can be drawn and laid out.

    Args:
        kept: What is there nevertheless, for the message.
    """
    missing = [name for name in ("matplotlib", "jinja2") if importlib.util.find_spec(name) is None]
    if missing:
        raise ReportExtraMissingError(f"No report without {' and '.join(missing)}: pip install 'hyrec[report]'. {kept}")


def write_report(folder: str | Path, baseline: str = "", findings: Findings | None = None) -> Path:
    """Write ``report/report.html``, ``report/report.md`` and the charts that it shows into a study's folder.

    Everything is read from files; nothing is trained or asked from elsewhere. The same files give the same bytes.

    Args:
        folder: Folder that ``hyrec ablate run`` wrote; cells that have not finished are named on top of the report.
        baseline: Variant to compare the others with, in place of the study's own; the report then goes to
            ``report-<baseline>/``.
        findings: What was found so, where that has been read already.

    Returns:
        The HTML page.

    Raises:
        StudyError: When the folder holds no plan, or the study has no such variant.
        ReportExtraMissingError: When matplotlib or Jinja2 is not installed.
    """
    require_report_extra()
    from hyrec.studies.report.blocks import Figure
    from hyrec.studies.report.contents import contents
    from hyrec.studies.report.pages import html, markdown

    findings = findings or Findings.read(folder, baseline)
    document, lies = contents(findings), findings.results.folder
    target = Path(folder) / (f"{REPORT_FOLDER}-{baseline}" if baseline else REPORT_FOLDER)
    target.mkdir(parents=True, exist_ok=True)
    for stale in target.glob("*.svg"):
        stale.unlink()
    figures = [block for section in document.sections for block in section.blocks if isinstance(block, Figure)]
    files = {f"{chart.name}.svg": chart.file for figure in figures for chart in figure.charts}
    files |= {"report.md": markdown(document, lies), "report.html": html(document, lies)}
    for name, content in files.items():
        write_text(target / name, content)
    return target / "report.html"
