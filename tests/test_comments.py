"""Open comments: themes are found where they are meant, counted as R counts, topics are the same every time."""

import numpy as np
import pandas as pd
import pytest
import yaml
from compare import assert_close_to_reference
from conftest import ROOT

import qa_lib as qa
from qa_lib.errors import ResponseError, StudyError
from qa_lib.simulation.comments import CommentsSpec, draw_comments
from qa_lib.voice.dictionary import read_themes
from qa_lib.voice.quotes import quotes
from qa_lib.voice.topics import topics
from qa_lib.voice.words import mentions, stem

DEMO = ROOT / "data" / "raw" / "demo"


def theme(name, *words, zh=(), **more):
    return {"id": name, "name": {"en": name}, "words": {"en": [*words], "zh": [*zh]}, **more}


def matched(texts, *words, zh=()):
    return mentions(texts, read_themes({"themes": [theme("a", *words, zh=zh)]}))[:, 0].tolist()


# matching


@pytest.mark.parametrize(
    ("words", "text", "hit"),
    [
        (["wait"], "WAITED, and waited", True),
        (["wait"], "the waiter was kind", False),
        (["queue"], "queuing / queues / queued", True),
        (["long line"], "Long, lines everywhere", True),
        (["long line"], "a line that was long", False),
        (["apology"], "they sent apologies", True),
        (["staff"], "the staff’s manner", True),
        (["app"], "happy", False),
        (["café"], "the Café", True),
        (["speed"], "speeding", True),
        (["no help"], "there was no help", True),
        (["queue"], "there was no queue", True),  # negation is left alone
        (["phone"], "call [phone] please", False),  # what stands for something redacted is no word
    ],
)
def test_english_words_and_phrases(words, text, hit):
    assert matched([text], *words) == [hit]


@pytest.mark.parametrize(
    ("words", "text", "hit"),
    [
        (["等待"], "等待时间太长", True),
        (["排队"], "没有排队", True),
        (["等太久"], "我在这里等太久了", True),
        (["态度"], "服务态度差", True),
        (["指纹锁"], "指纹锁坏了", True),
        (["人员"], "工作人员很好", True),
        (["手机应用"], "手机应用ＡＰＰ闪退", True),
        (["大学"], "大家学习", False),
    ],
)
def test_chinese_words_are_found_where_jieba_sees_them(words, text, hit):
    assert matched([text], zh=words) == [hit]


def test_full_width_letters_and_mixed_languages_match():
    assert matched(["ＡＰＰ很慢", "app很慢", "等待 for the app"], "app") == [True, True, True]


@pytest.mark.parametrize("words", [("charge", "charged", "charging", "charges"), ("stop", "stopped"), ("pay", "pays")])
def test_endings_of_one_word_have_one_stem(words):
    assert len({stem(word) for word in words}) == 1


def test_themes_are_found_in_labelled_comments():
    """26,000 simulated respondents: every theme's precision and recall against what the comment is truly about."""
    content = yaml.safe_load((DEMO / "population.yaml").read_text(encoding="utf-8"))["survey"]
    drawn = qa.simulate({"survey": content | {"responses_per_period": 1000}}, seed=5)
    spec = CommentsSpec.model_validate(content["comments"])
    texts, truth = draw_comments(spec, drawn.responses, drawn.careless, np.random.default_rng(8))
    said, truth = texts.dropna(), truth[texts.notna()]
    found = pd.DataFrame(mentions(said.tolist(), read_themes(DEMO / "themes.yaml")), said.index, truth.columns)
    hits, wrong, missed = (found & truth).sum(), (found & ~truth).sum(), (~found & truth).sum()
    precision, recall = hits / (hits + wrong), hits / (hits + missed)
    assert hits.sum() / (hits + wrong).sum() > 0.95
    assert hits.sum() / (hits + missed).sum() > 0.88
    assert precision.min() > 0.85
    assert recall.min() > 0.65
    assert recall.max() < 1 + 1e-12
    assert missed.sum() > 0, "the simulation must hold sentences the dictionary does not know"
    assert wrong.sum() > 0, "and words it misunderstands"


# counting


@pytest.fixture
def small(reference):
    found = reference("comments")
    said = [" ".join(name for name, who in found["themes"].items() if i in who) or "fine day" for i in range(1, 21)]
    data = pd.DataFrame({"comment": [*said, None, "N/A", " - "], "y": [*found["y"], 1, 2, 3]})
    return data, [theme(name, name, dimension="d") for name in found["themes"]], found


def test_numbers_agree_with_r(small):
    data, themes, expected = small
    table = qa.comments(data, "comment", {"themes": themes}, satisfaction="y").tidy()
    rows = table[table["level"] == "theme"].set_index(["term", "measure"])
    for name, of in expected["found"].items():
        share, difference = rows.loc[(name, "share")], rows.loc[(name, "satisfaction_difference")]
        actual = [*share[["estimate", "conf_low", "conf_high"]], rows.loc[(name, "satisfaction_with"), "estimate"]]
        actual += [rows.loc[(name, "satisfaction_with"), "conf_low"]]
        actual += [rows.loc[(name, "satisfaction_without"), "estimate"]]
        actual += [*difference[["estimate", "std_error", "statistic", "df", "p_value", "conf_low", "conf_high"]]]
        keys = "share share_low share_high with with_low without difference std_error statistic df p_value low high"
        assert_close_to_reference(actual, [of[key] for key in keys.split()], 1e-9, name)
        assert_close_to_reference(difference["p_adjusted"], expected["holm"][name], 1e-9)


def test_change_is_newcombes_and_tested_with_the_pooled_share(reference):
    now, before = (pd.DataFrame({"c": ["queue"] * k + ["fine day"] * (n - k)}) for k, n in ((6, 20), (4, 25)))
    table = qa.comments(now, "c", {"themes": [theme("q", "queue")]}, before=before).tidy().set_index("measure")
    assert table.loc["share_change", "estimate"] == pytest.approx(0.14)
    assert_close_to_reference(table.loc["share_change", "p_value"], reference("comments")["change_p"], 1e-9)
    assert table.loc["share_change", "conf_low"] < 0 < table.loc["share_change", "conf_high"]


def test_weights_of_one_change_nothing_and_doubled_ones_count_twice(small):
    data, themes, _ = small
    plain = qa.comments(data, "comment", {"themes": themes}, "y").tidy()
    ones = qa.comments(data, "comment", {"themes": themes}, "y", weights=np.ones(len(data))).tidy()
    pd.testing.assert_frame_equal(plain, ones)
    w = np.where(data["comment"].astype(str).str.contains("waiting"), 2.0, 1.0)
    heavy = qa.comments(data.assign(w=w), "comment", {"themes": themes}, "y", weights="w").tidy()
    share = heavy[heavy["measure"] == "share"].set_index("term")["estimate"]
    assert share["waiting"] == pytest.approx(12 / 26)


def test_dimensions_count_a_respondent_once(small):
    data, themes, expected = small
    found = qa.comments(data, "comment", {"themes": themes}, "y")
    table = found.tidy().query("level == 'dimension' and measure == 'share'")
    union = set().union(*expected["themes"].values())
    assert table[["term", "n"]].to_numpy().tolist() == [["d", len(union)]]
    glance = found.glance().loc[0]
    assert (glance["n"], glance["n_commented"], glance["n_themed"]) == (23, 20, len(union))
    assert found.coverage == pytest.approx(len(union) / 20)
    assert glance["coverage_low"] < found.coverage < glance["coverage_high"]


def test_the_satisfied_and_the_others_are_the_top_two_boxes(small):
    data, themes, expected = small
    table = qa.comments(data, "comment", {"themes": themes}, "y").tidy().set_index(["term", "measure"])
    y = np.array(expected["y"])
    who = np.isin(np.arange(1, 21), expected["themes"]["waiting"])
    assert table.loc[("waiting", "share_satisfied"), "estimate"] == pytest.approx(who[y >= 4].mean())
    assert table.loc[("waiting", "share_not_satisfied"), "estimate"] == pytest.approx(who[y < 4].mean())


def test_row_order_does_not_matter(small):
    data, themes, _ = small
    first = qa.comments(data, "comment", {"themes": themes}, "y").tidy()
    second = qa.comments(data.sample(frac=1, random_state=1), "comment", {"themes": themes}, "y").tidy()
    pd.testing.assert_frame_equal(first, second)


def test_a_picture_of_chosen_themes(small):
    data, themes, _ = small
    found = qa.comments(data, "comment", {"themes": themes}, "y")
    ax = found.plot(labels={"rooms": "Zimmer", "axis": "Anteil"}, terms=["rooms", "waiting"])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Zimmer", "waiting"]
    assert ax.get_xlabel() == "Anteil"


# topics and quotes


def unthemed(seed=3, n=60):
    rng = np.random.default_rng(seed)
    kinds = (("parking", "space", "car"), ("fees", "price", "expensive"), ("停车位", "停车场", "车位"))
    return [" ".join(rng.permutation(kinds[i % 3])) for i in range(n)]


def test_topics_are_found_and_the_same_every_time():
    texts = unthemed()
    first, again = topics(texts), topics(texts)
    assert first.of.tobytes() == again.of.tobytes()
    assert first.words == again.words
    assert len(first.words) == 3
    assert all(len({first.of[i] for i in range(kind, 60, 3)}) == 1 for kind in range(3))
    assert {"parking", "space", "car"} == set(first.words[first.of[0]])


def test_no_topic_is_smaller_than_the_minimum_nor_shows_rare_words():
    texts = [*unthemed(n=45), *["zebra giraffe"] * 2, *["lion tiger bear"] * 5]
    found = topics(texts, minimum=15)
    assert min(np.bincount(found.of[found.of >= 0])) >= 15
    assert not {word for words in found.words for word in words} & {"zebra", "giraffe"}
    assert topics(texts, minimum=60).words == []
    assert topics([], minimum=10).words == []
    assert topics(["ok", "well", "hm"], minimum=1).words == []


def test_quotes_follow_their_rule():
    said = pd.Series(
        [
            *["The queue was very long on that day", "The queue was long that day, really", "queue"],
            *["The queue was long and the staff was rude to me", "Call [phone], the queue was far too long today"],
            *[
                "The queue was long, said Ann to everybody there",
                "The staff was rude to me this time",
                "排队的人实在太多了",
            ],
        ]
    )
    themes = {"themes": [theme("queue", "queue", zh=["排队"]), theme("rude", "rude"), theme("none", "zebra")]}
    found = qa.comments(said.to_frame("c"), "c", themes)
    english = quotes(found, said, ["rude", "queue", "none"], chinese=False)
    assert english.to_numpy().tolist() == [
        ["rude", "The staff was rude to me this time"],
        ["queue", "The queue was very long on that day"],
    ]
    assert quotes(found, said, ["queue"], chinese=True)["quote"].tolist() == ["排队的人实在太多了"]
    assert len(quotes(found, said, ["rude", "queue"], chinese=False, most=1)) == 1


# bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"column": "other"}, "no column 'other'"),
        ({"satisfaction": "other"}, "no column 'other'"),
        ({"weights": "other"}, "no column 'other'"),
        ({"weights": [1.0]}, "every one of the 2 respondents"),
    ],
)
def test_what_cannot_be_is_refused(change, message):
    data = pd.DataFrame({"c": ["queue", "rude"]})
    with pytest.raises(ResponseError, match=message):
        qa.comments(**{"data": data, "column": "c", "themes": {"themes": [theme("q", "queue")]}} | change)


def test_no_comment_at_all_is_an_error():
    with pytest.raises(ResponseError, match="nobody wrote"):
        qa.comments(pd.DataFrame({"c": [None, "无", "-"]}), "c")


@pytest.mark.parametrize(
    ("themes", "message"),
    [
        ([theme("a", "x"), theme("a", "y")], "'a' stands twice"),
        ([theme("a")], "at least one word"),
        ([theme("a", " ")], "no empty ones"),
        ([theme("a", "x", polarity="bad")], "polarity"),
        ([theme("a", "x", colour="red")], "unknown key 'colour'"),
    ],
)
def test_mistakes_of_the_dictionary_are_named(themes, message):
    with pytest.raises(StudyError, match=message):
        read_themes({"themes": themes})


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "=1+1", "\u202ereversed", "a\u0000b", "😀😀", "𠀀𠀁", "x" * 10**5]
)
def test_hostile_text_is_only_text(text):
    found = qa.comments(pd.DataFrame({"c": [text, "queue"] * 5}), "c", {"themes": [theme("q", "queue")]})
    assert found.mentioned["q"].sum() == 5
