"""Least squares for ``y = a − b · x^−c``, many series at once; numpy alone.

For a given c the curve is linear in a and b, so these have a closed form and only c is searched (variable projection):
over a grid of its whole range first, then ever closer around the best. No starting values, no local minimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hyrec.studies.analysis.scores import Floats

MIN_EXPONENT, MAX_EXPONENT = 0.01, 5.0
"""Where c is searched. Below, the curve is a straight line in log x; above, a step at the smallest size."""
_GRID, _ZOOM, _ROUNDS = 61, 9, 9
_AT_BOUND = 1.02


@dataclass(frozen=True)
class PowerLaw:
    """Fitted curves ``y = a − b · (x / x0)^−c``, one a series: ``(series,)`` each.

    ``x0`` is the geometric mean of the sizes, ``b`` is 0 or more, ``a`` at most ``limit``; ``error`` is the sum of
    squared residuals.
    """

    a: Floats
    b: Floats
    c: Floats
    x0: float
    limit: float
    error: Floats

    def __call__(self, x: Floats) -> Floats:
        """Return the curves at some sizes, ``(series, sizes)``."""
        return np.asarray(self.a[:, None] - self.b[:, None] * _powers(x / self.x0, self.c[:, None]))

    @property
    def scale(self) -> Floats:
        """``b`` of ``y = a − b · x^−c``, for x in its own unit."""
        return np.asarray(self.b * self.x0**self.c)

    @property
    def straight(self) -> npt.NDArray[np.bool_]:
        """Series that show no end: straight lines in log x, or such whose ``a`` is the largest value allowed."""
        return np.asarray((self.c <= MIN_EXPONENT * _AT_BOUND) | (self.a >= self.limit))

    @property
    def steep(self) -> npt.NDArray[np.bool_]:
        """Series whose best exponent is the largest allowed: the smallest size differs and the others do not."""
        return np.asarray(self.c >= MAX_EXPONENT / _AT_BOUND)


def fit_power_law(x: Floats, y: Floats, limit: float = np.inf) -> PowerLaw:
    """Fit ``y = a − b · x^−c`` with b ≥ 0, a ≤ limit and c in [0.01, 5] by least squares.

    Shape:
        x: ``(sizes,)``, positive. y: ``(series, sizes)``, no value above the limit.
    """
    if not (x > 0).all():
        raise ValueError(f"Sizes must be above 0, got {x.tolist()}.")
    if (y > limit).any():
        raise ValueError(f"No value may lie above the limit {limit}, got {float(y.max())}.")
    x0 = float(np.exp(np.log(x).mean()))
    z = x / x0
    grid = np.linspace(np.log(MIN_EXPONENT), np.log(MAX_EXPONENT), _GRID)
    log_c = np.broadcast_to(grid, (len(y), _GRID))
    width = float(grid[1] - grid[0])
    for _ in range(_ROUNDS):
        best = np.take_along_axis(log_c, _solve(z, y, log_c, limit)[2].argmin(1)[:, None], 1)
        log_c = np.clip(best + np.linspace(-width, width, _ZOOM), grid[0], grid[-1])
        width *= 2 / (_ZOOM - 1)
    a, b, error = _solve(z, y, log_c, limit)
    at = error.argmin(1)[:, None]
    a, b, error, log_c = (np.take_along_axis(part, at, 1)[:, 0] for part in (a, b, error, log_c))
    return PowerLaw(a, b, np.exp(log_c), x0, limit, error)


def _solve(z: Floats, y: Floats, log_c: Floats, limit: float) -> tuple[Floats, Floats, Floats]:
    """Return the best a and b for every given c, and the squared error: ``(series, candidates)`` each."""
    u_RCS = _powers(z, np.exp(log_c)[..., None])
    y_R1S = y[:, None, :]
    u_mean, y_mean = u_RCS.mean(-1), y_R1S.mean(-1)
    centred = u_RCS - u_mean[..., None]
    b = np.maximum(-(centred * y_R1S).sum(-1) / (centred**2).sum(-1), 0.0)
    a = y_mean + b * u_mean
    over = a > limit
    if over.any():
        b = np.where(over, (u_RCS * (limit - y_R1S)).sum(-1) / (u_RCS**2).sum(-1), b)
        a = np.where(over, limit, a)
    error = ((a[..., None] - b[..., None] * u_RCS - y_R1S) ** 2).sum(-1)
    return a, b, error


def _powers(z: Floats, c: Floats) -> Floats:
    return np.asarray(np.exp(-c * np.log(z)))
