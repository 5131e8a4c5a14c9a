"""Tries the command of a sweep before its first trial, so that a typo costs nothing."""

from __future__ import annotations

from hyrec.callbacks.monitor import metrics_of
from hyrec.config.experiment import Experiment
from hyrec.inspection import without_memory
from hyrec.messages import CommandError, unknown
from hyrec.metrics import facts_of
from hyrec.ranker import Ranker
from hyrec.tuning.space import SweepError
from hyrec.tuning.sweep import Sweep


def check(sweep: Sweep) -> None:
    """Parse command lines that together hold every value and both ends of every range, and look for the metric.

    Raises:
        SweepError: For an option or a value that ``hyrec fit`` does not take, a metric that no run logs, or a goal
            that is its worse end.
    """
    lines = max(len(one.examples) for one in sweep.parameters)
    model, problem = None, ""
    for number in range(lines):
        values = {one.name: one.examples[number % len(one.examples)] for one in sweep.parameters}
        try:
            experiment = Experiment.parse(["fit", *sweep.arguments(values)])
        except (CommandError, ValueError) as error:
            told = " ".join(f"--{name}={value}" for name, value in values.items())
            raise SweepError(f"hyrec fit does not take {told}\n{error}") from error
        if model is None:
            try:
                with without_memory():
                    model = experiment.model()
            except ValueError as error:  # of these sizes; others may fit
                problem = problem or str(error)
    if model is None:
        raise SweepError(f"No model can be built of the first values:\n{problem}")
    _check_metric(sweep, model, bool(experiment.options["trainer"].get("callbacks")))


def _check_metric(sweep: Sweep, model: Ranker, has_callbacks: bool) -> None:
    model.setup("fit")
    names = [name for name in model.logged_names() if name.startswith("val/")]
    if sweep.metric not in names:
        if has_callbacks:  # which may log it
            return
        raise SweepError(unknown("metric.name is", sweep.metric, names, allowed="Logged"))
    mode = facts_of(sweep.metric, metrics_of(model)).mode
    if mode is not None and (mode == "max") != sweep.maximize:
        goal, word = ("maximize", "larger") if mode == "max" else ("minimize", "smaller")
        raise SweepError(f"metric.goal is the worse end of {sweep.metric}, of which a {word} one is better: {goal}.")
