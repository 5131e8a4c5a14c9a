"""``hyrec inspect``: token layout, parameters, FLOPs and memory of a config."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from hyrec.cli import preset_table
from hyrec.cli.arguments import StrictParser, demand
from hyrec.config.experiment import Experiment
from hyrec.data.parquet import ParquetData
from hyrec.inspection import Inspection, inspect_ranker, without_memory
from hyrec.messages import CommandError, unknown
from hyrec.plain_text import count, table
from hyrec.schema import Schema


def configure(parser: StrictParser) -> None:
    """Add the options that are not those of ``fit``."""
    parser.description = "Show what a config is made of. Takes every option of fit besides."
    parser.takes_more = True
    lengths = "events of every sequence, as 100 or views=200,clicks=50. Default: max_length"
    parser.add_argument("--lengths", default="", help=lengths)
    parser.add_argument("--candidates", type=int, help="samples of each request. Default: 1")
    table = "count the presets of paper scale beside the figures that the papers print"
    parser.add_argument("--preset-table", action="store_true", help=table)
    parser.add_argument("--json", action="store_true", help="write JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print an inspection."""
    demand(options, candidates=1)
    if options.preset_table:
        if options.more or options.lengths:
            given = " ".join([*(["--lengths"] if options.lengths else []), *options.more])
            raise CommandError(
                f"--preset-table counts presets as they are, and takes --candidates and --json. Got {given}."
            )
        return preset_table.run(options.candidates, options.json)
    candidates = options.candidates or 1
    experiment = Experiment.parse(["fit", *options.more])
    with without_memory():
        model = experiment.model()
    batch_size = (experiment.options["data"].get("init_args") or {}).get("batch_size", 256)
    lengths = read_lengths(options.lengths, model.schema)
    report = inspect_ranker(model, lengths=lengths, candidates=candidates, batch_size=batch_size)
    data = experiment.data()
    window = data.window_estimate(lengths, candidates) if isinstance(data, ParquetData) and data.shuffle else ""
    found = asdict(report) | {"window": window}
    print(json.dumps(found, indent=1) if options.json else "\n\n".join([as_text(report), window]).rstrip())
    return 0


def read_lengths(text: str, schema: Schema) -> dict[str, int]:
    """Read ``--lengths``: one number, or numbers by sequence; sequences not named have their ``max_length``.

    Raises:
        CommandError: For an unknown sequence, or a length that is no number or is negative.
    """
    lengths = {name: spec.max_length for name, spec in schema.sequences.items()}
    for part in filter(None, text.split(",")):
        name, equals, number = part.rpartition("=")
        if not number.strip().isdigit():
            raise CommandError(f"--lengths needs numbers, as in 100 or views=200,clicks=50. Got {part!r}.")
        if equals and name.strip() not in lengths:
            raise CommandError(unknown("--lengths names the sequence", name, lengths, allowed="Sequences"))
        for sequence in [name.strip()] if equals else lengths:
            lengths[sequence] = min(int(number), schema.sequences[sequence].max_length)
    return lengths


def as_text(report: Inspection) -> str:
    """Lay out an inspection for the terminal."""
    sources = f" of {', '.join(report.merged)}" if report.merged else ""
    tokens = []
    for name, n in report.queries.items():
        made_of = f"sequence {name} ({report.lengths[name]} events{sources})"
        tokens += [[f"query {i + 1} of {name}" if n > 1 else f"query of {name}", made_of] for i in range(n)]
    tokens += [["NS token", ", ".join(names) or "padding (learned)"] for names in report.ns_tokens]
    numbered = [[str(i), *row] for i, row in enumerate(tokens)]
    total = report.flops_per_sample or 1.0
    costs = []
    for c in report.costs:
        shares = [str(c.layers), count(c.parameters), count(c.flops), f"{c.flops / total:.1%}"]
        costs.append([c.component, ", ".join(c.classes), *shares])
    costs.append(["all", "", "", count(report.dense_parameters), count(report.flops_per_sample), "100.0%"])
    tables = [[name, f"{rows:,}", str(dim), count(rows * dim)] for name, (rows, dim) in report.tables.items()]
    tables.append(["all", "", "", count(report.sparse_parameters)])
    limits = [f"  {line}" for line in report.limits]
    memory = [[kind, f"{size / 2**20:,.1f} MiB"] for kind, size in report.memory_bytes.items()]
    memory.append(["all", f"{sum(report.memory_bytes.values()) / 2**20:,.1f} MiB"])
    idle = [f"Inference leaves out {count(report.idle_flops)} of these FLOPs at the set activation of experts."]
    shared = f", {report.candidates} candidates a request" if report.candidates > 1 else ""
    return "\n\n".join(
        [
            f"Tokens (T = {len(tokens)}, D = {report.d_model})\n" + table(["token", "kind", "made of"], numbered),
            "\n".join(
                [
                    f"Layers (FLOPs a sample, forward{shared})",
                    table(["component", "class", "layers", "parameters", "FLOPs", "share"], costs, right=(2, 3, 4, 5)),
                    *(idle if report.idle_flops else []),
                ]
            ),
            "\n".join(
                ["Embedding tables", table(["table", "rows", "width", "parameters"], tables, right=(1, 2, 3)), *limits]
            ),
            f"Memory of a training step, float32, {report.batch_samples:,} samples (estimate)\n"
            + table(["what", "size"], memory, right=(1,)),
            "Labels\n" + table(["task", "positive"], [[task, rule] for task, rule in report.labels.items()]),
        ]
    )
