"""Studies: variants of a config over paired seeds, their costs, their statistics and the report.

Four floors, each importing only those before it: ``plan`` (what is asked, parsed and counted), ``run`` (the cells),
``analysis`` (what they say) and ``report`` (what is shown). In a notebook::

    from hyrec import studies

    request = studies.StudyRequest.read("pkg:hyrec/ablations/debug.yaml", {"seeds": [0, 1]})
    plan = studies.make_plan(request)                      # what differs and what it costs; trains nothing
    run = studies.StudyRun(request, out=Path("runs/studies/debug"))
    plan, outcomes = studies.run_study(run)
    results = studies.read_results(run.folder)
    rows = studies.compare(results, "query_auc")           # differences, intervals, verdicts
    page = studies.write_report(run.folder)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyrec.studies.analysis.comparison import compare
    from hyrec.studies.analysis.results import read_results
    from hyrec.studies.plan.planner import make_plan
    from hyrec.studies.plan.request import StudyRequest
    from hyrec.studies.report import write_report
    from hyrec.studies.run.study import StudyRun, run_study

_LAZY = {
    "StudyRequest": "plan.request",
    "StudyRun": "run.study",
    "compare": "analysis.comparison",
    "make_plan": "plan.planner",
    "read_results": "analysis.results",
    "run_study": "run.study",
    "write_report": "report",
}

__all__ = ["StudyRequest", "StudyRun", "compare", "make_plan", "read_results", "run_study", "write_report"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"hyrec.studies.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'hyrec.studies' has no attribute {name!r}")
