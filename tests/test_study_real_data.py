"""Real exports read through study files of ours; the numbers are those of the data sets' PROVENANCE."""

import numpy as np
import pytest
from study_folders import real_study

import qa_lib as qa
from qa_lib.study.findings import check


def alpha(answers, complete=True):
    """Cronbach (1951): k/(k−1)·(1 − tr Σ / 1'Σ1), of complete rows or of pairwise covariances."""
    cov = (answers.dropna() if complete else answers).cov().to_numpy()
    return len(cov) / (len(cov) - 1) * (1 - cov.trace() / cov.sum())


@pytest.fixture(scope="module")
def water(shared_data, tmp_path_factory):
    exports = [shared_data("water_r4h2o/customer_survey.csv")]
    return qa.read_study(real_study("water", exports, tmp_path_factory.mktemp("water")))


@pytest.fixture(scope="module")
def sfo(shared_data, tmp_path_factory):
    exports = [shared_data(f"sfo_customer_survey/{year}_SFO_Customer_Survey.csv") for year in (2014, 2015, 2016)]
    return qa.read_study(real_study("sfo", exports, tmp_path_factory.mktemp("sfo")))


def test_water_leaves_out_whom_the_study_excludes(water):
    responses = water.responses()
    assert len(responses.data) == 491
    reasons = responses.ledger.groupby("reason")["count"].sum()
    expected = {
        "attention check failed": 79,
        "lives in another city": 97,
        "no tap water at home": 15,
        "no consent": 8,
    }
    assert {reason: reasons[reason] for reason in expected} == expected
    assert 690 - sum(expected.values()) == len(responses.data)


def test_water_reliability_after_reversal(water):
    responses = water.responses()
    dimensions = responses.instrument.dimensions
    values = [alpha(responses.data[items]) for items in dimensions.values()]
    complete = [len(responses.data[items].dropna()) for items in dimensions.values()]
    assert complete == [432, 432, 439]
    np.testing.assert_allclose(values, [0.8309, 0.9499, 0.8727], atol=5e-5)
    reversed_items = set(responses.ledger.query("reason == 'reversed'")["column"])
    assert reversed_items == {"p01", "p02", "p07", "p08", "p09", "p10"}


def test_water_reads_the_old_qualtrics_header(water):
    data = water.responses().data
    assert water.periods() == ["2015-03"]
    assert data["respondent"].str.fullmatch("[0-9a-f]{16}").all()
    assert data["respondent"].is_unique
    assert data["source_row"].min() >= 3
    assert data["duration"].gt(0).all()
    np.testing.assert_allclose(data[["t01", "t04", "f03", "f08"]].mean(), [6.25, 4.96, 5.00, 4.73], atol=0.005)


def test_sfo_yearly_means_plain_and_weighted(sfo):
    assert sfo.periods() == ["2014", "2015", "2016"]
    plain, weighted, n = [], [], []
    for year in (2014, 2015, 2016):
        valid = sfo.responses(year).data.dropna(subset="Q7ALL")
        plain.append(valid["Q7ALL"].mean())
        weighted.append(np.average(valid["Q7ALL"], weights=valid["weight"]))
        n.append(len(valid))
    assert n == [2677, 2810, 2919]
    np.testing.assert_allclose(plain, [3.9959, 4.0480, 4.0380], atol=5e-5)
    np.testing.assert_allclose(weighted, [4.0070, 4.0442, 4.0533], atol=5e-5)


def test_sfo_alphas_of_six_ratings(sfo):
    items = ["Q7ART", "Q7FOOD", "Q7STORE", "Q7SIGN", "Q7WALKWAYS", "Q7SCREENS"]
    values = [alpha(sfo.responses(year).data[items]) for year in (2014, 2015, 2016)]
    np.testing.assert_allclose(values, [0.8634, 0.8645, 0.8606], atol=5e-5)


def test_sfo_columns_drift_and_every_lost_cell_is_in_the_ledger(sfo):
    responses = sfo.responses()
    assert responses.data["respondent"].notna().all(), "*RESPNUM of 2016 is RESPNUM"
    assert responses.data["area"].notna().all(), "AREA of 2014 is BAREA later"
    assert responses.data.groupby("period")["Q18PET"].count().loc[["2014", "2015"]].eq(0).all()
    lost = responses.ledger.query("column == 'Q7ALL'").groupby(["file", "reason"])["count"].sum().unstack()
    assert lost["missing"].tolist() == [111, 108, 133]
    assert lost["not_applicable"].tolist() == [30, 40, 35]
    assert len(responses.data) == 2818 + 2958 + 3087


def test_ledger_of_one_period_is_that_periods(sfo):
    ledger = sfo.responses("2015").ledger
    assert set(ledger["file"]) == {"2015_SFO_Customer_Survey.csv"}


def test_bank_alphas(shared_data, tmp_path):
    exports = [shared_data("ecsi_bank_satisfaction/satisfaction.csv")]
    responses = qa.read_study(real_study("ecsi_bank", exports, tmp_path)).responses()
    values = [alpha(responses.data[items]) for items in responses.instrument.dimensions.values()]
    np.testing.assert_allclose(values, [0.8219, 0.8431, 0.8685, 0.8320, 0.8943, 0.8206], atol=5e-5)
    assert responses.ledger.empty


def test_bank_regression_on_dimension_means(shared_data, tmp_path):
    exports = [shared_data("ecsi_bank_satisfaction/satisfaction.csv")]
    responses = qa.read_study(real_study("ecsi_bank", exports, tmp_path)).responses()
    means = {name: responses.data[items].mean(axis=1) for name, items in responses.instrument.dimensions.items()}
    predictors = np.column_stack([np.ones(250), *(means[d] for d in ("image", "expectations", "quality", "value"))])
    outcome = means["satisfaction"].to_numpy()
    estimate, residual, *_ = np.linalg.lstsq(predictors, outcome)
    np.testing.assert_allclose(estimate, [0.0605, 0.2277, 0.0093, 0.1470, 0.5593], atol=5e-5)
    np.testing.assert_allclose(1 - residual[0] / ((outcome - outcome.mean()) ** 2).sum(), 0.6839, atol=5e-5)


def test_reputation_loses_exactly_its_seventy_missing_cells(shared_data, tmp_path):
    exports = [shared_data("corp_rep/corp_rep_data.csv")]
    responses = qa.read_study(real_study("corp_rep", exports, tmp_path)).responses()
    cells = responses.ledger[responses.ledger["reason"] != "not_named"]
    assert len(cells) == 70
    assert set(cells["before"]) == {"-99"}
    by_column = cells.groupby("column").size().to_dict()
    expected = {"cusl_1": 3, "cusl_2": 4, "cusl_3": 3, "cusa": 1, "age": 1, "education": 9, "occupation": 45, "nphh": 4}
    assert by_column == expected
    dimensions = responses.instrument.dimensions
    values = [alpha(responses.data[items], complete=False) for items in dimensions.values()]
    np.testing.assert_allclose(values, [0.8151, 0.5706, 0.7438, 0.8782, 0.8268, 0.7757, 0.8344], atol=5e-5)


@pytest.mark.parametrize("name", ["water", "sfo"])
def test_checks_of_real_studies_find_no_error(name, request):
    findings = check(request.getfixturevalue(name))
    assert not (findings["severity"] == "error").any()
