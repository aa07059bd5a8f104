"""An instrument that changed: each answer is coded by its version, and all of them stay comparable."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from study_folders import INSTRUMENT, small_study

import qa_lib as qa
from qa_lib.errors import DataWarning, InstrumentError, ResponseError, StudyError
from qa_lib.report.history import score_sums
from qa_lib.study.findings import check
from qa_lib.study.versions import differences, same_map
from qa_lib.tracking.service_index import index_of_sums

OUTCOME = {"id": "sat", "scale": "five", "role": "outcome", "outcome": "satisfaction"}
ITEMS = [*INSTRUMENT["items"], OUTCOME]
CHANGE = {
    "valid_from": "2026-10-01",
    "scales": {"five": {"min": 1, "max": 10, "labels": {10: {"en": "Very satisfied"}}}},
    "items": [
        {"id": "Q2", "wording": {"en": "In time"}, "columns": ["Q7"]},
        {"id": "Q4", "scale": "five", "dimension": "speed", "wording": {"en": "Simple"}},
    ],
    "dropped": ["Q3"],
}


def answers(month: str, columns: list[str], top: int, n: int = 12) -> pd.DataFrame:
    level = [1 + (7 * i) % top for i in range(n)]
    data = {
        column: [min(top, max(1, x + (i + j) % 2)) for i, x in enumerate(level)] for j, column in enumerate(columns)
    }
    days = [f"2026-{month}-{1 + i % 28:02d}" for i in range(n)]
    return pd.DataFrame({"respondent": [f"{month}-{i}" for i in range(n)], "date": days} | data)


OLD, NEW = ["Q1", "Q2", "Q3", "sat"], ["Q1", "Q7", "Q4", "sat"]


def changed_study(folder, exports: dict[str, pd.DataFrame] | None = None, study: dict | None = None, **instrument):
    exports = exports or {"a.csv": answers("09", OLD, 5), "b.csv": answers("10", NEW, 10)}
    texts = {name: table.to_csv(index=False) for name, table in exports.items()}
    return qa.read_study(small_study(folder, texts, study, **{"items": ITEMS, "versions": [CHANGE]} | instrument))


def test_a_period_is_coded_by_the_version_valid_on_its_days(tmp_path):
    study = changed_study(tmp_path)
    before, after = study.responses("2026-09"), study.responses("2026-10")
    assert before.data[OLD].to_numpy().tolist() == answers("09", OLD, 5)[OLD].to_numpy().tolist()
    assert after.data[["Q1", "Q2", "Q4"]].to_numpy().tolist() == answers("10", NEW, 10)[NEW[:3]].to_numpy().tolist()
    assert (before.instrument.scale_of("Q1"), after.instrument.scale_of("Q1")) == ((1, 5), (1, 10))
    assert "Q4" not in before.data
    assert "Q3" not in after.data
    assert before.instrument.dimensions["speed"] == ["Q1", "Q2", "Q3"]
    assert after.instrument.dimensions["speed"] == study.instrument.dimensions["speed"] == ["Q1", "Q2", "Q4"]
    said = before.ledger.set_index(["column", "reason"])["count"]
    assert said["instrument_version", "coded_by_version"] == 12
    assert said["Q4", "not_asked"] == 12


def test_all_together_are_on_one_scale_and_it_says_so(tmp_path):
    study = changed_study(tmp_path)
    with pytest.warns(
        DataWarning, match=r"Q1, Q2 were given on different scales \(1 to 5, then 1 to 10\).*missing: sat"
    ):
        found = study.responses()
    old = found.data["instrument_version"] == "first"
    given = answers("09", OLD, 5)
    for item in ("Q1", "Q2"):
        assert found.data.loc[old, item].tolist() == [1 + (x - 1) * 9 / 4 for x in given[item]]
    assert found.data.loc[old, "sat"].isna().all()
    assert found.data.loc[old, "Q4"].isna().all()
    assert found.data.loc[~old, "Q3"].isna().all()
    assert found.data.loc[old, "Q3"].tolist() == given["Q3"].tolist()  # no other version has a scale for it
    rules = found.ledger[found.ledger["reason"].isin(["rescaled", "other_scale"])]
    assert rules.groupby("column")["count"].sum().to_dict() == {"Q1": 12, "Q2": 12, "sat": 12}
    assert rules.query("column == 'Q1' and before == '2'")["after"].tolist() == ["3.25"]


def test_indices_before_and_after_are_those_of_their_own_scales(tmp_path):
    study = changed_study(tmp_path).from_period("2026-10")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = study.responses("2026-09")
    assert before.instrument.scale_of("Q1") == (1, 10)
    shared = {"speed": ["Q1", "Q2"]}
    seen = qa.rater_index(before.data, shared, scale=(1, 10)).tidy()
    own = qa.rater_index(answers("09", OLD, 5), shared, scale=(1, 5)).tidy()
    assert np.allclose(seen["estimate"], own["estimate"], rtol=1e-12)
    assert np.allclose(seen["std_error"], own["std_error"], rtol=1e-12)


def test_a_study_that_maps_by_ratio_keeps_its_ratios(tmp_path):
    study = changed_study(tmp_path, study={"index_mapping": "ratio"}).from_period("2026-10")
    assert (study.responses("2026-09").data["Q1"] / 10).tolist() == (answers("09", OLD, 5)["Q1"] / 5).tolist()


def test_earlier_scores_of_pages_are_those_of_their_own_scale(tmp_path):
    study = changed_study(tmp_path)
    own = ((answers("09", OLD, 5)[OLD[:3]] - 1) / 4 * 100).mean(axis=1).mean()
    kept = ((answers("09", OLD, 5)[OLD[:2]] - 1) / 4 * 100).mean(axis=1).mean()  # Q3 is not asked any more
    for seen, expected in ((study, own), (study.from_period("2026-09"), own), (study.from_period("2026-10"), kept)):
        found = index_of_sums(score_sums(seen, "2026-09")[()], ["speed"], scale=(0, 100)).tidy()
        assert np.isclose(found.set_index("term").loc["speed", "estimate"], expected)


def test_one_file_may_hold_both_versions(tmp_path):
    both = pd.concat([answers("09", OLD, 5), answers("10", NEW, 10)]).sample(frac=1, random_state=1)
    apart, together = (changed_study(tmp_path / name, e) for name, e in (("two", None), ("one", {"a.csv": both})))
    for period in ("2026-09", "2026-10"):
        tables = [s.responses(period).data.sort_values("respondent", ignore_index=True) for s in (apart, together)]
        pd.testing.assert_frame_equal(*(t.drop(columns=["source_file", "source_row"]) for t in tables), check_like=True)


def test_a_file_without_dates_takes_its_period(tmp_path):
    source = {"period": {"file_pattern": r"(\d{4}-\d\d)"}}
    exports = {"2026-09.csv": answers("09", OLD, 5), "2026-10.csv": answers("10", NEW, 10)}
    exports = {name: table.drop(columns="date") for name, table in exports.items()}
    found = changed_study(tmp_path / "a", exports, source).responses("2026-10")
    assert found.instrument.scale_of("Q1") == (1, 10)
    late = [CHANGE | {"valid_from": "2026-10-15"}]
    with pytest.raises(StudyError, match=r"changed on 2026-10-15, within 2026-10, and some responses have no date"):
        changed_study(tmp_path / "b", exports, source, versions=late).responses()


def test_exports_outside_a_study(tmp_path):
    study = changed_study(tmp_path)
    with pytest.warns(DataWarning, match="different scales"):
        found = qa.read_responses(study.path / "responses", study.instrument)
    assert found.data["instrument_version"].tolist() == ["first"] * 12 + ["2026-10-01"] * 12
    answers("09", OLD, 5).drop(columns="date").to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(ResponseError, match="no column 'date' says when these responses were given"):
        qa.read_responses(tmp_path / "c.csv", study.instrument)


def test_careless_answers_are_looked_for_version_by_version(tmp_path):
    timed = [answers("09", OLD, 5).assign(duration=60), answers("10", NEW, 10).assign(duration=60)]
    timed[1].loc[3, "duration"] = 2
    study = changed_study(
        tmp_path, dict(zip(("a.csv", "b.csv"), timed, strict=True)), {"exclude_flagged": ["duration"]}
    )
    assert len(study.responses("2026-09").data) == 12
    left = study.responses("2026-10")
    assert left.data["source_row"].tolist() == [row for row in range(2, 14) if row != 5]
    assert left.ledger["reason"].eq("flagged_duration").sum() == 1


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ([CHANGE, {"valid_from": "2026-10-01"}], "two are valid from 2026-10-01; give each a day of its own"),
        ([CHANGE, {"valid_from": "2026-05-01"}], "2026-05-01 stands below 2026-10-01; order them"),
        ([{"valid_from": "May"}], "'May' is not a day written as 2026-04-01"),
        ([{"valid_from": "2026-10-01", "dropped": ["Q9"]}], "versions → 2026-10-01: dropped: 'Q9' was not asked"),
        ([{"valid_from": "2026-10-01", "items": [{"id": "Q9", "scale": "ten"}]}], "scale 'ten' is not one of five"),
        ([{"valid_from": "2026-10-01", "items": [{"scale": "five"}]}], "an item without id"),
        ([{"valid_from": "2026-10-01", "drop": ["Q1"]}], "Did you mean 'dropped'"),
    ],
)
def test_versions_that_contradict_one_another_are_errors(tmp_path, versions, said):
    with pytest.raises(InstrumentError, match=said):
        changed_study(tmp_path, versions=versions)


def test_check_names_versions_nobody_answered_and_answers_before_the_first(tmp_path):
    later = {"valid_from": "2026-12-01", "dropped": ["Q4"]}
    study = changed_study(tmp_path, versions=[CHANGE, later], valid_from="2026-09-05")
    found = check(study)
    words = " ".join(found["finding"])
    assert "no response is of the version 2026-12-01." in words
    assert "4 responses are older than the instrument, which is valid from 2026-09-05." in words
    assert study.responses("2026-09").data["instrument_version"].unique().tolist() == ["2026-09-05"]


def test_what_changed(tmp_path):
    old, new = changed_study(tmp_path).instrument.versions
    found = differences(old, new)
    assert (found.added, found.dropped, found.reworded, found.withheld) == (["Q4"], ["Q3"], ["Q2"], ["sat"])
    assert found.rescaled == {"Q1": ((1, 5), (1, 10)), "Q2": ((1, 5), (1, 10))}
    assert found.of_items


CODES = st.integers(-3, 12)


@given(CODES, CODES, CODES, CODES, st.floats(0, 1))
def test_the_map_keeps_the_position_and_comes_back(low, span, new_low, new_span, at):
    own, other = (low, low + abs(span) + 1), (new_low, new_low + abs(new_span) + 1)
    code = np.array([own[0] + at * (own[1] - own[0])])
    mapped = same_map(code, own, other)
    assert np.isclose((mapped[0] - other[0]) / (other[1] - other[0]), at)
    assert np.allclose(same_map(mapped, other, own), code)


@settings(max_examples=5, deadline=None)
@given(st.integers(2, 11), st.integers(2, 11))
def test_the_index_of_any_scale_is_kept(tmp_path_factory, before, after):
    scales = {"five": {"min": 1, "max": before}}
    change = {"valid_from": "2026-10-01", "scales": {"five": {"min": 1, "max": after}}}
    exports = {"a.csv": answers("09", OLD[:3], before), "b.csv": answers("10", OLD[:3], after)}
    folder = tmp_path_factory.mktemp("scales")
    study = changed_study(folder, exports, items=INSTRUMENT["items"], scales=scales, versions=[change])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)
        everyone = study.responses().data
    for month, top in (("09", before), ("10", after)):
        own = (answers(month, OLD[:3], top)[OLD[:3]] - 1) / (top - 1)
        mapped = (everyone.loc[everyone["period"] == f"2026-{month}", OLD[:3]] - 1) / (after - 1)
        assert np.allclose(own, mapped)
