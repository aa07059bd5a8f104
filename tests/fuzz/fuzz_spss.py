"""SPSS files, plain and compressed, and Stata files where they are read.

Invariants: only a QaError leaves, whatever readstat stumbles over; every row is among the responses, or the ledger says
why not; memory is bounded, whatever the header promises. The library reads such a file in a process of its own, which
readstat may end; here it is read in this one, where its coverage is seen, unless a fork of it was ended.
"""

import contextlib
import faulthandler
import os
import signal
from functools import cache
from pathlib import Path
from unittest.mock import patch

import harness
import pandas as pd
import pyreadstat
import studies

from qa_lib.errors import QaError, ResponseError
from qa_lib.study.exports import statistical
from qa_lib.study.exports.files import SUFFIXES

NAMES = [f"2026-10{suffix}" for suffix in (".sav", ".zsav", ".dta") if suffix in SUFFIXES]


def check(data: bytes) -> None:
    name = NAMES[data[0] % len(NAMES) if data else 0]
    reading = statistical.read if _survives(harness.file(data[1:], name)) else _broken_down
    with patch.object(statistical, "whole_file", reading):
        studies.check_responses(data[1:], name)


def _survives(path: Path) -> bool:
    if (child := os.fork()) == 0:
        faulthandler.disable()
        for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE):
            signal.signal(number, signal.SIG_DFL)  # libFuzzer's own would call it a finding
        with contextlib.suppress(QaError):
            statistical.read(path)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _broken_down(path: Path) -> None:
    raise ResponseError(f"{path} is not a whole file: its parser broke down.")


@cache
def seeds() -> list[bytes]:
    table = pd.DataFrame(
        {
            "respondent": ["a", "b", "c"],
            "date": ["2026-10-01", "2026-10-02", "2026-10-02"],
            "Q1": [1.0, 5.0, 9.0],
            "Q2": [2.0, None, 3.0],
            "branch": ["North", "南", ""],
        }
    )
    labels = {"Q1": {1.0: "Very bad", 5.0: "Very good"}}
    path = harness.SCRATCH / "seed.sav"
    found = []
    for options in ({}, {"row_compress": True}, {"compress": True}):
        pyreadstat.write_sav(table, path, variable_value_labels=labels, missing_ranges={"Q1": [9]}, **options)
        found += [bytes([place]) + path.read_bytes() for place in range(min(2, len(NAMES)))]
    if ".dta" in SUFFIXES:
        pyreadstat.write_dta(table, path)
        found.append(bytes([len(NAMES) - 1]) + path.read_bytes())
    return found
