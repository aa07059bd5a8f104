"""Personal data planted wherever a person can type are in nothing that is stored or shown."""

import io
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pandas as pd
import pyreadstat
import pytest
import yaml
from conftest import ROOT
from openpyxl import load_workbook
from study_folders import csv, rows, small_study
from ticket_logs import SPEC, log_of, made_tickets

import qa_lib as qa
from qa_lib.drafting.draft import draft
from qa_lib.errors import StudyError

SECRETS = {
    "email": "wang.wei@example.com",
    "phone": "13812345678",
    "identity card": "11010519491231002X",  # its last digit checks
    "ip": "203.0.113.9",
    "place": "31.230416, 121.473701",
    "name": "Wilhelmina Zzyzx",
    "Chinese name": "欧阳晓蕾",
    "id": "raw-id-",
}
DATA = [text for what, text in SECRETS.items() if what not in ("name", "Chinese name", "id")]
PEOPLE = [SECRETS["name"], SECRETS["Chinese name"]]
BOX = {"id": "pleased", "role": "outcome", "outcome": "satisfaction", "scale": "five", "columns": ["Q4"]}


def survey(month: str) -> pd.DataFrame:
    """Answers beside columns, declared and not, that name who gave them; headers do so too."""
    table = rows(40, month).astype(object)
    table["Q4"] = table["Q1"]
    table["respondent"] = [f"{SECRETS['id']}{i % 39}" for i in range(40)]
    table["branch"] = ["north", "south", "north", "north", "south", "east", "north", "north", "south", "north"] * 4
    table["duration"] = [DATA[i % 5] if i % 7 == 0 else "90" for i in range(40)]
    table["note"] = [DATA[i % 5] for i in range(40)]
    table["customer name"] = [PEOPLE[i % 2] for i in range(40)]
    table["comment"] = [
        (f"The queue was slow, write to {DATA[i % 5]}", f"My name is {PEOPLE[0]}, the queue was slow",
         f"我叫{PEOPLE[1]}，排队太久，请回电{DATA[i % 5]}", f"The queue was slow. Regards, {PEOPLE[0]}")[i % 4]
        for i in range(40)
    ]  # fmt: skip
    for place, text in enumerate(DATA):
        table[f"{place} {text}"] = 1
    return table


def write_responses(folder) -> None:
    """A month in each kind of file; in the first, cells that are no answers."""
    first = survey("2026-09")
    first.loc[3, "note"] = "test"
    first.loc[5, "date"] = f"called {SECRETS['phone']}"
    first.loc[8, "Q2"] = SECRETS["phone"]
    (folder / "a.csv").write_text(csv(first), encoding="utf-8")
    survey("2026-08").to_excel(folder / "b.xlsx", index=False)
    survey("2026-10").astype({f"Q{i}": float for i in (1, 2, 3, 4)}).astype({"duration": str}).to_parquet(
        folder / "c.parquet"
    )
    plain = survey("2026-07").drop(columns=[f"{place} {text}" for place, text in enumerate(DATA)])
    plain = plain.rename(columns={"customer name": "customer_name"}).astype({f"Q{i}": float for i in (1, 2, 3, 4)})
    pyreadstat.write_sav(plain, folder / "d.sav", column_labels={"note": DATA[0], "comment": DATA[1]})


def write_records(study) -> None:
    """Every operations record, with personal data in each of its texts."""
    n = 120
    tickets = made_tickets(n).assign(submitted=[f"2026-{8 + i % 3:02d}-{1 + i % 28:02d} 09:00" for i in range(n)])
    said = np.array([DATA[i % 5] for i in range(n)])
    people = np.array([f"{PEOPLE[i % 2]}{'' if i % 5 else 'en'}" for i in range(n)])
    rare = np.arange(n) % 20 == 0
    tickets = tickets.drop(columns=["first_response", "promised"]).assign(
        resolved=tickets["submitted"].str.slice(0, 11) + "17:00",
        agent=people, customer_name=people, customer_id=said, cause=np.where(rare, said, "staff"),
        problem=np.where(rare, said, "fault"), note=said,
    )  # fmt: skip
    when = tickets["submitted"]
    calls = pd.DataFrame({"call_id": range(n), "branch": "north", "started": when, "wait_seconds": 20, "abandoned": 0})
    complaints = pd.DataFrame(
        {"complaint_id": range(n), "customer_id": said, "branch": "north", "received": when, "handled": when,
         "kind": np.where(rare, said, "delay"), "text": said, "contact person": people, "联系人": people}
    )  # fmt: skip
    scores = pd.read_csv(ROOT / "data/raw/demo/monitoring/monitoring.csv", dtype=str).tail(150)
    scores["agent"], scores["monitor"] = np.resize(people, 150), np.resize(PEOPLE, 150)
    scores["remark"] = np.resize(said, 150)
    tables = {"tickets/t.csv": tickets, "calls/c.csv": calls.assign(caller=said), "complaints/c.csv": complaints}
    tables |= {"monitoring/m.csv": scores.assign(branch="north")}
    tables |= {"roster.csv": pd.DataFrame({"agent": PEOPLE, "branch": "north", "role": "agent", "since": "2024-01-01",
                                           "phone": DATA[1], "certified": ""})}  # fmt: skip
    tables |= {"notes.csv": pd.DataFrame({"agent": PEOPLE, "date": "2026-09-15", "item": "speed", "note": DATA[:2]})}
    action = {"action": [f"Ring {text}" for text in DATA[:2]], "owner": PEOPLE, "indicator": "speed", "unit": "north",
              "start": "2026-08", "end": "2026-09", "expected": 1, "status": "closed"}  # fmt: skip
    tables |= {"actions.csv": pd.DataFrame(action)}
    tables |= {"contacts.csv": pd.DataFrame({"period": "2026-10", "branch": "north", "disposition": ["complete"] * 40,
                                             "email": DATA[0]})}  # fmt: skip
    for name, table in tables.items():
        (study / name).parent.mkdir(exist_ok=True)
        table.to_csv(study / name, index=False)
    for name in ("monitoring/scorecard.yaml", "monitoring/plan.yaml", "themes.yaml"):
        content = (ROOT / "data" / "raw" / "demo" / name).read_text(encoding="utf-8")
        content = "\n".join(line for line in content.splitlines() if not line.strip().startswith("dimension:"))
        (study / name).write_text(content, encoding="utf-8")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """The study, what its report said, and every file that was stored or made."""
    root = tmp_path_factory.mktemp("project")
    spec = {
        "title": {"en": "Small", "zh": "小"},
        "languages": ["en", "zh"],
        "segments": [{"id": "branch"}],
        "duplicates": "first",
        "minimum_cell": 8,
        "comments": ["comment"],
        "quotes": True,
        "exclude": [{"column": "note", "values": ["test"], "reason": "a test"}],
    }
    study = small_study(root / "data", {}, spec)
    instrument = yaml.safe_load((study / "instrument.yaml").read_text(encoding="utf-8"))
    instrument["items"].append(BOX)
    (study / "instrument.yaml").write_text(yaml.safe_dump(instrument, allow_unicode=True), encoding="utf-8")
    write_responses(study / "responses")
    write_records(study)
    report = ["-W", "ignore", "-m", "qa_lib", "report", str(study), "--period", "2026-10", "--jobs", "2"]
    result = subprocess.run(
        [sys.executable, *report, "--xlsx", "--docx"],
        capture_output=True, text=True, check=False, cwd=root, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    stored = [file for place in ("data/processed", "reports") for file in (root / place).rglob("*") if file.is_file()]
    return study, result, stored


def said_by(file) -> str:
    """What a file says: the cells of a table, the parts of a workbook or document, and its bytes."""
    content = file.read_bytes()
    texts = [file.name, content.decode("utf-8", "replace")]
    if file.suffix == ".parquet":
        texts.append(pd.read_parquet(file).to_csv())
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            texts += [archive.read(name).decode("utf-8", "replace") for name in archive.namelist()]
    return "".join(texts)


def test_nothing_personal_is_stored_or_shown(planted):
    _, result, stored = planted
    assert result.returncode == 0, result.stderr[-3000:] + result.stdout[-3000:]
    assert {".parquet", ".html", ".json", ".xlsx", ".docx"} <= {file.suffix for file in stored}
    for page in ("comments.en", "operations.zh", "monitoring.en", "improvement.zh", "method.en", "responses.zh"):
        assert any(file.name.endswith(f"_{page}.html") for file in stored), page
    for file in stored:
        said = said_by(file)
        for what, secret in SECRETS.items():
            assert secret not in said, f"{what} stands in {file.name}"
        assert "Zzyzx" not in said, file.name
    assert not any(secret in result.stdout + result.stderr for secret in SECRETS.values())


def test_the_plants_are_in_the_raw_files(planted):
    """So that the test above can fail."""
    study, _, _ = planted
    raw = "".join(said_by(file) for file in study.rglob("*.*"))
    assert all(raw.count(secret) > 5 for secret in SECRETS.values())


def test_what_is_too_small_stands_in_no_table(planted):
    """East has four answers of forty: neither they nor those of South, the total's other part, have a number."""
    _, _, stored = planted
    (book,) = [file for file in stored if file.name == "tables.en.xlsx"]
    rows_of = {"north": 0, "south": 0, "east": 0}
    for sheet in load_workbook(book).worksheets[1:]:
        for row in sheet.iter_rows(min_row=5, values_only=True):
            if str(row[0]).casefold() in rows_of and any(isinstance(cell, int | float) for cell in row):
                rows_of[row[0].casefold()] += "Operations" not in str(sheet.cell(2, 1).value)
    assert rows_of["north"] > 0
    assert rows_of["south"] == rows_of["east"] == 0


@pytest.mark.parametrize("name", ["responses/call 13812345678.csv", "tickets/ann@example.com.csv", "203.0.113.9 a.txt"])
def test_a_file_whose_name_is_personal_is_refused(tmp_path, name):
    study = small_study(tmp_path, {"a.csv": csv(rows())})
    (study / name).parent.mkdir(exist_ok=True)
    (study / name).write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(StudyError, match=r"looks like personal data \((phone|email|ip)\).*Rename it") as error:
        qa.read_study(study)
    assert name.split("/")[-1] not in str(error.value)


def test_a_ticket_log_gives_no_personal_data(tmp_path):
    study = small_study(tmp_path, {"a.csv": csv(rows())}, {"ticket_log": SPEC})
    log = log_of(made_tickets(60))
    log["actor"] = np.resize(PEOPLE, len(log))
    log.loc[log["event"] == "assigned", "value"] = PEOPLE[0]
    log["problem"] = log["customer_id"] = np.resize(DATA, len(log))
    (study / "tickets").mkdir()
    log.to_csv(study / "tickets" / "log.csv", index=False)
    found = qa.read_study(study).tickets_of_log()
    said = found.table.to_csv() + found.ledger.to_csv()
    assert len(found.table) == 60
    assert not [what for what, secret in SECRETS.items() if secret in said]


def by_dialect(dialect: str, month: str) -> bytes:
    """A month of answers with personal data as a platform exports it, in its own columns and in those of the survey."""
    table = survey(month)[["Q1", "Q2", "Q3", "Q4", "branch", "comment", "note"]].astype(object)
    table["Your name"] = [f"{PEOPLE[i % 2]} {i}" for i in range(40)]
    ids = [f"{SECRETS['id']}{i}" for i in range(40)]
    days = [f"{month}-{1 + i % 28:02d} 09:{i:02d}:00" for i in range(40)]
    if dialect == "qualtrics":
        own = {"StartDate": days, "EndDate": days, "Status": "IP Address", "IPAddress": SECRETS["ip"], "Progress": 100,
               "Duration (in seconds)": 90, "Finished": "True", "ResponseId": ids, "RecipientLastName": PEOPLE[0],
               "RecipientEmail": SECRETS["email"], "ExternalReference": SECRETS["phone"],
               "LocationLatitude": "31.230416", "LocationLongitude": "121.473701"}  # fmt: skip
        table = pd.DataFrame(own).join(table)
        titles = [f"{name}, or write to {SECRETS['email']}" if name == "note" else name for name in table]
        imports = [f'{{"ImportId":"{name}"}}' for name in table]
        return "\n".join([csv(table[:0]).strip(), *_lines([titles, imports]), csv(table, header=False)]).encode()
    if dialect == "wenjuanxing":
        own = {"序号": ids, "提交答卷时间": days, "所用时间": "85秒", "来源": f"微信 {SECRETS['phone']}",
               "来源详情": PEOPLE[1], "来自IP": f"{SECRETS['ip']}(北京-北京)", "姓名": PEOPLE[1],
               "手机号": SECRETS["phone"]}  # fmt: skip
        return csv(pd.DataFrame(own).join(table)).encode("gb18030")
    own = {"id": ids, "submitdate": days, "lastpage": 2, "startlanguage": "en", "startdate": days, "seed": 7,
           "ipaddr": SECRETS["ip"], "refurl": f"https://example.com/?to={SECRETS['email']}", "firstname": PEOPLE[0],
           "email": SECRETS["email"], "token": ids}  # fmt: skip
    return csv(pd.DataFrame(own).join(table), sep=";").encode("utf-8-sig")


def _lines(cells: list[list[str]]) -> list[str]:
    return pd.DataFrame(cells).to_csv(index=False, header=False).splitlines()


@pytest.fixture(scope="module")
def of_branches(tmp_path_factory):
    """A month of each platform; of one, the pages of everyone's and the branches' answers and comments."""
    root = tmp_path_factory.mktemp("platforms")
    spec = {
        "title": {"en": "Small", "zh": "小"}, "segments": [{"id": "branch"}], "minimum_cell": 8,
        "comments": ["comment"], "quotes": True, "duplicates": "first",
    }  # fmt: skip
    months = {"qualtrics": "2026-08", "wenjuanxing": "2026-09", "limesurvey": "2026-10"}
    exports = {f"{name}.csv": by_dialect(name, month) for name, month in months.items()}
    study = small_study(root / "data", exports, spec | {"period": {"column": "date"}})
    instrument = yaml.safe_load((study / "instrument.yaml").read_text(encoding="utf-8"))
    instrument["items"].append(BOX)
    (study / "instrument.yaml").write_text(yaml.safe_dump(instrument, allow_unicode=True), encoding="utf-8")
    shutil.copy(ROOT / "data" / "raw" / "demo" / "themes.yaml", study)
    code = f"""
        import warnings
        from qa_lib.report import render
        warnings.simplefilter("ignore")
        everything = render.plan_pages
        render.plan_pages = lambda *a, **k: [p for p in everything(*a, **k) if p.notebook.stem in {BOOKS}]
        for period in {[*months.values()][-1:]}:
            done = render.render({str(study)!r}, period, by="branch", lang="zh", xlsx=True)
            assert (done.pages["status"] == "rendered").all(), done.pages.to_string()
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, cwd=root,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    stored = [file for place in ("data/processed", "reports") for file in (root / place).rglob("*") if file.is_file()]
    return study, result, stored


BOOKS = ("1_responses", "4_comments")


def test_nothing_personal_comes_through_a_platform_s_export_or_a_branch_s_page(of_branches):
    study, result, stored = of_branches
    assert result.returncode == 0, result.stderr[-3000:] + result.stdout[-3000:]
    assert {"2026-08", "2026-09", "2026-10"} == set(qa.read_study(study).responses().data["period"])
    assert any("branch-north" in str(file) and file.suffix == ".html" for file in stored)
    assert any("branch-north" in str(file) and file.suffix == ".xlsx" for file in stored)
    for file in stored:
        said = said_by(file)
        assert not [what for what, secret in SECRETS.items() if secret in said], file
    assert not [what for what, secret in SECRETS.items() if secret in result.stdout + result.stderr]
    raw = "".join(file.read_bytes().decode("utf-8", "replace") for file in study.rglob("*.csv"))
    raw += (study / "responses" / "wenjuanxing.csv").read_text(encoding="gb18030")
    assert all(raw.count(secret) > 5 for what, secret in SECRETS.items())


@pytest.mark.parametrize("dialect", ["qualtrics", "wenjuanxing", "limesurvey"])
def test_a_draft_from_a_platform_s_export_names_nobody(dialect, tmp_path):
    (tmp_path / "a.csv").write_bytes(by_dialect(dialect, "2026-10"))
    drafted = draft(tmp_path / "a.csv").write(tmp_path / "study")
    spec = yaml.safe_load((drafted / "study.yaml").read_text(encoding="utf-8"))
    named = {column for segment in spec["segments"] for column in segment["columns"]}
    assert not named & {"姓名", "手机号", "来自IP", "IPAddress", "email", "firstname", "RecipientEmail", "Your name"}
