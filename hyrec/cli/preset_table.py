"""``hyrec inspect --preset-table``: what the presets of paper scale cost, beside the figures that the papers print."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from hyrec.config.experiment import Experiment
from hyrec.inspection import inspect_ranker, model_costs, without_memory
from hyrec.plain_text import count, table

HYFORMER = "HyFormer, table 1 (arXiv 2601.12681)"
RANKMIXER = "RankMixer-100M and 1B (arXiv 2507.15551)"
LONGER = "LONGER, 3.3: one layer by its formulas (arXiv 2505.04421)"


@dataclass(frozen=True)
class Preset:
    """A preset and what a paper prints for it.

    Args:
        name: Its file in ``pkg:hyrec/paper/``.
        paper: Where the figures stand.
        parameters: Published dense parameters.
        flops: Published FLOPs of a batch.
        batch: Samples of that batch.
        candidates: Samples of each request, whose sequences are encoded once.
    """

    name: str
    paper: str
    parameters: float
    flops: float
    batch: int
    candidates: int


@dataclass(frozen=True)
class Comparison:
    """Published costs and those that hyrec counts; FLOPs are forward, of ``samples`` samples."""

    name: str
    paper: str
    samples: int
    candidates: int
    published_parameters: float
    parameters: int
    published_flops: float
    flops: float

    @property
    def parameters_error(self) -> float:
        """Relative difference of the parameters to those that are published."""
        return self.parameters / self.published_parameters - 1.0

    @property
    def flops_error(self) -> float:
        """Relative difference of the FLOPs to those that are published."""
        return self.flops / self.published_flops - 1.0


PRESETS = (
    *(
        Preset(name, HYFORMER, parameters * 1e6, flops * 1e12, batch=2048, candidates=8)
        for name, parameters, flops in [
            ("longer_rankmixer", 386, 3.5),
            ("longer_transformer", 416, 6.2),
            ("longer_wukong", 385, 5.2),
            ("transformer_rankmixer", 388, 6.6),
            ("transformer_transformer", 418, 9.3),
            ("transformer_wukong", 387, 8.3),
            ("unified_longer", 406, 6.6),
            ("unified", 450, 21.9),
            ("hyformer", 418, 3.9),
        ]
    ),
    Preset("rankmixer_100m", RANKMIXER, 107e6, 233e9, batch=512, candidates=1),
    Preset("rankmixer_1b", RANKMIXER, 1.1e9, 2.1e12, batch=512, candidates=1),
)


def run(candidates: int | None, as_json: bool) -> int:
    """Print the table; with ``candidates``, every preset is counted with as many samples a request."""
    rows = [*(compare(preset, candidates) for preset in PRESETS), *(compare_longer(ratio) for ratio in (1, 4))]
    if as_json:
        errors = [{"parameters_error": row.parameters_error, "flops_error": row.flops_error} for row in rows]
        print(json.dumps([asdict(row) | error for row, error in zip(rows, errors, strict=True)], indent=1))
    else:
        print(as_text(rows))
    return 0


def compare(preset: Preset, candidates: int | None = None) -> Comparison:
    """Count a preset, built without memory."""
    candidates = candidates or preset.candidates
    with without_memory():
        model = Experiment.parse(["--config", f"pkg:hyrec/paper/{preset.name}.yaml"]).model()
    costs = model_costs(model, candidates=candidates)
    return Comparison(
        preset.name,
        preset.paper,
        preset.batch,
        candidates,
        preset.parameters,
        costs.dense_parameters,
        preset.flops,
        costs.flops_per_sample * preset.batch,
    )


def compare_longer(merge_ratio: int) -> Comparison:
    """Count one encoder of LONGER beside ``24 L d^2 K + 4 L^2 d / K`` FLOPs and ``12 K^2 d^2 + 13 K d`` parameters."""
    k = merge_ratio
    with without_memory():
        options = [f"--model.encoder.merge_ratio={k}", f"--model.encoder.num_recent={2048 // k}"]
        model = Experiment.parse(["--config", "pkg:hyrec/paper/longer.yaml", *options]).model()
    length, d = model.schema.sequences["events"].max_length, model.network.ctx.d_model
    report = inspect_ranker(model, lengths={"events": length}, candidates=1, batch_size=1)
    (encoder,) = (cost for cost in report.costs if cost.component == "encoder events")
    formula = 24 * length * d**2 * k + 4 * length**2 * d / k
    return Comparison(
        f"longer, K = {k}", LONGER, 1, 1, 12 * k**2 * d**2 + 13 * k * d, encoder.parameters, formula, encoder.flops
    )


def as_text(rows: list[Comparison]) -> str:
    """Lay out the table for the terminal, a part for each paper."""
    header = ["preset", "parameters", "here", "error", "FLOPs", "here", "error"]
    parts = []
    for paper in dict.fromkeys(row.paper for row in rows):
        own = [row for row in rows if row.paper == paper]
        cells = [
            [
                row.name,
                count(row.published_parameters, 4),
                count(row.parameters, 4),
                _error(row.parameters_error),
                count(row.published_flops, 4),
                count(row.flops, 4),
                _error(row.flops_error),
            ]
            for row in own
        ]
        samples, candidates = own[0].samples, own[0].candidates
        of = f"{samples:,} samples, {candidates} a request" if samples > 1 else "one sample"
        parts.append(f"{paper}; forward FLOPs of {of}\n{table(header, cells, right=range(1, len(header)))}")
    return "\n\n".join(parts)


def _error(error: float) -> str:
    return f"{error:+.1%}".replace("-", "−")
