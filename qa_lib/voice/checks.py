"""What a person should look at in a study's themes.yaml before the first report."""

from __future__ import annotations

import pandas as pd

from qa_lib.errors import StudyError
from qa_lib.study.study import Study
from qa_lib.voice.dictionary import themes_of


def check_themes(study: Study) -> pd.DataFrame:
    """Mistakes of themes.yaml, and themes of a dimension the instrument lacks: ``severity, file, where, …``."""
    rows = []
    try:
        themes = themes_of(study.path).themes
    except StudyError as error:
        themes, rows = [], [("error", "themes.yaml", "", str(error), "")]
    known = list(study.instrument.dimensions)
    rows += [
        ("warning", "themes.yaml", f"theme {theme.id}", f"the instrument has no dimension {theme.dimension!r}.",
         f"Its dimensions: {', '.join(known)}.")
        for theme in themes
        if theme.dimension is not None and theme.dimension not in known
    ]  # fmt: skip
    if themes and not study.spec.comments:
        rows.append(("warning", "themes.yaml", "", "study.yaml declares no comments.", "Add 'comments: [COLUMN]'."))
    return pd.DataFrame(rows, columns=["severity", "file", "where", "finding", "advice"])
