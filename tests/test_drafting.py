"""From an export to a drafted study: items, scales, dimensions, reversed keys, outcomes; every guess marked."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from typer.testing import CliRunner

import qa_lib as qa
from qa_lib.cli import app
from qa_lib.drafting.draft import draft
from qa_lib.drafting.keys import reversed_keys
from qa_lib.errors import StudyError
from qa_lib.report.pages import front, open_page
from qa_lib.study.findings import GUESS, check

DEMO = Path(__file__).parent.parent / "data" / "raw" / "demo" / "responses"
WORDS = {1: "Very dissatisfied", 2: "Dissatisfied", 3: "Neither", 4: "Satisfied", 5: "Very satisfied"}


def survey(n=120, seed=3):
    """Two dimensions of four items, the last of the second reversed, an outcome and context of every kind."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n, 2))
    answers = np.clip(np.rint(3 + truth[:, [0] * 4 + [1] * 4] + rng.normal(scale=0.7, size=(n, 8))), 1, 5).astype(int)
    answers[:, -1] = 6 - answers[:, -1]
    table = pd.DataFrame(answers, columns=[f"speed_{i}" for i in range(1, 5)] + [f"care_{i}" for i in range(1, 5)])
    overall = np.clip(np.rint(3 + truth.sum(axis=1) / 2 + rng.normal(scale=0.5, size=n)), 1, 5).astype(int)
    return table.assign(
        overall_satisfaction=overall,
        respondent_id=[f"r{i}" for i in range(n)],
        date=[f"2026-10-{1 + i % 28:02d}" for i in range(n)],
        branch=rng.choice(["north", "south", "west"], n),
        email=[f"person{i}@example.org" for i in range(n)],
        remarks=[f"I waited {i} minutes and nobody came to help me" for i in range(n)],
    )


def made(tmp_path, table, name="export.csv"):
    file = tmp_path / name
    table.to_csv(file, index=False)
    return draft(file)


def test_what_columns_hold_is_recognised(tmp_path):
    found = made(tmp_path, survey())
    by_dimension = {name: [item.id for item in found.items if item.dimension == name] for name in found.dimensions}
    assert by_dimension == {name: [f"{name}_{i}" for i in range(1, 5)] for name in ("speed", "care")}
    assert [item.id for item in found.items if item.reverse] == ["care_4"]
    assert {item.outcome: item.id for item in found.items if item.outcome} == {"satisfaction": "overall_satisfaction"}
    assert [segment[0].name for segment in found.segments] == ["branch"]
    assert {column.name: column.kind for column in found.left_out} == {"email": "personal", "remarks": "comment"}
    assert [column.name for column in found.context["respondent"]] == ["respondent_id"]


def test_words_become_the_scale_they_belong_to_and_rare_words_no_answer(tmp_path):
    table = survey()
    for column in table.columns[:9]:
        table[column] = table[column].map(WORDS)
    table.loc[3:5, "speed_1"] = "N/A"
    found = made(tmp_path, table)
    first = next(item for item in found.items if item.id == "speed_1")
    assert (first.scale.low, first.scale.high, first.scale.missing) == (1, 5, ("N/A",))
    assert np.isnan(first.codes[3:6]).all()
    assert np.nanmax(first.codes) == 5


def test_labels_and_wording_of_an_spss_file_are_used(tmp_path):
    file = tmp_path / "export.sav"
    table = survey().drop(columns=["remarks"])
    names = dict.fromkeys(table.columns[:8], WORDS)
    pyreadstat.write_sav(table, file, variable_value_labels=names, column_labels={"speed_1": "Was it quick?"})
    first = draft(file).items[0]
    assert first.wording == {"en": "Was it quick?"}
    assert first.scale.labels[5] == {"en": "Very satisfied"}


def test_columns_without_names_are_grouped_by_a_factor_analysis(tmp_path):
    table = survey(n=400)
    found = made(tmp_path, table.rename(columns={name: f"Q{i + 1}" for i, name in enumerate(table.columns[:8])}))
    groups = pd.Series({item.id: item.dimension for item in found.items if item.dimension})
    assert "factor analysis" in found.how
    assert groups["Q1":"Q4"].nunique() == groups["Q5":"Q8"].nunique() == 1
    assert groups["Q1"] != groups["Q5"]


def test_exports_in_two_languages_become_one_instrument(tmp_path):
    exports = [DEMO / "2026-10_qualtrics_en.csv", DEMO / "2026-10_wjx.csv"]
    study = qa.read_study(draft(exports).write(tmp_path / "raw" / "both"))
    shipped = qa.read_study(DEMO.parent)
    assert study.instrument.dimensions == shipped.instrument.dimensions
    found, known = (s.responses("2026-10").data for s in (study, shipped))
    items = [item for items in shipped.instrument.dimensions.values() for item in items]
    order = ["source_file", "source_row"]
    mine, theirs = (data.sort_values(order)[items].to_numpy() for data in (found, known))
    np.testing.assert_array_equal(mine, theirs)
    assert found["branch"].value_counts().to_dict() == known["branch"].value_counts().to_dict()


def test_big_five_reversed_keys_are_those_of_the_authors(shared_data):
    found = draft(shared_data("psych_bfi/bfi.csv"))
    keys = pd.read_csv(shared_data("psych_bfi/bfi_dictionary.csv"), index_col=0)["Keying"]
    turned = keys[(keys == -1) & ~keys.index.str.startswith("N")]  # all of N count one way: no item runs against it
    assert {item.id for item in found.items if item.reverse} == set(turned.index)
    assert list(found.dimensions) == ["A", "C", "E", "N", "O"]


@pytest.mark.parametrize(
    ("export", "dimensions"),
    [
        ("corp_rep/corp_rep_data.csv", {"csor", "attr", "perf", "qual", "like", "comp", "switch"}),
        ("ecsi_bank_satisfaction/satisfaction.csv", {"imag", "expe", "qual", "val"}),
        ("ecsi_mobi/mobi.csv", {"CUEX", "IMAG", "PERQ", "PERV"}),
        ("water_r4h2o/customer_survey.csv", {"p", "t", "f"}),
    ],
)
def test_real_exports_can_be_read_as_drafted(shared_data, tmp_path, export, dimensions):
    study = qa.read_study(draft(shared_data(export)).write(tmp_path / "raw" / "drafted"))
    assert set(study.instrument.dimensions) == dimensions
    findings = check(study)
    assert "error" not in set(findings["severity"])
    marks = sum((study.path / name).read_text("utf-8").count(GUESS) for name in ("study.yaml", "instrument.yaml"))
    where = findings.loc[findings["severity"] == "confirm", "where"]
    assert sum(int(found[1]) if (found := re.match(r"(\d+) lines", text)) else 1 for text in where) == marks > 2
    assert len(where) <= 18


def test_overall_ratings_stand_beside_their_dimension_and_for_satisfaction_where_none_is_asked(shared_data):
    """Hair et al. (2017) hold single global items beside formative ones; the airport's Q7ALL is its overall rating."""
    reputation = {item.id: item for item in draft(shared_data("corp_rep/corp_rep_data.csv")).items}
    assert [name for name, item in reputation.items() if item.overall and item.dimension is None] == [
        f"{name}_global" for name in ("csor", "attr", "perf", "qual")
    ]
    assert reputation["cusa"].outcome == "satisfaction"
    airport = {item.id: item for item in draft(shared_data("sfo_customer_survey/2016_SFO_Customer_Survey.csv")).items}
    assert airport["Q7ALL"].outcome == "satisfaction"
    assert airport["Q7ART"].dimension == "Q7"
    assert (airport["Q9ALL"].dimension, airport["Q9ALL"].outcome) == (None, None)


def test_three_commands_lead_to_a_study_without_errors(tmp_path):
    file = tmp_path / "export.csv"
    survey().to_csv(file, index=False)
    folder = str(tmp_path / "raw" / "mine")
    run = CliRunner()
    created = run.invoke(app, ["new", folder, "--from", str(file)])
    assert created.exit_code == 0, created.output
    checked = run.invoke(app, ["check", folder])
    assert checked.exit_code == 0, checked.output
    assert "care_4: reverse: true: it runs against its dimension" in checked.output
    assert checked.output.count("Correct it if it is wrong") == 1
    again = run.invoke(app, ["new", folder, "--from", str(file)])
    assert isinstance(again.exception, StudyError)
    assert "exists already" in str(again.exception)


def test_hostile_names_stay_text(tmp_path):
    table = survey().rename(
        columns={"branch": "x: [1\n# y", "speed_1": "=HYPERLINK(1)_1", "speed_2": "=HYPERLINK(1)_2"}
    )
    study = qa.read_study(made(tmp_path, table).write(tmp_path / "raw" / "hostile"))
    assert "error" not in set(check(study)["severity"])


def test_a_file_without_items_is_refused(tmp_path):
    with pytest.raises(StudyError, match="no column looks like an item"):
        made(tmp_path, pd.DataFrame({"name": ["a", "b"], "price": [1.5, 2.5]}))


def codes(direction, n=80, seed=4):
    """Items on 1 to 5 that go with one another, those of -1 the other way."""
    rng = np.random.default_rng(seed)
    level = rng.normal(size=n)
    answers = np.column_stack([sign * level for sign in direction]) + rng.normal(scale=0.6, size=(n, len(direction)))
    return np.clip(np.rint(3 + answers), 1, 5)


@pytest.mark.parametrize(
    ("direction", "outcome", "reversed_"),
    [
        ((1, 1, 1, -1), None, [False, False, False, True]),
        ((1, 1, -1, -1), None, [False] * 4),
        ((1, 1, -1, -1), 1, [False, False, True, True]),
        ((1, 1, -1, -1), -1, [True, True, False, False]),
        ((1, 1, 1, 0), None, [False] * 4),
        ((0, 0, 0), None, [False] * 3),
    ],
)
def test_reversed_keys_rest_on_sure_correlations(direction, outcome, reversed_):
    answers = codes((*direction, outcome or 1))
    found = reversed_keys(list(answers[:, :-1].T), [answers[:, -1]] if outcome else [])
    assert [key for key, _ in found] == reversed_
    halves = sum(direction) == 0 and any(direction) and outcome is None
    assert all("half of the items" in why for _, why in found) == halves


def test_a_tie_is_no_reversal_but_a_guess_to_confirm(tmp_path):
    table = survey(n=200).drop(columns="overall_satisfaction")
    table["care_3"] = 6 - table["care_3"]
    study = qa.read_study(made(tmp_path, table).write(tmp_path / "raw" / "tie"))
    assert not any(item.reverse for item in study.instrument.file.items)
    findings = check(study)["finding"]
    halves = findings[findings.str.contains("reverse: false: not reversed, though half of the items")]
    assert [text.partition(":")[0] for text in halves] == ["care_1, care_2, care_3, care_4"]


def test_constant_columns_are_no_segments(tmp_path):
    table = survey().assign(country="CN", wave=1, agency="Alpha")
    table.loc[5:9, "agency"] = "N/A"
    assert [segment[0].name for segment in made(tmp_path, table).segments] == ["branch"]


def test_languages_are_those_of_the_wording(tmp_path):
    chinese = {f"speed_{i}": f"{i}、窗口的办理速度（{i}）" for i in range(1, 5)}
    english = {f"care_{i}": f"Staff take care of me ({i})" for i in range(1, 5)}
    table = survey().drop(columns="overall_satisfaction")
    items = [name for name in table if name.startswith(("speed", "care"))]
    for columns, languages in ((chinese, ("zh",)), (english, ("en",)), ({}, ())):
        assert made(tmp_path, table.rename(columns=columns)).languages == languages, items
    text = (made(tmp_path, table).write(tmp_path / "raw" / "codes") / "study.yaml").read_text("utf-8")
    assert f"languages: [en, zh]  {GUESS} no wording was found" in text


def test_an_attention_check_is_one_that_most_pass(tmp_path):
    table = survey()
    table["Q20"] = [4] * 110 + [2] * 10
    table["Q21"] = [4, 2, 1, 5] * 30
    table = table.rename(columns={"Q20": "Please select agree (4)", "Q21": "Please select how you feel about our desk"})
    found = {item.id: item.attention for item in made(tmp_path, table).items}
    assert ("4",) in found.values()
    assert sum(1 for answer in found.values() if answer) == 1


def airport(n=400, seed=6):
    """Ratings on 1 to 5 with 0 and 6 for no answer, kinds in numbers, and first and second answers of a question."""
    rng = np.random.default_rng(seed)
    level = rng.normal(size=n)
    names = [
        *(f"Q7{x}" for x in ("SIGN", "SHOP", "FOOD", "GATE", "ALL")),
        *(f"Q9{x}" for x in ("HALL", "DESK", "BATH")),
    ]
    table = pd.DataFrame({name: np.clip(np.rint(3.6 + level + rng.normal(size=n)), 1, 5) for name in names})
    table = table.mask(rng.random(table.shape) < 0.15, 6).mask(rng.random(table.shape) < 0.05, 0)
    lone = np.clip(np.rint(3.6 + level + rng.normal(size=n)), 1, 5)
    return table.assign(
        Q10SAFE=np.where(rng.random(n) < 0.1, 0, lone),
        Q4BAGS=rng.choice([0, 1, 2, 3], n, p=[0.08, 0.5, 0.4, 0.02]),
        Q4WIFI=rng.choice([0, 1, 2, 3], n, p=[0.08, 0.5, 0.4, 0.02]),
        Q4FOOD=rng.choice([0, 1, 2, 3], n, p=[0.08, 0.5, 0.4, 0.02]),
        Q18AGE=rng.choice(range(7), n),
        STRATA=rng.choice([1, 2, 3], n),
        METHOD=np.where(np.arange(n) < 5, 2, 1),
        PURP1=rng.choice(range(1, 7), n),
        PURP2=np.where(np.arange(n) < 30, rng.choice(range(1, 7), n), np.nan),
    ).astype("Int64")


def test_codes_at_the_ends_that_rate_like_everybody_stand_for_no_answer(tmp_path):
    found = made(tmp_path, airport())
    items = {item.id: item for item in found.items}
    assert {name for name in items if items[name].scale.missing == ("0", "6")} == {n for n in items if n != "Q10SAFE"}
    assert all((item.scale.low, item.scale.high) == (1, 5) for item in items.values())
    assert items["Q10SAFE"].scale.missing == ("0",)
    study = qa.read_study(found.write(tmp_path / "raw" / "airport"))
    text = (study.path / "instrument.yaml").read_text("utf-8")
    assert f"missing_codes: ['0', '6']  {GUESS} they stand for no answer; who gave 0 or 6 rates the rest" in text


def test_ends_of_a_real_scale_are_answers(tmp_path):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        level = rng.normal(size=300)
        table = pd.DataFrame(
            {f"s_{i}": np.clip(np.rint(5 + 2 * level + rng.normal(size=300)), 0, 10) for i in range(6)}
        )
        table["s_5"] = 10 - table["s_5"]
        scales = {(item.scale.low, item.scale.high, item.scale.missing) for item in made(tmp_path, table).items}
        assert scales == {(0, 10, ())}


def test_numbers_that_go_with_no_rating_are_segments_or_left_out(tmp_path):
    found = made(tmp_path, airport())
    assert list(found.dimensions) == ["Q7", "Q9"]
    assert {item.id for item in found.items if item.dimension is None} == {"Q7ALL", "Q10SAFE"}
    segments = [columns[0].name for columns in found.segments]
    assert {"Q18AGE", "STRATA", "PURP1"} <= set(segments)
    assert not {"METHOD", "PURP2"} & set(segments)  # nearly all say the same; a second answer
    assert len(segments) <= 8


def test_names_that_changed_between_exports_are_one_question(tmp_path):
    table = airport()
    files = [tmp_path / f"{year}_airport.csv" for year in (2014, 2015)]
    table.to_csv(files[0], index=False)
    table.rename(columns={"Q18AGE": "Q19AGE", "Q9HALL": "Q9HAL", "Q7SHOP": "Q8SHOP"}).to_csv(files[1], index=False)
    found = draft(files)
    assert ("Q7SHOP", "Q8SHOP") in [item.columns for item in found.items]
    assert ["Q18AGE", "Q19AGE"] in [[column.name for column in columns] for columns in found.segments]


def test_a_trap_of_yes_and_no_checks_attention(tmp_path):
    found = made(tmp_path, survey().assign(trap=["1"] * 90 + ["0"] * 20 + ["NA"] * 10))
    assert [(item.id, item.attention) for item in found.items if item.attention] == [("trap", ("1", "NA"))]
    responses = qa.read_study(found.write(tmp_path / "raw" / "trap")).responses(None)
    assert qa.screen(responses)["attention"].sum() == 20  # who was not asked failed nothing


def test_a_segment_of_another_period_or_without_answers_ends_no_report(tmp_path):
    """One year has no such column, one group of the other left all items blank."""
    old, new = airport(n=300, seed=1), airport(n=300, seed=2)
    new = new.assign(branch=np.where(np.arange(300) < 30, "closed", np.where(np.arange(300) < 150, "north", "south")))
    old = old.assign(WAVE=np.where(np.arange(300) < 150, "a", "b"), branch=new["branch"])
    new.loc[new["branch"] == "closed", [name for name in new if name.startswith(("Q7", "Q9"))]] = pd.NA
    files = [tmp_path / f"{year}_airport.csv" for year in (2014, 2015)]
    for table, file in zip((old, new), files, strict=True):
        table.to_csv(file, index=False)
    folder = draft(files).write(tmp_path / "raw" / "airport")
    page = open_page(folder, "2015", lang="en")
    assert page.shown_groups("wave") == []
    signals = front.find_signals(page)
    assert "closed" not in set(signals["unit"])
    front.where_it_differs(page, signals)


def test_a_code_for_no_answer_is_named_so_where_it_is_a_group(tmp_path):
    table = survey().assign(job=np.where(np.arange(120) < 20, "-99", "1"), town=["NA", "Ghent", "Lille"] * 40)
    table.loc[60:, "job"] = "2"
    study = qa.read_study(made(tmp_path, table).write(tmp_path / "raw" / "coded"))
    labels = {segment.id: segment.labels for segment in study.spec.segments}
    assert labels["branch"] == {}
    assert {name: list(labels[name]) for name in ("job", "town")} == {"job": ["-99"], "town": ["NA"]}
    assert labels["town"]["NA"]["zh"] == "未回答"
