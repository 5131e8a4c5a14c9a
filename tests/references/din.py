"""DIN (arXiv 1706.06978 4.3, as FuxiCTR builds it), one sample and one event after another."""

import torch


def interest(q, events, unit):
    """Return the sum of the events ``(L, D)``, each weighed by ``unit([q; k; q - k; q * k])``."""
    total = torch.zeros_like(q)
    for k in events:
        total = total + unit(torch.cat([q, k, q - k, q * k])) * k
    return total


def mean(events):
    """Return the mean of the events ``(L, D)``; zeros without any."""
    return events.mean(0) if len(events) else events.new_zeros(events.shape[1])
