"""What inference saves by leaving out inactive experts: milliseconds of one layer at several activations.

    python benchmarks/sparse_experts.py [--tokens 16] [--d_model 256] [--experts 8] [--batch 512] [--repeats 15]

All ways are timed in turn, once in each round; the table shows the median of the rounds. Each way has the same number
of parameters. Gates are drawn so that the stated share is above zero, evenly over experts and samples.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from hyrec.nn.feedforward import PerTokenFeedForward
from hyrec.nn.sparse_experts import SparseExperts

SHARES = (1.0, 0.5, 0.25, 0.125)
DENSE = "one network a token, `RankMixer` | "


def timed(compute: Callable[[], Tensor]) -> float:
    """Return milliseconds of one call."""
    start = time.perf_counter()
    compute()
    return 1000 * (time.perf_counter() - start)


def ways(arguments: argparse.Namespace) -> dict[str, Callable[[], Tensor]]:
    """Return what is compared, by name."""
    tokens, width, experts = arguments.tokens, arguments.d_model, arguments.experts
    hidden = arguments.expansion * width
    dense = PerTokenFeedForward(tokens, width, hidden).eval()
    sparse = SparseExperts(tokens, width, hidden, num_experts=experts, activation=0.25).eval()
    x_BTD = torch.randn(arguments.batch, tokens, width)
    found: dict[str, Callable[[], Tensor]] = {DENSE: lambda: dense(x_BTD)}
    for share in SHARES:
        drawn = torch.rand(arguments.batch, tokens, experts)
        gates = drawn * (torch.rand_like(drawn) < share)
        found[f"all experts | {share:g}"] = lambda g=gates: sparse.all_experts(x_BTD, g)
        found[f"active experts only | {share:g}"] = lambda g=gates: sparse.active_experts(x_BTD, g)
    return found


@torch.inference_mode()
def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"tokens": 16, "d_model": 256, "expansion": 4, "experts": 8, "batch": 512, "repeats": 15, "threads": 1}
    for name, size in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=size)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    compared = ways(arguments)
    rounds: dict[str, list[float]] = {name: [] for name in compared}
    for _ in range(arguments.repeats + 1):
        for name, compute in compared.items():
            rounds[name].append(timed(compute))
    medians = {name: statistics.median(times[1:]) for name, times in rounds.items()}
    base = medians[DENSE]
    print("| computed | active | ms (median) | of one network a token |\n|---|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.1f} | {median / base:.2f} |")


if __name__ == "__main__":
    main()
