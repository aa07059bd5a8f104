"""Simulated answers as survey services export them: 问卷星 for Chinese respondents, Qualtrics for the others."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pandas as pd

from qa_lib.study.instrument import Instrument

Questions = Mapping[str, Mapping[str, str]]  # column of comments → language → the open question


def qualtrics(rows: pd.DataFrame, instrument: Instrument, segments: list[str], questions: Questions) -> str:
    """CSV with Qualtrics' three header rows and answers as codes; open questions last."""
    ended = rows["date"]
    table = pd.DataFrame(
        {
            "StartDate": (ended - pd.to_timedelta(rows["duration"], unit="s")).astype(str),
            "EndDate": ended.astype(str),
            "Duration (in seconds)": rows["duration"].astype(str),
            "ResponseId": "R_" + rows["respondent"],
            "UserLanguage": rows["language"],
        }
    )
    asked = _asked(rows, instrument)
    words = [*table.columns, *segments, *asked.values(), *(question["en"] for question in questions.values())]
    coded = rows[list(asked)].astype("Int64").astype("string")
    table = pd.concat([table, rows[segments], coded, rows[list(questions)]], axis=1)
    imported = [json.dumps({"ImportId": f"QID{number}"}, separators=(",", ":")) for number in range(table.shape[1])]
    above = pd.DataFrame([words, imported], columns=table.columns)
    return pd.concat([above, table]).to_csv(index=False, lineterminator="\n")


def wenjuanxing(
    rows: pd.DataFrame, instrument: Instrument, segments: dict[str, str], questions: Questions, first: int
) -> str:
    """CSV as 问卷星 writes it: numbered questions, answers in words, seconds as ``85秒``; to be saved with a BOM.

    ``segments``: column → its Chinese header; ``first``: the number (序号) of the first response.
    """
    table = pd.DataFrame(
        {
            "序号": range(first, first + len(rows)),
            "提交答卷时间": rows["date"].dt.strftime("%Y/%m/%d %H:%M:%S").to_numpy(),
            "所用时间": (rows["duration"].astype(str) + "秒").to_numpy(),
            "来源": "链接",
            "语言": "zh",
        }
    )
    for column, header in segments.items():
        table[header] = rows[column].to_numpy()
    for number, (item, wording) in enumerate(_asked(rows, instrument, "zh").items(), start=1):
        codes = rows[item].astype("Int64")
        labels = instrument.scale_labels(item) if item in instrument.items else {}
        words = (
            codes.astype("string") if not labels else codes.map(lambda c, to=labels: to[c]["zh"], na_action="ignore")
        )
        table[f"{number}、{wording}"] = words.fillna("(跳过)" if item.startswith("T") else "(空)").to_numpy()
    for column, question in questions.items():
        table[f"{table.shape[1] - 4 - len(segments)}、{question['zh']}"] = rows[column].fillna("(空)").to_numpy()
    return table.to_csv(index=False, lineterminator="\n")


def _asked(rows: pd.DataFrame, instrument: Instrument, language: str = "en") -> dict[str, str]:
    """Item → its words, in the instrument's order, attention checks last."""
    asked = {item: instrument.items[item].wording[language] for item in instrument.items if item in rows}
    return asked | {check.id: check.names[-1] for check in instrument.attention_checks if check.id in rows}
