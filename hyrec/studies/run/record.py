"""What is known about a cell that has been started: ``cell.json`` in its folder."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Literal

from hyrec.files import write_text
from hyrec.studies.plan.study import StudyError
from hyrec.studies.run.cell import Cell

RECORD_FILE = "cell.json"
Status = Literal["finished", "failed", "interrupted"]


@dataclass(frozen=True)
class CellRecord:
    """The state of a cell. While it runs its status is ``interrupted``: that is what it is if nothing follows.

    Args:
        study: Name of the study.
        variant: Name of the variant.
        seed: The seed.
        fingerprint: That of the cell.
        status: ``finished`` with test metrics, ``failed`` on its own, or ``interrupted`` from outside.
        exit_code: Of the latest attempt; negative for the signal that ended it, None while it runs.
        seconds: Wall time of all attempts that led here, in seconds.
        attempts: How often it was started, beginning with the first time.
        arguments: What followed ``hyrec fit``, without seed, folder and name.
        started: When the latest attempt started, ISO 8601 with time zone.
        ended: When it ended; empty while it runs.
        error: Last lines of the log of an attempt that did not finish.
        folder: Where the cell lay, absolute; its checkpoints hold this path.
        version: Version of hyrec that the latest attempt ran with; empty when that was not written down.
        commit: Commit of the checkout that it ran from; None outside of one.
    """

    study: str
    variant: str
    seed: int
    fingerprint: str
    status: Status
    exit_code: int | None
    seconds: float
    attempts: int
    arguments: tuple[str, ...]
    started: str
    ended: str
    error: str
    folder: str
    version: str = ""
    commit: str | None = None

    def save(self, folder: Path) -> None:
        """Write ``cell.json``; readers see the whole file or none."""
        write_text(folder / RECORD_FILE, json.dumps(asdict(self), indent=1, ensure_ascii=False))

    @classmethod
    def load(cls, folder: Path) -> CellRecord | None:
        """Read ``cell.json``; None when the cell was never started.

        Raises:
            StudyError: When the file cannot be understood.
        """
        path = folder / RECORD_FILE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            needed = {field.name for field in fields(cls) if field.default is MISSING}
            known = {f.name: content[f.name] for f in fields(cls) if f.name in needed or f.name in content}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise StudyError(
                f"{path} cannot be read: {error!r}. Remove its folder to run the cell again; it may be of another "
                "version of hyrec."
            ) from error
        return cls(**{**known, "arguments": tuple(known["arguments"])})

    def belongs_to(self, cell: Cell) -> bool:
        """Whether this is the record of the same experiment."""
        return self.fingerprint == cell.fingerprint

    def changes(self, cell: Cell) -> str:
        """Return in one line how a cell differs from what was run, for a message."""
        before = _words(self.arguments, self.seed)
        after = _words(cell.arguments, cell.seed)
        gone = " ".join(word for word in before if word not in after)
        new = " ".join(word for word in after if word not in before)
        return f"{gone or 'nothing'} -> {new or 'nothing'}" if gone or new else "the same arguments in another order"


def _words(arguments: tuple[str, ...], seed: int) -> list[str]:
    """Join every option with its value."""
    words: list[str] = []
    for argument in (*arguments, "--seed_everything", str(seed)):
        if argument.startswith("-") or not words or " " in words[-1]:
            words.append(argument)
        else:
            words[-1] += f" {argument}"
    return words
