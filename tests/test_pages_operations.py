"""The pages on operations, monitoring and improvement say what the records hold, in both languages."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

import qa_lib as qa
from qa_lib.errors import ResponseError
from qa_lib.operations.kpi.completion import completion
from qa_lib.report import display
from qa_lib.report.pages import (
    branches,
    causes,
    improvement,
    kpi_rows,
    monitoring,
    monitors,
    open_page,
    operations,
    respondents,
)

DEMO = ROOT / "data" / "raw" / "demo"


class Shown:
    """What a page put on show, in order, by kind."""

    def __init__(self) -> None:
        self.paragraphs, self.bullets, self.tables, self.alts, self.cards = [], [], {}, [], []

    @property
    def text(self) -> str:
        cells = " ".join(map(str, (value for table in self.tables.values() for value in table.to_numpy().ravel())))
        return " ".join([*self.paragraphs, *self.bullets, *self.tables, *self.alts, cells])


@pytest.fixture
def shown(monkeypatch):
    found = Shown()
    monkeypatch.setattr(display, "heading", lambda title, anchor, level=2: found.paragraphs.append(title))
    monkeypatch.setattr(display, "paragraph", lambda text, *_: found.paragraphs.append(text))
    monkeypatch.setattr(display, "bullets", found.bullets.extend)
    monkeypatch.setattr(display, "cards", found.cards.extend)
    monkeypatch.setattr(display, "table", lambda frame, caption, *_, **__: found.tables.update({caption: frame}))
    monkeypatch.setattr(display, "figure", lambda drawn, alt: found.alts.append(alt))
    return found


def operations_page(lang="en", period="2026-10", segment=""):
    page = open_page(DEMO, period, segment, lang, answers=False)
    spec = kpi_rows.spec_of(page)
    tables = kpi_rows.tables(page, spec)
    found = page.attempt(qa.kpis, tables, spec, period=kpi_rows.frequency(page))
    return page, spec, tables, found


def test_standards_are_judged_by_their_interval_and_named_in_the_first_sentence(shown):
    page, _, _, found = operations_page()
    operations.standards(page, found)
    missed = found.tidy().query("period == '2026-10' and verdict == 'not_met'")["term"]
    names = {kpi.id: kpi.name["en"] for kpi in found.spec.kpis}
    assert len(missed) >= 2
    assert all(names[kpi] in shown.paragraphs[0] for kpi in missed)
    table = next(table for caption, table in shown.tables.items() if "with a standard" in caption).set_index(
        "Indicator"
    )
    tickets = page.study.tickets().query("submitted >= '2026-10-01'")
    answered = pd.to_datetime(tickets["first_response"].replace("", None))
    hours = (answered - pd.to_datetime(tickets["submitted"])).dt.total_seconds() / 3600
    kept = (hours <= 4).sum() / len(tickets)  # who still waits has waited longer
    assert table.loc["Response time", "Kept the limit"].startswith(f"{kept:.1%}")
    assert table.loc["Response time", "Mean or share"] == f"{hours.mean():.1f} h"
    assert table.loc["Response time", "Verdict"] == "not met"
    assert table.loc["Response time", "Standard"] == "≤\u00a04 h in 90% of cases"  # a unit stays with its number
    assert any("Response time" in line and "80%" in line for line in shown.bullets)


def test_a_study_without_tickets_says_what_the_other_records_tell(shown):
    page, spec, tables, _ = operations_page("zh", segment="branch=riverside")
    calls = {name: table for name, table in tables.items() if name != "tickets"}
    found = page.attempt(qa.kpis, calls, spec, period=kpi_rows.frequency(page))
    operations.standards(page, found)
    operations.time_to_resolve(page, found, calls, spec, "resolution_time")
    causes.ranked(page, calls, found)
    branches.compared(page, calls, spec)
    assert shown.tables
    assert not re.search(r"[a-z]{3,} [a-z]{2,} [a-z]{2,}", shown.text)
    with pytest.raises(ResponseError, match="table tickets, which was not given"):
        qa.kpi_cases(calls, spec, "resolution_time")


def test_a_branch_page_holds_only_its_branch_and_sends_comparisons_to_everyone(shown):
    page, spec, tables, found = operations_page(segment="branch=riverside")
    assert set(tables["tickets"]["branch"]) == {"riverside"}
    operations.standards(page, found)
    branches.compared(page, tables, spec)
    assert "Units are compared on the page for everyone." in shown.paragraphs
    other = open_page(DEMO, "2026-10", "channel=phone", "en", answers=False)
    assert len(kpi_rows.tables(other, spec)["tickets"]) == len(other.study.tickets())


def test_units_are_compared_and_the_weak_branch_is_last(shown):
    page, spec, tables, _ = operations_page()
    branches.compared(page, tables, spec)
    leagues = [table for caption, table in shown.tables.items() if "shrunken" in caption]
    last = [table["Branch"].iloc[-1] for table in leagues if "Branch" in table]
    assert last == ["Riverside"] * 3
    parts = next(table for caption, table in shown.tables.items() if "contributes" in caption)
    system = next(table for caption, table in shown.tables.items() if "Score of every unit" in caption)
    assert list(parts["Branch"]) == list(system["Branch"])
    whole = system["Service quality"].astype(float)
    assert np.allclose(parts.iloc[:, 1:].astype(float).sum(axis=1), whole, atol=0.26)
    shares = [end for table in leagues for pair in table["95% interval"] if "%" in pair for end in pair.split(" to ")]
    assert shares
    assert all(0 <= float(end.rstrip("%")) <= 100 for end in shares)
    assert shown.alts[0].endswith(f"lowest with {leagues[0]['Shrunken estimate'].iloc[-1]}.")
    assert any("Riverside is surely last" in line for line in shown.paragraphs)


def test_the_path_names_the_missed_standards_and_what_is_felt(shown):
    page, _, _, found = operations_page()
    branches.circle(page, found)
    table = next(iter(shown.tables.values()))
    assert (
        "Response time"
        in table.set_index(["Moment of truth", "Element"]).loc[("Receive", "Software"), "Clearly missed"]
    )
    assert len(shown.alts) == 1


def test_a_signal_on_a_control_chart_carries_the_name_of_its_rule(shown):
    page, _, _, found = operations_page(segment="branch=riverside")
    operations.over_time(page, found)
    assert any("beyond" in alt or "in a row" in alt for alt in shown.alts), shown.alts


def test_open_requests_count_as_long_as_they_are_open():
    times, done = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([True, False, True, False, True])
    curve = completion(times, done).set_index("time")["share"]
    assert curve.loc[1.0] == pytest.approx(1 / 5)
    assert curve.loc[3.0] == pytest.approx(1 - (4 / 5) * (2 / 3))
    assert curve.loc[5.0] == 1


@pytest.mark.parametrize("period", ["2026-10", "2026-W40", "2026-10-15"])
def test_chinese_pages_hold_no_english_sentence(shown, period):
    page, _, tables, found = operations_page("zh", period)
    operations.standards(page, found)
    operations.time_to_resolve(page, found, tables, None, "resolution_time")
    operations.complaints_and_churn(page, found)
    causes.ranked(page, tables, found)
    branches.circle(page, found)
    assert not re.search(r"[a-z]{3,} [a-z]{2,} [a-z]{2,}", shown.text)
    assert not re.search(r"\d\.\d{4,}", shown.text)


def monitoring_page(shown, lang="en", period="2026-10", segment=""):
    page = open_page(DEMO, period, segment, lang, answers=False)
    everything = monitoring.monitored_records(page)
    now = monitoring.scored(page, everything, page.period)
    before = monitoring.scored(page, everything, monitoring.previous(page, everything))
    focus = page.attempt(qa.item_focus, now, before)
    monitoring.overview(page, now, before, focus)
    monitoring.numbers(page, page.attempt(qa.monitored, now))
    monitoring.agents(page, now, page.attempt(qa.agent_reviews, now, before))
    monitoring.items(page, now, focus)
    monitoring.training(page, now)
    monitoring.weeks(page, now)
    monitors.improvement_notes(page, now, monitors.followed(page, everything))
    monitors.calibration(page, *monitors.calibrated(page))
    monitors.next_plan(page, monitors.plan(page))
    return page, now


def test_the_month_report_counts_contacts_once_and_names_the_severe_monitor(shown):
    page, _ = monitoring_page(shown)
    rows = page.study.monitoring().query("date >= '2026-10-01'")
    n, agents = rows["contact_id"].nunique(), rows["agent"].nunique()
    assert f"{n} contacts of {agents} agents" in shown.paragraphs[0]
    modes = shown.tables["Contacts by mode"].set_index("Mode")
    assert modes.loc["Remote", "Contacts"] == str(rows.drop_duplicates("contact_id")["mode"].eq("remote").sum())
    assert modes["Planned"].tolist() == ["70%", "20%", "10%"]
    assert any(line.startswith("sara scores") and "more severely" in line for line in shown.bullets)
    comments = shown.tables["Scores in words"]
    assert len(comments) == agents
    assert comments["Comment"].str.len().min() > 5
    assert any("November 2026" in line for line in shown.paragraphs)
    load = shown.tables["Load of the monitors"]
    assert load["Planned contacts"].str.replace(",", "").astype(int).sum() >= 21 * agents


@pytest.mark.parametrize(
    ("period", "has", "lacks"),
    [
        (
            "2026-10-15",
            ["评分项目分析"],
            ["培训需求", "整体改进方向及重点", "成绩评语", "监控人员校准", "下期监控计划"],
        ),
        ("2026-W40", ["整体改进方向及重点", "培训需求", "下期监控计划"], ["成绩评语", "监控人员校准", "各周改进效果"]),
        ("2026-10", ["成绩评语", "监控人员校准", "各周改进效果", "培训需求", "下期监控计划"], []),
    ],
)
def test_day_week_and_month_hold_what_is_asked_of_them(shown, period, has, lacks):
    monitoring_page(shown, "zh", period)
    titles = [*shown.paragraphs, *shown.tables]
    assert all(title in titles for title in has), titles
    assert not any(title in titles for title in lacks)
    assert not re.search(r"[a-z]{3,} [a-z]{2,} [a-z]{2,}", shown.text)


@pytest.mark.parametrize(("period", "shows"), [("2026-10", False), ("2026-10-15", True)])
def test_an_agent_of_two_contacts_is_not_rated_in_a_month(shown, period, shows):
    page = open_page(DEMO, "2026-10", "", "en", answers=False)
    records = monitoring.monitored_records(page).query("date >= '2026-10-01'")
    agent, other = records["agent"].value_counts().index[:2]
    mine = records[records["agent"] == agent].drop_duplicates("contact_id").head(2)
    records = pd.concat([mine, records[records["agent"] == other]]).assign(date="2026-10-15").reset_index(drop=True)
    page = replace(page, period=period)
    found = monitoring.scored(page, records, period)
    monitoring.agents(page, found, page.attempt(qa.agent_reviews, found, None))
    table = next(table for caption, table in shown.tables.items() if caption.startswith("Scores of the agents"))
    row = table.set_index("Agent").loc[agent]
    assert row["Contacts"] == "2"
    assert (row["Score"] != "too few") == (row["Rating"] != "–") == shows
    if not shows:
        assert table["Agent"].tolist() == [other, agent]
        comments = shown.tables["Scores in words"].set_index("Agent")["Comment"]
        assert "too few to judge" in comments[agent]
        assert "too few" not in comments[other]


def test_a_branch_reads_of_its_own_agents(shown):
    _, now = monitoring_page(shown, segment="branch=station")
    assert set(now.contacts["branch"]) == {"station"}
    assert shown.tables["Scores in words"]["Agent"].str.startswith("station").all()


def test_a_period_without_monitoring_says_so(shown):
    page = open_page(DEMO, "2026-11-03", "", "en", answers=False)
    everything = monitoring.monitored_records(page)
    monitoring.overview(page, monitoring.scored(page, everything, page.period), None, None)
    assert shown.paragraphs == ["3 November 2026: no contact was monitored."]


def improvement_page(shown, lang="en", segment="", period="2026-10"):
    page = open_page(DEMO, period, segment, lang, answers=False)
    improvement.actions_log(page, improvement.effects(page, improvement.started(page)))
    pair, columns = respondents.two_periods(page), respondents.segments(page)
    if len(pair):
        respondents.drift(page, page.attempt(qa.makeup_drift, pair, "period", columns))
    respondents.standardise(page, columns)
    invited = respondents.contacts(page)
    rates = page.attempt(qa.response_rates, invited, by="period") if invited is not None else None
    respondents.precision(page, columns, rates)
    respondents.response_rates(page, rates)
    return page


def test_actions_are_judged_in_words_with_their_effect(shown):
    page = improvement_page(shown)
    log = page.study.actions()
    assert f"{len(log)} actions:" in shown.paragraphs[0]
    sentence = next(line for line in shown.bullets if line.startswith("Call-back queue at Station: adopt"))
    table = next(table for caption, table in shown.tables.items() if "difference in differences" in caption)
    row = table[table["Target indicator"] == "Responsiveness"].iloc[0]
    change = [float(after) - float(before) for before, after in (row[c].split(" → ") for c in row.index[2:4])]
    assert float(row["Effect"].replace("−", "-").split(" ")[0]) == pytest.approx(change[0] - change[1], abs=0.26)
    assert row["Effect"] in sentence
    assert "Call-back queue at Station: waiting (192%)" in shown.alts[0]
    assert "−2.9 h" in shown.text
    assert shown.tables["PDCA log: what was expected, at what cost and risk"]["Cost"].iloc[0] == "4,000"


def test_next_periods_invitations_follow_from_precision_and_response_rate(shown):
    page = improvement_page(shown)
    contacts = page.study.contacts().query("period == '2026-10'")
    asked = contacts[contacts["disposition"] != "ineligible"]
    rate = (asked["disposition"] == "complete").mean()
    assert any(f"{rate:.1%} of {len(asked)} contacts" in line for line in shown.paragraphs), shown.paragraphs
    plan = next(table for caption, table in shown.tables.items() if "Half-width" in caption)
    needed, invited = (plan[column].str.replace(",", "").astype(int) for column in plan.columns[3:5])
    assert (invited == np.ceil(needed / rate)).all()


def test_a_branch_reads_of_its_own_actions_in_chinese(shown):
    improvement_page(shown, "zh", "branch=station")
    assert "2 项改进措施" in shown.paragraphs[0]
    wording = re.sub("|".join(qa.read_study(DEMO).actions()["action"].map(re.escape)), "", shown.text)
    assert not re.search(r"[a-z]{3,} [a-z]{2,} [a-z]{2,}", wording)


def test_an_action_not_yet_begun_is_not_judged(shown):
    page = open_page(DEMO, "2026-04", "", "en", answers=False)
    assert set(improvement.started(page)["start"]) == {"2026-02"}


def test_an_action_too_young_to_judge_says_so(shown):
    improvement_page(shown, "zh", period="2026-W40")
    assert any("尚早" in line for line in shown.bullets)


def test_the_actions_of_a_chinese_page_bear_their_chinese_names(shown):
    page = open_page(DEMO, "2026-10", "", "zh", answers=False)
    improvement.actions_log(page, improvement.effects(page, improvement.started(page)))
    assert "车站设立回拨队列" in shown.text
    assert "Call-back queue" not in shown.text


def test_groups_too_small_to_show_are_not_named_in_the_sentence_on_precision(shown):
    page = open_page(DEMO, "2026-W40", "", "en", answers=False)
    columns = respondents.segments(page)
    respondents.precision(page, columns, None)
    small = page.data[columns[0]].value_counts().loc[lambda n: n < page.study.spec.minimum_cell].index
    assert len(small)
    assert not any(page.segment_label(columns[0], value) in shown.text for value in small)


def test_margins_of_the_study_weight_every_page(tmp_path):
    study = tmp_path / "demo"
    shutil.copytree(DEMO, study)
    with (study / "study.yaml").open("a", encoding="utf-8") as file:
        file.write("\nmargins:\n  channel: {counter: 2, phone: 1, app: 1}\n")
    page = open_page(study, "2026-10", "", "en")
    raked = page.data.groupby("channel")["weight"].sum() / page.data["weight"].sum()
    assert page.weights == "weight"
    assert raked.to_dict() == pytest.approx({"counter": 0.5, "phone": 0.25, "app": 0.25})


def test_service_circle_takes_responses_as_they_were_read():
    study = qa.read_study(DEMO)
    answers = study.responses("2026-10")
    by_responses, by_data = (
        qa.service_circle(DEMO / "standards.yaml", kpis=study_kpis(study), answers=given).tidy()
        for given in (answers, answers.data)
    )
    pd.testing.assert_frame_equal(by_responses, by_data)


def study_kpis(study):
    return qa.kpis(study.operations(), DEMO / "kpis.yaml", period="2026-10")


def test_an_action_of_long_ago_is_judged_on_the_page_of_a_week_as_on_that_of_its_month():
    week, month = (
        improvement.effects(page, improvement.started(page)).tidy().set_index("indicator").loc["response_time"]
        for page in (open_page(DEMO, period, "", "en", answers=False) for period in ("2026-W40", "2026-10"))
    )
    assert week["verdict"] == month["verdict"] != "too_early"
    assert week["estimate"] == pytest.approx(month["estimate"])


def test_agents_stand_in_league_tables_of_their_own(monkeypatch):
    page = open_page(DEMO, "2026-10", answers=False)
    captions = []
    monkeypatch.setattr(display, "table", lambda frame, *_, **__: captions.append(next(iter(frame))))
    monkeypatch.setattr(display, "heading", lambda *_: None)
    spec = kpi_rows.spec_of(page)
    branches.compared(page, kpi_rows.tables(page, spec), spec)
    assert page.text("mon_agent") in captions
    assert captions.index(page.text("mon_agent")) > captions.index("Branch")
