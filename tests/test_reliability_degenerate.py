"""What no reliability can be had from: never a silent number, always a warning that names the dimension, and a note."""

import numpy as np
import pandas as pd
import pytest

import qa_lib as qa
from qa_lib.errors import DataWarning, InadmissibleWarning, NotConvergedWarning, ResponseError
from qa_lib.trust.consistency import schmid_leiman as sl
from qa_lib.trust.consistency.coefficient_table import NOTES
from qa_lib.trust.consistency.coefficients import fisher_interval, log_interval
from qa_lib.trust.consistency.items import alpha_if_dropped
from qa_lib.trust.reliability import CLOSED_FORM, MODELS, ORDINAL

X = {"x": list("abcd")}
ALL = [*CLOSED_FORM, "omega_total", *ORDINAL]


def answers():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(300, 4)) + rng.normal(size=(300, 1))
    return pd.DataFrame(np.digitize(z, [-1.5, -0.5, 0.5, 1.5]) + 1.0, columns=list("abcd"))


def half_each(data):
    data.loc[:149, "a"], data.loc[150:, "b"] = np.nan, np.nan
    return data


def matrix(*rows):
    names = list("abcd")[: len(rows)]
    return pd.DataFrame(rows, names, names), 200


def heywood_answers():
    cov = np.array([[1, 0.8, 0.8], [0.8, 1, 0.4], [0.8, 0.4, 1]])
    y = np.random.default_rng(2).multivariate_normal([0, 0, 0], cov, size=400)
    return pd.DataFrame(np.digitize(y, [-1, 0, 1]), columns=list("abc"))


CASES = {
    "constant items": (
        answers().assign(a=1, b=2, c=3),
        [(DataWarning, "x: a, b, c never varies"), (DataWarning, "x: fewer than two items vary")],
        dict.fromkeys(ALL, "too_few_items"),
    ),
    "one constant item": (answers().assign(a=1), [(DataWarning, "x: a never varies")], {}),
    "never answered together": (
        half_each(answers()),
        [(DataWarning, "x: some items were never answered")],
        dict.fromkeys(ALL, "never_together"),
    ),
    "items cancel": (
        answers().assign(a=lambda d: 6 - d["c"], b=lambda d: 6 - d["d"]),
        [(InadmissibleWarning, "x: the items cancel"), (DataWarning, "x: .* runs against")],
        dict.fromkeys(ALL, "no_total_variance"),
    ),
    "an item twice": (
        answers().assign(a=lambda d: d["b"]),
        [
            (InadmissibleWarning, "x: the correlation matrix is singular"),
            (InadmissibleWarning, "a and b: their latent correlation is at the bound"),
            (NotConvergedWarning, "x: the polychoric correlations did not converge"),
        ],
        {"lambda6": "singular", "omega_total": "singular"} | dict.fromkeys(ORDINAL, "not_converged"),
    ),
    "a sum of items": (
        answers().assign(a=lambda d: d["b"] + d["c"]),
        [(InadmissibleWarning, "x: the correlation"), (InadmissibleWarning, "x: the polychoric .* not positive")],
        dict.fromkeys(["lambda6", "omega_total", *ORDINAL], "singular"),
    ),
    "two items": (
        answers()[["a", "b"]],
        [(DataWarning, "x has two items")],
        {"omega_total": "two_items", "omega_ordinal": "two_items"},
    ),
    "negative variance": (
        heywood_answers(),
        [(InadmissibleWarning, "x: .* negative item variance"), (InadmissibleWarning, "x: the ordinal one-factor")],
        {"omega_total": "heywood", "omega_ordinal": "heywood"},
    ),
    "no one-factor solution": (
        matrix([1, 0.5, 0.5], [0.5, 1, -0.4], [0.5, -0.4, 1]),
        [(NotConvergedWarning, "x: the one-factor model did not converge")],
        {"omega_total": "not_converged"} | dict.fromkeys(ORDINAL, "not_ordinal"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_degenerate_dimensions_are_said(case, recwarn):
    data, warned, notes = CASES[case]
    items = list(data.columns if isinstance(data, pd.DataFrame) else data[0])
    result = qa.reliability(data, {"x": items})
    said = [(type(w.message), str(w.message)) for w in recwarn]
    assert len(said) == len(warned), said
    for category, text in warned:
        with pytest.warns(category, match=text):
            qa.reliability(data, {"x": items})
    table = result.tidy().set_index("term")
    assert table["note"].to_dict() == dict.fromkeys(ALL, "") | notes
    numbers = table["estimate"].notna()
    doubtful = {"omega_total"} if case == "negative variance" else set()
    assert set(table.index[~numbers]) == set(notes) - doubtful
    assert (table.loc[numbers, "conf_low"] < table.loc[numbers, "estimate"]).all()
    assert (table.loc[numbers, "estimate"] < table.loc[numbers, "conf_high"]).all()
    assert result.items["item"].to_list() == items
    assert result.converged == ("not_converged" not in notes.values())
    assert result.admissible == (not {"singular", "heywood", "no_total_variance"} & set(notes.values()))


def instrument_matrix(change):
    pattern = np.kron(np.eye(3), np.array([[0.7], [0.6], [0.5]]))
    corr = pattern @ (0.4 + 0.6 * np.eye(3)) @ pattern.T
    np.fill_diagonal(corr, 1)
    corr[0, 1] = corr[1, 0] = change
    names = list("abcdefghi")
    return (pd.DataFrame(corr, names, names), 300), {"x": names[:3], "y": names[3:6], "z": names[6:]}


@pytest.mark.filterwarnings("ignore:x. :qa_lib.errors.QaWarning")
@pytest.mark.parametrize(("r", "note", "text"), [(0.9, "heywood", "Heywood"), (1.0, "singular", "singular")])
def test_degenerate_instruments_are_said(r, note, text):
    data, dimensions = instrument_matrix(r)
    with pytest.warns(InadmissibleWarning, match=f"whole instrument .*{text}"):
        result = qa.reliability(data, dimensions)
    whole = result.tidy().query("dimension == 'instrument'")
    assert set(whole["note"]) == {note}
    assert whole["estimate"].notna().all() == (note == "heywood")
    assert whole["conf_low"].isna().all()
    assert not result.admissible


@pytest.mark.parametrize("k", [2, 3])
def test_instruments_of_factors_that_explain_nothing_are_said(k):
    names = list("abcdefghi")[: 3 * k]
    dimensions = {f"x{d}": names[3 * d : 3 * d + 3] for d in range(k)}
    with pytest.warns(InadmissibleWarning, match="whole instrument has a factor that explains nothing"):
        result = qa.reliability((pd.DataFrame(np.eye(3 * k), names, names), 300), dimensions)
    whole = result.tidy().query("dimension == 'instrument'")
    assert set(whole["note"]) == {"empty_factor"}
    assert whole["conf_low"].isna().all()


@pytest.mark.filterwarnings("ignore:. has two items:qa_lib.errors.DataWarning")
def test_too_few_items_for_the_instrument_are_said():
    with pytest.warns(DataWarning, match="4 items cannot identify 2 factors"):
        table = qa.reliability(answers(), {"x": ["a", "b"], "y": ["c", "d"]}).tidy().query("dimension == 'instrument'")
    assert set(table["note"]) == {"too_few_items"}


@pytest.mark.filterwarnings("ignore:x. some items:qa_lib.errors.DataWarning", "ignore:y has two")
def test_items_of_the_instrument_never_answered_together_are_said():
    with pytest.warns(DataWarning, match="omega_h and omega_total_sl are missing"):
        table = qa.reliability(half_each(answers()), {"x": ["a", "b"], "y": ["c", "d"]}).tidy()
    assert set(table.query("dimension == 'instrument'")["note"]) == {"never_together"}


def test_an_analysis_that_does_not_converge_says_so(monkeypatch):
    data, dimensions = instrument_matrix(0.42)
    found = sl.schmid_leiman(data[0].to_numpy(), 3)
    stopped = sl.SchmidLeiman(found.loadings, found.phi, found.general, converged=False, heywood=False)
    monkeypatch.setattr(sl, "schmid_leiman", lambda corr, k: stopped)
    with pytest.warns(NotConvergedWarning, match="whole instrument did not converge"):
        table = qa.reliability(data, dimensions).tidy().query("dimension == 'instrument'")
    assert set(table["note"]) == {"not_converged"}
    assert table["estimate"].isna().all()


def test_items_that_leave_nothing_have_no_alpha_if_dropped():
    cov = np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]], dtype=float)
    assert np.isnan(alpha_if_dropped(cov)).tolist() == [True, False, False]


def test_every_term_says_its_model_and_every_note_has_words():
    data, dimensions = instrument_matrix(0.42)
    table = qa.reliability(data, dimensions).tidy()
    assert table["model"].ne("").all()
    assert set(table["term"]) == set(MODELS)
    assert {note for _, _, notes in CASES.values() for note in notes.values()} <= set(NOTES)


def test_intervals_of_perfect_correlation_are_missing():
    assert np.isnan(fisher_interval(1.0, 0.1, 1.96)).all()
    assert np.isnan(log_interval(1.0, 0.1, 1.96)).all()


@pytest.mark.parametrize(
    "answers", [{"a": [np.nan, np.nan], "b": [np.nan, np.nan]}, {"a": [np.nan, 1], "b": [1, np.nan]}]
)
def test_items_nobody_answered_are_an_error_not_a_crash(answers):
    with pytest.raises(ResponseError, match="no item varies"):
        qa.reliability(pd.DataFrame(answers, dtype=float), {"X": ["a", "b"]})
    with pytest.raises(ResponseError, match="No respondent answered all 2 items"):
        qa.moments(pd.DataFrame(answers, dtype=float), missing="listwise")
