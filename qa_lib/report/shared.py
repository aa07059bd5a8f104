"""Analyses that pages of one rendering share: what one page computed, the others read.

A rendering names a folder in the environment variable ``QA_SHARED_RESULTS``; without it, as in JupyterLab, every call
computes. The folder lives as long as the rendering, so that nothing in it can be out of date.
"""

from __future__ import annotations

import copyreg
import os
import pickle
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import joblib

from qa_lib.errors import QaError, QaWarning
from qa_lib.report.messages import Message

FOLDER = "QA_SHARED_RESULTS"


def _read_only(content: dict) -> MappingProxyType:
    return MappingProxyType(content)


copyreg.pickle(MappingProxyType, lambda view: (_read_only, (dict(view),)))  # results hold such mappings


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an analysis gave: its result, or why there is none, and what it warned of."""

    result: object
    cautions: tuple[Message, ...]
    refusal: Message | None = None


def outcome(analysis: Callable[..., object], arguments: tuple, options: Mapping[str, object]) -> Outcome:
    """``analysis(*arguments, **options)``, computed once in a rendering for equal arguments, whatever page asks."""
    path = _place(analysis, arguments, options)
    if path is None:
        return _computed(analysis, arguments, options)
    try:
        return pickle.loads(path.read_bytes())
    except FileNotFoundError:
        found = _computed(analysis, arguments, options)
        _store(found, path)
        return found


def _place(analysis: Callable[..., object], arguments: tuple, options: Mapping[str, object]) -> Path | None:
    """Where the outcome is kept; None when nothing is shared, or what is asked has no name that pages share."""
    folder = os.environ.get(FOLDER)
    name = getattr(analysis, "__qualname__", "<")
    if not folder or "<" in name or hasattr(analysis, "__self__"):
        return None
    try:
        return Path(folder) / joblib.hash((analysis.__module__, name, arguments, dict(options)))
    except (pickle.PicklingError, TypeError, AttributeError):
        return None


def _computed(analysis: Callable[..., object], arguments: tuple, options: Mapping[str, object]) -> Outcome:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", QaWarning)
        try:
            result, refusal = analysis(*arguments, **options), None
        except QaError as error:
            result, refusal = None, Message(type(error).__name__, str(error))
    for other in caught:
        if not issubclass(other.category, QaWarning):
            warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    ours = (w for w in caught if issubclass(w.category, QaWarning))
    cautions = dict.fromkeys(Message(w.category.__name__, str(w.message)) for w in ours)
    return Outcome(result, tuple(cautions), refusal)


def _store(found: Outcome, path: Path) -> None:
    """Keeps an outcome for the other pages, whole or not at all; a full disk costs time, not the page."""
    try:
        content = pickle.dumps(found)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as scratch:
            scratch.write(content)
        os.replace(scratch.name, path)
    except (OSError, pickle.PicklingError, TypeError, AttributeError):
        return
