"""The one way to say no: what was wrong, what is allowed, and the nearest right spelling. Standard library only."""

from __future__ import annotations

import contextlib
import difflib
import traceback
from collections.abc import Iterable, Iterator

MAX_NAMES = 12
"""Names that a list shows before it is cut."""


OTHER_ENDED = (
    "Another process of this run has ended, or cannot be reached: its own messages, above or in its log, say why.\n"
    "The run continues from its last checkpoint with --ckpt_path last."
)


class CommandError(Exception):
    """A command line or config that cannot be used: what was wrong, what is allowed, the nearest name."""


class UnbuildableError(ValueError):
    """Options that a class does not take, or refuses."""


@contextlib.contextmanager
def building(what: str) -> Iterator[None]:
    """Raise ``UnbuildableError`` for what Python or a library says of the options that ``what`` is built of.

    A ``ValueError`` that has already been wrapped with its place stays.

    Example:
        >>> with building("model"):
        ...     raise ValueError("Invalid width: -1")
        Traceback (most recent call last):
            ...
        hyrec.messages.UnbuildableError: model cannot be built of these options: Invalid width: -1
    """
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        first = first_raised(error)
        if first is not error and isinstance(first, ValueError):
            raise
        why = (str(first) or type(first).__name__).splitlines()[0][:300]
        raise UnbuildableError(f"{what} cannot be built of these options: {why}") from error


def first_raised(error: BaseException) -> BaseException:
    """Return what a constructor raised, which the parser has wrapped."""
    while _raised_by_parser(error):
        inner = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if inner is None:  # raised by the call itself
            break
        error = inner
    return error


def _raised_by_parser(error: BaseException) -> bool:
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(files) and "jsonargparse" in files[-1]


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the closest of ``known``, or an empty string.

    Example:
        >>> suggest("itme", ["item", "user"])
        " Did you mean 'item'?"
    """
    found = nearest(name, known)
    return f" Did you mean {found!r}?" if found else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the closest of ``known``; None when nothing is close."""
    lowered = {str(n).lower(): n for n in known}
    close = difflib.get_close_matches(str(name).lower(), lowered, n=1, cutoff=0.6)
    return lowered[close[0]] if close else None


def listed(names: Iterable[str], what: str) -> str:
    """Return ``"<what>: a, b, c."``, cut after a dozen names."""
    known = list(names)
    if not known:
        return f"{what}: none."
    if len(known) > MAX_NAMES:
        return f"{what}: {', '.join(known[:MAX_NAMES])} and {len(known) - MAX_NAMES} more."
    return f"{what}: {', '.join(known)}."


def unknown(
    what: str, got: object, known: Iterable[object], *, allowed: str = "Allowed", why: str = "", apart: bool = False
) -> str:
    """Return a message for a name that does not exist; ``what`` begins it, ``allowed`` is what known names are called.

    ``why`` is what is wrong with it, where ``what`` does not say so: ``", which is no feature"``. ``apart`` gives what
    is allowed a line of its own.

    Example:
        >>> unknown("There is no slot", "mixr", ["mixer", "head"], allowed="Slots")
        "There is no slot 'mixr'. Did you mean 'mixer'? Slots: mixer, head."
    """
    names, between = [str(name) for name in known], "\n" if apart else " "
    return f"{what} {got!r}{why}.{suggest(str(got), names)}{between}{listed(names, allowed)}"
