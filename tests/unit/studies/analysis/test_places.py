"""Paths in a report start at the study's folder."""

from pathlib import Path

import pytest

from hyrec.studies.analysis.places import THE_STUDY, inside

HOME = "/home/ada/s"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{HOME}/cells/a/s0/metrics.csv cannot be read", "cells/a/s0/metrics.csv cannot be read"),
        (f"No cell of {HOME} reports 'auc'.", f"No cell of {THE_STUDY} reports 'auc'."),
        (f"Look into {HOME}.", f"Look into {THE_STUDY}."),
        (f"Look into '{HOME}/'", f"Look into '{THE_STUDY}'"),
        (f"{HOME}2/cells and {HOME}.bak and /mnt{HOME}/x", f"{HOME}2/cells and {HOME}.bak and /mnt{HOME}/x"),
    ],
)
def test_only_the_folder_itself_is_taken_out(text, shown):
    assert inside(text, HOME) == shown


def test_a_relative_folder_is_no_word_of_the_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert inside(f"tiny: {tmp_path}/tiny/rows.parquet", Path("tiny")) == "tiny: rows.parquet"
