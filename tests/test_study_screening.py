"""Every rule flags the respondents it should and no others; indices against their formulas."""

import numpy as np
import pandas as pd
import pytest
from study_folders import real_study

import qa_lib as qa
from qa_lib.errors import ScreeningWarning
from qa_lib.study.instrument import template
from qa_lib.study.responses import Responses

RATER = template("rater")
ITEMS = [item for items in RATER.dimensions.values() for item in items]


def careful(n=200, seed=3):
    """Answers of attentive respondents: a level per dimension, and spread around it."""
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.normal(3.2, 0.9, (n, 5)), [len(items) for items in RATER.dimensions.values()], axis=1)
    answers = np.clip(np.rint(level + rng.normal(0, 0.7, (n, 22))), 1, 5)
    return pd.DataFrame(answers, columns=ITEMS).assign(duration=240.0)


def screen(data):
    return qa.screen(Responses(data, pd.DataFrame(), RATER))


def test_straight_liners_speeders_and_copies_are_flagged():
    data = careful()
    data.loc[0, ITEMS] = 3
    data.loc[1, "duration"] = 43
    data.loc[2, ITEMS] = data.loc[3, ITEMS]
    flags = screen(data)
    assert flags["longstring"].iloc[0] == 1
    assert flags.loc[0, ["longstring_flag", "irv_flag", "flagged"]].all()
    assert flags.loc[1, ["duration_flag", "flagged"]].all()
    assert not flags.loc[2, "duplicate_flag"]
    assert flags.loc[3, ["duplicate_flag", "flagged"]].all()
    assert flags["duration_flag"].sum() == 1
    assert flags["duplicate_flag"].sum() == 1
    assert flags["flagged"].mean() < 0.06


def test_indices_follow_their_formulas():
    data = careful()
    data.loc[5, "R2"] = np.nan
    flags = screen(data)
    answers = data[ITEMS].to_numpy()
    np.testing.assert_allclose(flags["irv"], np.nanstd(answers, axis=1), rtol=1e-12)
    complete = np.delete(answers, 5, axis=0)
    centred = complete - complete.mean(axis=0)
    distance = (centred @ np.linalg.inv(np.cov(complete, rowvar=False)) * centred).sum(axis=1)
    np.testing.assert_allclose(np.delete(flags["mahalanobis"].to_numpy(), 5), distance, rtol=1e-9)
    assert np.isnan(flags["mahalanobis"].iloc[5])
    halves = [(answers[0, a:b:2].mean(), answers[0, a + 1 : b : 2].mean()) for a, b in _blocks()]
    r = np.corrcoef(np.transpose(halves))[0, 1]
    np.testing.assert_allclose(flags["even_odd"].iloc[0], 2 * r / (1 + r), rtol=1e-9)


def _blocks():
    ends = np.cumsum([len(items) for items in RATER.dimensions.values()])
    return zip([0, *ends[:-1]], ends, strict=True)


def test_reverse_keyed_items_count_as_they_were_answered():
    keyed = RATER.file.model_copy(
        update={"items": [i.model_copy(update={"reverse": i.id in ("R2", "A1", "S4")}) for i in RATER.file.items]}
    )
    data = careful()
    data.loc[0, ITEMS] = 4
    data.loc[0, ["R2", "A1", "S4"]] = 2
    flags = qa.screen(Responses(data, pd.DataFrame(), type(RATER)(keyed)))
    assert flags.loc[0, "longstring"] == 1
    assert flags.loc[0, "irv"] == 0


def test_a_rule_that_flags_more_than_a_quarter_warns_and_deletes_nobody():
    data = careful()
    data.loc[:79, ITEMS] = 5
    with pytest.warns(ScreeningWarning) as caught:
        flags = screen(data)
    said = [str(warning.message).split(" of ")[0] for warning in caught]
    assert said == ["the rule longstring would flag 40%", "the rule irv would flag 40%"]
    assert len(flags) == 200


def test_a_respondent_without_any_answer_is_not_flagged():
    data = careful()
    data.loc[7, ITEMS] = np.nan
    flags = screen(data)
    assert not flags.loc[7, "flagged"]
    assert flags.loc[7, ["irv", "even_odd", "mahalanobis"]].isna().all()


def test_attention_checks_of_a_real_survey(shared_data, tmp_path):
    folder = real_study("water", [shared_data("water_r4h2o/customer_survey.csv")], tmp_path)
    text = (folder / "study.yaml").read_text(encoding="utf-8").replace("values: [attention], ", "values: [nobody], ")
    (folder / "study.yaml").write_text(text, encoding="utf-8")
    responses = qa.read_study(folder).responses()
    assert qa.screen(responses)["attention_flag"].sum() == 79
    (folder / "study.yaml").write_text(text + "exclude_flagged: [attention]\n", encoding="utf-8")
    kept = qa.read_study(folder).responses()
    assert len(kept.data) == 491
    assert (kept.ledger["reason"] == "flagged_attention").sum() == 79
