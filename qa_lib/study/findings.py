"""What a person should look at before the first report: ``qa check``."""

from __future__ import annotations

import re
import warnings

import pandas as pd

from qa_lib.errors import QaError, QaWarning
from qa_lib.study.checks import answer_sums, doubts_of
from qa_lib.study.exports.files import SUFFIXES, read_table
from qa_lib.study.kept import read_anew
from qa_lib.study.privacy import personal_column
from qa_lib.study.screening import screen
from qa_lib.study.study import Study
from qa_lib.study.ticket_log import log_findings
from qa_lib.study.versions import VERSION, version_findings

GUESS = "# a guess:"
"""What a drafted line ends with until a person has confirmed it; ``check`` lists them."""
CONFIRM = "Correct it if it is wrong; delete the mark to confirm it."
_NAMED = 8  # of the items that a guess is made of; the others are counted
_OWNER = re.compile(r"^ {2}(?:- (?:\{)?id: ([^\s,}]+)|(\w+):\s*$)")
_FINDING = ["severity", "file", "where", "finding", "advice"]
_RECORDS = ("tickets", "calls", "complaints", "customers", "outages", "facilities", "monitoring")
_PERSONAL_ADVICE = "It is hashed when read. Leave it out of the file, or declare it in study.yaml: 'personal: [{}.{}]'."
_SCALE_ADVICE = "Compare the scale in instrument.yaml; a code for no answer belongs to missing_codes."


def check(study: Study) -> pd.DataFrame:
    """What a person should look at before the first report: ``severity, file, where, finding, advice``, a row each.

    An error that stops reading is a row of severity ``error``; doubts about the data, warnings of the screening and
    columns full of values outside their scale are rows of severity ``warning``.
    """
    findings: list[tuple[str, str, str, str, str]] = [*_guesses(study), *_personal(study)]
    if (tickets := study.tickets_of_log()) is not None:
        findings += log_findings(tickets)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", QaWarning)
        try:
            findings += _of_responses(study)
        except QaError as error:
            return pd.DataFrame([("error", "responses", "", str(error), ""), *findings], columns=_FINDING)
    screening = [str(warning.message) for warning in caught if issubclass(warning.category, QaWarning)]
    findings += [("warning", "responses", "screening", message, "") for message in screening]
    return pd.DataFrame(findings, columns=_FINDING)


def _guesses(study: Study) -> list[tuple[str, str, str, str, str]]:
    """The lines of a draft that still bear the mark of a guess, those of one kind as one finding."""
    findings = []
    for name in ("study.yaml", "instrument.yaml"):
        kinds: dict[tuple[str, str, int], list[tuple[int, str]]] = {}
        owner = ""
        for number, line in enumerate((study.path / name).read_text(encoding="utf-8-sig").splitlines(), 1):
            if (found := _OWNER.match(line)) or not line.startswith(" "):
                owner = next(filter(None, found.groups())) if found else ""
            said, mark, why = line.partition(GUESS)
            if mark:
                alone = 0 if owner else number  # a line of the file itself is a finding of its own
                kinds.setdefault((said.strip().rstrip(":"), why, alone), []).append((number, owner))
        findings += [_guess(name, said, why, lines) for (said, why, _), lines in kinds.items()]
    return findings


def _guess(file: str, said: str, why: str, lines: list[tuple[int, str]]) -> tuple[str, str, str, str, str]:
    numbers, owners = [number for number, _ in lines], [owner for _, owner in lines if owner]
    where = f"line {numbers[0]}" if len(lines) == 1 else f"{len(lines)} lines from {numbers[0]}"
    more = f" and {len(owners) - _NAMED} more" if len(owners) > _NAMED else ""
    of = f"{', '.join(owners[:_NAMED])}{more}: " if owners else ""
    return "confirm", file, where, f"{of}{said}:{why}.", CONFIRM


def _personal(study: Study) -> list[tuple[str, str, str, str, str]]:
    """A finding for every column of an operations record that likely holds personal data and is not declared."""
    files = {name: sorted((study.path / name).iterdir()) for name in _RECORDS if (study.path / name).is_dir()}
    files |= {name.stem: [name] for name in sorted(study.path.glob("*.csv"))}
    return [
        (
            "warning",
            f"{path.relative_to(study.path)}",
            name,
            f"likely personal data ({kind.replace('_', ' ')}).",
            advice,
        )
        for record, paths in files.items()
        for path in paths
        if path.suffix.lower() in SUFFIXES
        for name, texts in read_table(path).items()
        if name not in study.may_be_personal(record) and (found := personal_column([name], texts)) is not None
        for kind, advice in [(found[0], _PERSONAL_ADVICE.format(record, name))]
    ]


def _of_responses(study: Study) -> list[tuple[str, str, str, str, str]]:
    """Findings on the responses, from one table after another: of a large study, period by period."""
    sums, ledgers, versions, rows = [], [], [], pd.Series(dtype=int)
    for responses in read_anew(study):
        screen(responses)
        sums.append(answer_sums(responses.data, responses.instrument))
        ledgers.append(responses.ledger[responses.ledger["reason"] == "out_of_range"])
        versions.append(responses.data[[name for name in ("date", VERSION) if name in responses.data]])
        rows = rows.add(responses.data["source_file"].value_counts(), fill_value=0)
        instrument = responses.instrument
    findings = version_findings(study.instrument, pd.concat(versions, ignore_index=True))
    for item, finding, advice in doubts_of(sum(sums[1:], sums[0]), instrument):
        findings.append(("warning", "instrument.yaml", f"items → {item}", f"item {item} {finding}.", advice))
    ledger = pd.concat(ledgers, ignore_index=True)
    return findings + _off_scale(ledger[~(ledger["row"].isna() & ledger.duplicated())], rows)


def _off_scale(ledger: pd.DataFrame, rows: pd.Series) -> list[tuple[str, str, str, str, str]]:
    """A finding for every column of a file in which more than one answer in twenty lies outside the scale."""
    counts = ledger.groupby(["file", "column"])["count"].sum()
    return [
        ("warning", file, column, f"{n} answers lie outside the scale and count as missing.", _SCALE_ADVICE)
        for (file, column), n in counts.items()
        if n > 0.05 * rows.get(file, 1)
    ]
