"""One small survey, written as each platform exports it, with the quirks of its files."""

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyreadstat

N = 60
WORDS = ("Very dissatisfied", "Dissatisfied", "Neither", "Satisfied", "Very satisfied")
WORDS_ZH = ("非常不满意", "不满意", "一般", "满意", "非常满意")
SPEED = ("Waiting time", "Speed of the counter", "Time on the phone")
CARE = ("Courtesy of staff", "Attention to my case", "Help with forms")
SPEED_ZH = ("等候时间", "柜台速度", "电话接听速度")
CARE_ZH = ("员工礼貌", "关注我的事情", "协助填表")
ITEMS = [f"{block}{i}" for block in ("speed", "care") for i in (1, 2, 3)]


def answers(n: int = N, seed: int = 8) -> pd.DataFrame:
    """The truth behind every file: six items and satisfaction on 1 to 5, when and where, in which language."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.normal(size=(n, 2)), 3, axis=1)
    codes = np.clip(np.rint(3 + level + rng.normal(scale=0.6, size=(n, 6))), 1, 5).astype(int)
    codes[0], codes[1] = 1, 5
    overall = np.clip(np.rint(codes.mean(axis=1)), 1, 5).astype(int)
    start = pd.Timestamp("2026-10-01 09:00:00") + pd.to_timedelta(np.arange(n) * 37, "min")
    return pd.DataFrame(codes, columns=ITEMS).assign(
        overall=overall,
        id=np.arange(1, n + 1),
        start=start,
        end=start + pd.to_timedelta(90 + np.arange(n), "s"),
        branch=np.array(["North", "South", "West"])[np.arange(n) % 3],
        language=np.where(np.arange(n) % 4 == 0, "zh", "en"),
    )


def words(codes: pd.Series, names=WORDS) -> list[str]:
    return [names[code - 1] for code in codes]


def limesurvey(path: Path, headings: str = "both", outcome: str = "G01Q04", **columns) -> Path:
    """CSV with semicolons and a byte order mark; headings of codes, of codes and text, or of text alone."""
    truth = answers()
    rows = pd.DataFrame(
        {
            ("id", "Response ID"): truth["id"],
            ("submitdate", "Date submitted"): truth["end"].dt.strftime("%Y-%m-%d %H:%M:%S"),
            ("lastpage", "Last page"): 2,
            ("startlanguage", "Start language"): truth["language"],
            ("seed", "Seed"): 10**6 + truth["id"] * 7919,
            ("startdate", "Date started"): truth["start"].dt.strftime("%Y-%m-%d %H:%M:%S"),
            ("ipaddr", "IP address"): [f"203.0.113.{i}" for i in truth["id"]],
        }
    )
    for code, block, names in (("G01Q02", "speed", SPEED), ("G01Q03", "care", CARE)):
        for i, row in enumerate(names, 1):
            title = (f"{code}[SQ00{i}]", f"How satisfied are you with the {block}?&nbsp;<b>Please rate</b> [{row}]")
            rows[title] = [f"A{value}" for value in truth[f"{block}{i}"]]
    rows[(outcome, "Overall, how satisfied are you?")] = truth["overall"].map("A{}".format)
    rows[("G02Q05", "Your branch")] = truth["branch"]
    rows[("G02Q06[SQ001]", "How did you reach us? [Phone]")] = np.where(truth["id"] % 2, "Y", "")
    rows[("G02Q06[SQ002]", "How did you reach us? [Counter]")] = np.where(truth["id"] % 3, "Y", "")
    rows[("G02Q06[other]", "How did you reach us? [Other]")] = np.where(truth["id"] % 9, "", "by letter")
    for rank in (1, 2, 3):
        rows[(f"G02Q07[{rank}]", f"What matters most? [Rank {rank}]")] = (truth["id"] + rank) % 3 + 1
    rows[("interviewtime", "Total time")] = [f"{90 + i},25" for i in range(N)]
    rows[("groupTime81", "Group time: Speed")] = 30
    rows[("G01Q02Time", "Question time: G01Q02")] = 12
    rows = rows.astype(object)
    rows.iloc[2, 1] = ""  # two who did not finish
    rows.iloc[2, 7:] = ""
    rows.iloc[5, 1] = ""
    rows.iloc[7, 7] = "N/A"
    join = {"code": "{0}", "text": "{1}", "both": "{0}. {1}"}[headings].format
    rows.columns = [join(*title) for title in rows.columns]
    path.write_bytes(rows.assign(**columns).to_csv(index=False, sep=";").encode("utf-8-sig"))
    return path


def surveymonkey(path: Path) -> Path:
    """Two rows of headers, the first merged over the rows of a question; Excel or CSV."""
    truth = answers()
    us = "%m/%d/%Y %I:%M:%S %p"
    speed, care = "How satisfied are you with our speed?", "How satisfied are you with our care?"
    columns = [
        ("Respondent ID", "", 11_400_000_000 + truth["id"]),
        ("Collector ID", "", 400123),
        ("Start Date", "", truth["start"].dt.strftime(us)),
        ("End Date", "", truth["end"].dt.strftime(us)),
        ("IP Address", "", [f"203.0.113.{i}" for i in truth["id"]]),
        ("Email Address", "", [f"person{i}@example.org" for i in truth["id"]]),
        ("First Name", "", ""),
        ("Last Name", "", ""),
        ("Custom Data 1", "", ""),
        *((question, row, words(truth[f"{block}{i}"])) for question, block, rows in
          ((speed, "speed", SPEED), (care, "care", CARE)) for i, row in enumerate(rows, 1)),
        ("Overall, how satisfied are you with us?", "Response", words(truth["overall"])),
        ("Which branch did you visit?", "Response", truth["branch"]),
        ("", "Other (please specify)", np.where(truth["id"] % 9, "", "the van")),
        ("How did you reach us?", "Phone", np.where(truth["id"] % 2, "Phone", "")),
        ("", "Counter", np.where(truth["id"] % 3, "Counter", "")),
        ("What should we do better?", "Open-Ended Response", [f"Answer sooner, I waited {i} m." for i in truth["id"]]),
    ]  # fmt: skip
    above, below = [title for title, _, _ in columns], [row for _, row, _ in columns]
    above = [title if title != above[i - 1] else "" for i, title in enumerate(above)]
    cells = pd.DataFrame({i: values for i, (_, _, values) in enumerate(columns)}, index=truth.index).astype(str)
    return _written(path, [above, below, *cells.to_numpy().tolist()])


def google_forms(path: Path, chinese: bool = False) -> Path:
    """A timestamp in the form's language, rows of a grid in brackets, several answers in one cell."""
    truth = answers()
    stamp = [f"{t:%Y/%m/%d} {int(f'{t:%I}')}:{t:%M:%S} {t:%p} GMT+8" for t in truth["end"]]
    if chinese:
        stamp = [text.replace("AM", "上午").replace("PM", "下午") for text in stamp]
    labels = WORDS_ZH if chinese else WORDS
    ask = "您对以下方面的满意程度{}" if chinese else "How satisfied are you with {}?"
    rows = {"时间戳记" if chinese else "Timestamp": stamp}
    rows["电子邮件地址" if chinese else "Email Address"] = [f"person{i}@example.org" for i in truth["id"]]
    for block, names in (("speed", SPEED_ZH if chinese else SPEED), ("care", CARE_ZH if chinese else CARE)):
        for i, row in enumerate(names, 1):
            question = ask.format({"speed": "（速度）", "care": "（关怀）"}[block] if chinese else f"our {block}")
            rows[f"{question} [{row}]"] = words(truth[f"{block}{i}"], labels)
    rows["总体而言，您是否满意？" if chinese else "Overall, how satisfied are you?"] = truth["overall"]
    rows["网点" if chinese else "Branch"] = truth["branch"]
    several = ["Phone", "Counter", "Phone, Counter", "Counter, Letter", "Letter"]
    rows["联系方式有哪些" if chinese else "How did you reach us?"] = [several[i % 5] for i in truth["id"]]
    table = pd.DataFrame(rows, index=truth.index)
    return _written(path, [list(table), *table.astype(str).to_numpy().tolist()])


def tencent(path: Path) -> Path:
    """腾讯问卷: numbered questions, rows after a colon, columns of the platform at both ends, one nameless."""
    truth = answers()
    rows = {
        "编号": truth["id"],
        "开始答题时间": truth["start"].dt.strftime("%Y-%m-%d %H:%M:%S"),
        "结束答题时间": truth["end"].dt.strftime("%Y-%m-%d %H:%M:%S"),
        "答题时长": 90 + truth.index,
    }
    for number, block, topic, names in ((1, "speed", "速度", SPEED_ZH), (2, "care", "关怀", CARE_ZH)):
        for i, row in enumerate(names, 1):
            rows[f"{number}.您对我们的{topic}是否满意:{row}"] = words(truth[f"{block}{i}"], WORDS_ZH)
    rows["3.总体而言，您对我们的服务满意吗？"] = words(truth["overall"], WORDS_ZH)
    rows["4.您去的网点"] = truth["branch"]
    rows["5.您的建议"] = [f"希望再快一些，等了{i}分钟" for i in truth["id"]]
    rows |= {"语言": "zh", "清洗数据结果": "有效", "智能清洗数据无效概率": "0.1", "地理位置国家和地区": "中国"}
    rows |= {"昵称": [f"网友{i}" for i in truth["id"]], "自定义字段": "", "IP": [f"203.0.113.{i}" for i in truth["id"]]}
    rows |= {"UA": "Mozilla/5.0", "Referrer": "", "": ""}
    table = pd.DataFrame(rows, index=truth.index).astype(str)
    table.loc[4, "清洗数据结果"] = "无效"
    return _written(path, [list(table), *table.to_numpy().tolist()])


def merged(path: Path) -> Path:
    """Excel as people make it: a title, blank rows, headers in two rows with merged cells, a total below."""
    truth = answers()
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Customer survey, October 2026"])
    sheet.append([])
    sheet.append(
        ["No.", "Date", "Speed of service", None, None, "Care of staff", None, None, "Overall satisfaction", "Branch"]
    )
    sheet.append([None, None, *SPEED, *CARE, None, None])
    for area in ("A3:A4", "B3:B4", "C3:E3", "F3:H3", "I3:I4", "J3:J4"):
        sheet.merge_cells(area)
    for row in truth.itertuples():
        sheet.append(
            [row.id, row.end.to_pydatetime(), *(getattr(row, item) for item in ITEMS), row.overall, row.branch]
        )
    sheet.append(["Total", len(truth)])
    book.save(path)
    return path


def stata(path: Path) -> Path:
    """Value labels, variable labels, system missing and the extended missing values .a (refused) and .b."""
    truth = answers()
    table = truth[[*ITEMS, "overall"]].astype(object)
    table.loc[3, "speed1"], table.loc[4, "speed1"], table.loc[5, "care2"] = "a", "b", None
    table = table.assign(respondent=truth["id"], date=truth["end"].dt.date, branch=truth["branch"])
    labels = dict(enumerate(WORDS, 1))
    pyreadstat.write_dta(
        table,
        path,
        column_labels={name: text for name, text in zip(ITEMS, (*SPEED, *CARE), strict=True)}
        | {"overall": "Overall, how satisfied are you?"},
        variable_value_labels={name: labels for name in [*ITEMS, "overall"]},
        missing_user_values={"speed1": ["a", "b"]},
    )
    return path


def _written(path: Path, rows: list[list[str]]) -> Path:
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append([cell or None for cell in row])
        book.save(path)
    else:
        path.write_bytes(pd.DataFrame(rows).to_csv(index=False, header=False).encode("utf-8-sig"))
    return path
