"""Moments: one pass, any pieces, any source, the same numbers."""

import os
from itertools import pairwise

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qa_lib.errors import ResponseError
from qa_lib.sufficient import grams
from qa_lib.sufficient.moments import as_moments, moments
from qa_lib.sufficient.resample import bootstrap_counts, bootstrap_moments


def survey(n=500, seed=1, missing=0.1):
    """Three ordinal items on different scales and one continuous, with values missing."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=n)
    frame = pd.DataFrame(
        {
            "five": np.clip(np.rint(3 + latent + rng.normal(size=n)), 1, 5),
            "seven": np.clip(np.rint(4 + latent + rng.normal(size=n)), 1, 7),
            "eleven": np.clip(np.rint(5 + 2 * latent + rng.normal(size=n)), 0, 10),
            "minutes": 1e6 + 10 * latent + rng.normal(size=n),
        }
    )
    return frame.mask(rng.random(frame.shape) < missing)


def assert_same(a, b):
    assert a.items == b.items
    assert a.n == pytest.approx(b.n)
    for name in ("mean", "cov", "correlation", "pairwise_n"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-9, atol=1e-12, err_msg=name)
    assert list(a.tables) == list(b.tables)
    for pair in a.tables:
        pd.testing.assert_frame_equal(a.tables[pair], b.tables[pair])


@pytest.mark.parametrize("missing", [0, 0.2])
def test_pairwise_moments_are_those_of_pandas(missing):
    frame = survey(missing=missing)
    m = moments(frame)
    np.testing.assert_allclose(m.mean, frame.mean(), rtol=1e-13)
    np.testing.assert_allclose(m.cov, frame.cov(), rtol=1e-10)
    np.testing.assert_allclose(m.correlation, frame.corr(), rtol=1e-10)
    observed = frame.notna().to_numpy(dtype=float)
    np.testing.assert_array_equal(m.pairwise_n, observed.T @ observed)


def test_listwise_moments_are_those_of_complete_rows():
    frame = survey()
    m = moments(frame, missing="listwise")
    assert m.n == len(frame.dropna())
    np.testing.assert_allclose(m.cov, frame.dropna().cov(), rtol=1e-10)


def test_tables_are_crosstabs():
    frame = survey()
    m = moments(frame)
    assert list(m.tables) == [("five", "seven"), ("five", "eleven"), ("seven", "eleven")]
    for a, b in m.tables:
        expected = pd.crosstab(frame[a], frame[b])
        np.testing.assert_array_equal(m.tables[a, b], expected)
        np.testing.assert_array_equal(m.tables[b, a], expected.T)
        assert list(m.tables[a, b].index) == list(expected.index)
    with pytest.raises(KeyError):
        m.tables["five", "minutes"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 500), max_size=4), st.randoms(use_true_random=False), st.booleans())
def test_pieces_merged_in_any_order_equal_one_pass(cuts, random, weighted):
    frame = survey()
    weights = np.random.default_rng(3).uniform(1.1, 2, len(frame)) if weighted else None
    rows = [np.arange(a, b) for a, b in pairwise([0, *sorted(cuts), len(frame)]) if b > a]
    random.shuffle(rows)
    pieces = [moments(frame.iloc[r], weights=None if weights is None else weights[r]) for r in rows]
    assert_same(sum(pieces[1:], pieces[0]), moments(frame, weights=weights))


def test_an_item_that_turns_continuous_later_is_continuous_in_any_order():
    early, late = pd.DataFrame({"x": [1, 2, 3], "y": [1, 1, 2]}), pd.DataFrame({"x": [2.5, 80, 7], "y": [3, 1, 2]})
    a, b = moments(early), moments(late)
    expected = pd.concat([early, late]).cov()
    for merged in (a + b, b + a):
        np.testing.assert_allclose(merged.cov, expected, rtol=1e-12)
        assert list(merged.tables) == []


def test_integer_weights_are_repeated_rows():
    frame = survey()
    weights = np.random.default_rng(5).integers(0, 4, len(frame))
    assert_same(moments(frame, weights=weights), moments(frame.loc[frame.index.repeat(weights)]))
    m = moments(frame.assign(w=weights), weights="w")
    assert_same(m, moments(frame, weights=weights))
    assert m.effective_n == pytest.approx(weights.sum() ** 2 / (weights**2).sum())


def test_groups_in_the_same_pass():
    frame = survey().assign(branch=np.tile(["a", "b"], 250))
    groups = moments(frame, by="branch")
    assert list(groups) == ["a", "b"]
    for name, m in groups.items():
        assert_same(m, moments(frame[frame.branch == name].drop(columns="branch")))


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_files_give_what_the_frame_gives(tmp_path, suffix):
    frame = survey().assign(branch="a", weight=1.5)
    paths = [tmp_path / f"{k}.{suffix}" for k in range(2)]
    for part, path in zip((frame.iloc[:200], frame.iloc[200:]), paths, strict=True):
        part.to_parquet(path, row_group_size=90) if suffix == "parquet" else part.to_csv(path, index=False)
    m = moments(paths, weights="weight", by="branch")["a"]
    assert_same(m, moments(frame.drop(columns="branch"), weights="weight"))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, float, "Int64"])
def test_the_type_that_holds_the_codes_does_not_matter(dtype):
    frame = survey(missing=0).drop(columns="minutes")
    assert_same(moments(frame.astype(dtype)), moments(frame))


def test_fourth_order_is_the_covariance_of_casewise_products():
    frame = survey(missing=0)
    m = moments(frame.iloc[:99], missing="listwise", fourth_order=True)
    m += moments(frame.iloc[99:], missing="listwise", fourth_order=True)
    x = frame.to_numpy() - frame.to_numpy().mean(axis=0)
    pairs = [(i, j) for j in range(4) for i in range(j, 4)]
    z = np.column_stack([x, *(x[:, i] * x[:, j] for i, j in pairs)])
    np.testing.assert_allclose(m.acov, np.cov(z.T, ddof=0), rtol=1e-7, atol=1e-6)
    chosen = m.select(["minutes", "five"])
    direct = moments(frame[["minutes", "five"]], missing="listwise", fourth_order=True)
    np.testing.assert_allclose(chosen.acov, direct.acov, rtol=1e-7, atol=1e-6)


def test_seam_takes_data_moments_or_covariance():
    frame = survey()
    m = moments(frame)
    assert as_moments(m) is m
    assert_same(as_moments(m, ["seven", "five"]), moments(frame[["seven", "five"]]))
    given_cov = as_moments((m.cov, 400))
    np.testing.assert_allclose(given_cov.cov, m.cov, rtol=1e-12)
    sd = np.sqrt(np.diag(m.cov))
    np.testing.assert_allclose(given_cov.correlation, m.cov / np.outer(sd, sd), rtol=1e-12)
    assert given_cov.n == 400
    assert given_cov.mean.isna().all()
    with pytest.raises(ResponseError, match="number of respondents"):
        as_moments(m.cov)


def test_constant_item_has_no_correlation():
    m = moments(pd.DataFrame({"a": [3, 3, 3], "b": [1, 2, 4]}))
    assert m.correlation.loc["a"].isna().all()
    assert m.cov.loc["a", "a"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items": ["five", "nine"]}, "nine"),
        ({"weights": -np.ones(500)}, "not negative"),
        ({"weights": np.full(500, 1 / 500)}, "sum to"),
        ({"weights": np.ones(3)}, "one each"),
        ({"missing": "drop"}, "listwise"),
        ({"fourth_order": True}, "complete"),
        ({"items": ["five", "text"]}, "not numeric"),
    ],
)
def test_bad_input_is_named(change, message):
    with pytest.raises(ResponseError, match=message):
        moments(survey().assign(text="x"), **change)


def test_infinite_values_and_foreign_merges_are_refused():
    frame = survey(missing=0)
    with pytest.raises(ResponseError, match="infinite"):
        moments(frame.assign(five=np.inf))
    with pytest.raises(ResponseError, match="cannot be merged"):
        moments(frame) + moments(frame[["five"]])


@pytest.mark.parametrize("missing", [0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
def test_bootstrap_equals_moments_of_resampled_rows(missing, weighted):
    frame = survey(n=60, missing=missing)
    weights = np.random.default_rng(2).uniform(0.5, 2, 60) if weighted else None
    means, covs = bootstrap_moments(frame, 20, seed=9, weights=weights)
    counts = bootstrap_counts(60, 20, np.random.default_rng(9))
    assert (counts.sum(axis=1) == 60).all()
    for b in (0, 19):
        m = moments(frame, weights=counts[b] * (1 if weights is None else weights))
        np.testing.assert_allclose(means[b], m.mean, rtol=1e-10)
        np.testing.assert_allclose(covs[b], m.cov, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("n", [grams.MANY, grams.MANY + 1, 64 * grams.WORDS + 37])
@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_bits_count_what_cross_tables_count(n, missing):
    rng = np.random.default_rng(n)
    data = pd.DataFrame({"a": rng.integers(1, 6, n), "b": rng.integers(0, 11, n), "c": rng.integers(-1, 2, n)})
    data = data.where(rng.random(data.shape) >= missing)
    found = moments(data)
    for pair in (("a", "b"), ("a", "c"), ("b", "c")):
        crossed = pd.crosstab(*(data[name] for name in pair))
        np.testing.assert_array_equal(found.tables[pair], crossed)
    np.testing.assert_allclose(found.cov, data.cov(), rtol=1e-10)


def test_parallel_pieces_and_a_dask_frame_give_the_same():
    dask = pytest.importorskip("dask.dataframe")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(1, 6, (300_000, 3), dtype=np.int8), columns=list("abc"))
    one = moments(frame)
    assert_same(moments(frame, n_jobs=2), one)
    assert_same(moments(dask.from_pandas(frame, npartitions=3)), one)


def test_two_worker_processes_of_a_cluster_give_the_same_bytes(tmp_path):
    distributed = pytest.importorskip("distributed")
    rng = np.random.default_rng(3)
    paths = [tmp_path / f"{month}.parquet" for month in ("2026-08", "2026-09", "2026-10")]
    for path in paths:
        pd.DataFrame(rng.integers(1, 6, (5000, 4), dtype=np.int8), columns=list("abcd")).to_parquet(path)
    local = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**local) as cluster, distributed.Client(cluster) as client:
        assert len({worker["id"] for worker in client.scheduler_info()["workers"].values()}) == 2
        with joblib.parallel_config(backend="dask"):
            found = moments(paths, n_jobs=-1)
        spread = client.run(os.getpid)
    assert len(set(spread.values()) - {os.getpid()}) == 2
    one = moments(paths)
    assert found.gram.tobytes() == one.gram.tobytes()
    assert found.n == 15_000
