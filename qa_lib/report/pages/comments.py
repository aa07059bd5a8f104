"""In customers' own words: themes by mentions and by satisfaction, what no theme covers, a few quotes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from qa_lib.report import charts_drivers, display
from qa_lib.report.pages.drivers import SIGNIFICANCE
from qa_lib.report.pages.page import ReportPage
from qa_lib.report.pages.voices import Voices, may_speak, shown_shares, shown_terms
from qa_lib.study.study_file import Comment
from qa_lib.voice.comments import Comments, comments
from qa_lib.voice.dictionary import Themes, themes_of
from qa_lib.voice.quotes import quotes


@dataclass(frozen=True, slots=True)
class Heard:
    """What one open question brought: the result, and which themes and dimensions this page may show."""

    question: Comment
    result: Comments
    terms: list[str]
    changed: list[str]

    def rows(self, measure: str, level: str = "theme") -> pd.DataFrame:
        """The rows of a measure for what may be shown, indexed by term, the most mentioned first."""
        table = self.result.table[self.result.table["level"] == level]
        shares = table[table["measure"] == "share"].sort_values("estimate", ascending=False, kind="stable")["term"]
        found = table[table["measure"] == measure].set_index("term")
        return found.reindex([term for term in shares if term in self.terms])


def listen(page: ReportPage) -> list[Heard]:
    """The study's open questions that enough of this page's respondents answered."""
    themes = themes_of(page.study.path)
    found = [_heard(page, question, themes) for question in page.study.spec.comments if question.id in page.data]
    return [heard for heard in found if heard is not None]


def _heard(page: ReportPage, question: Comment, themes: Themes) -> Heard | None:
    if not may_speak(page, question.id):
        return None
    satisfaction = page.outcomes.get("satisfaction")
    needed = [name for name in (question.id, satisfaction, page.weights) if name]
    before = None if page.before is None or question.id not in page.before else page.before[needed]
    options = {"scale": page.instrument.scale_of(satisfaction)} if satisfaction else {}
    result = page.attempt(
        comments, page.data[needed], question.id, themes, satisfaction,
        weights=page.weights, before=before, minimum=page.study.spec.minimum_cell, **options,
    )  # fmt: skip
    if result is None:
        return None
    terms = shown_terms(page, Voices.of(page, question.id, themes, page.period))
    earlier = (
        shown_terms(page, Voices.of(page, question.id, themes, page.previous_period)) if before is not None else []
    )
    return Heard(question, result, terms, [term for term in terms if term in earlier])


def overview(page: ReportPage, found: Sequence[Heard]) -> None:
    """How many wrote something, and how much of it the themes cover."""
    text = page.text
    if not found:
        display.paragraph(text("no_comments", minimum=page.study.spec.minimum_cell), "note")
    for heard in found:
        glance = heard.result.glance().loc[0]
        wrote = text.percent(glance["n_commented"] / glance["n"])
        said = text("comments_lead", n=text.count(glance["n_commented"]), share=wrote, question=name_of(page, heard))
        if "any_theme" in heard.terms:
            low, high = (text.percent(glance[f"coverage_{end}"]) for end in ("low", "high"))
            said += text("comments_covered", share=text.percent(glance["coverage"]), low=low, high=high)
        display.paragraph(said, "lead")


def name_of(page: ReportPage, heard: Heard) -> str:
    return page.text.of(heard.question.name, heard.question.id)


def names_of(page: ReportPage, result: Comments) -> dict[str, str]:
    """Themes and dimensions in the page's language."""
    dimensions = {theme.dimension for theme in result.themes.themes if theme.dimension}
    known = {entry.id for entry in page.instrument.file.dimensions}
    names = {name: page.dimension_name(name) if name in known else name for name in dimensions}
    return names | {theme.id: page.text.of(theme.name, theme.id) for theme in result.themes.themes}


def themes(page: ReportPage, found: Sequence[Heard]) -> None:
    """What is mentioned, in sentences, one picture and a table."""
    for heard in found:
        if not heard.result.themes.themes:
            continue
        _titled(page, "comment_themes", found, heard)
        shares = heard.rows("share").dropna(subset="estimate")
        if shares.empty:
            display.paragraph(page.text("no_theme_shown", minimum=page.study.spec.minimum_cell), "note")
            continue
        for sentence in sentences(page, heard):
            display.paragraph(sentence)
        _picture(page, heard, shares)
        _tables(page, found, heard, "theme")
        _tables(page, found, heard, "dimension")
        hidden = len(heard.result.themes.themes) - len(shares)
        if hidden:
            display.paragraph(page.text("hidden_themes", n=hidden, minimum=page.study.spec.minimum_cell), "note")
        display.paragraph(page.text("comments_negation"), "note")


def _titled(page: ReportPage, key: str, found: Sequence[Heard], heard: Heard) -> None:
    """The section's heading; with several questions it names the one."""
    display.heading(_caption(page, key, found, heard), f"{key}-{heard.question.id}" if len(found) > 1 else key)


def sentences(page: ReportPage, heard: Heard, most: int = 3) -> list[str]:
    """What is mentioned most, and whose commenters are less satisfied: surely so first, themes before dimensions."""
    text, names, shares = page.text, names_of(page, heard.result), heard.rows("share")
    most_mentioned = shares["estimate"].dropna().head(3).items()
    top = [text("theme_share", theme=names[term], share=text.percent(share)) for term, share in most_mentioned]
    mentioned = [text("themes_most", themes=text.join(top))] if top else []
    less = pd.concat([heard.rows("satisfaction_difference", level) for level in ("theme", "dimension")])
    less = less[less["conf_high"] < 0]
    sure = less["p_adjusted"] < SIGNIFICANCE
    told = set(less.loc[sure & (less["level"] == "theme"), "dimension"])
    rows = pd.concat(
        [
            less[sure & ~((less["level"] == "dimension") & less["dimension"].isin(told))],
            less[~sure & (less["level"] == "theme")],
        ]
    )
    return [*mentioned, *(_less_satisfied(page, heard, row, names) for _, row in rows.head(most).iterrows())]


def _less_satisfied(page: ReportPage, heard: Heard, row: pd.Series, names: dict[str, str]) -> str:
    text, share = page.text, heard.rows("share", row["level"]).loc[row.name, "estimate"]
    return text(
        "theme_less_satisfied" if row["p_adjusted"] < SIGNIFICANCE else "theme_likely_less_satisfied",
        theme=names[row.name],
        share=text.percent(share),
        amount=text.number(-row["estimate"]),
        interval=text.interval(-row["conf_high"], -row["conf_low"]),
    )


def _picture(page: ReportPage, heard: Heard, shares: pd.DataFrame) -> None:
    text = page.text
    names = names_of(page, heard.result)
    keys = ("less_satisfied", "more_satisfied", "not_sure", "axis")
    labels = names | {key: text(f"theme_chart_{key}") for key in keys}
    height = 1.1 + 0.38 * len(shares)
    drawn = charts_drivers.drawn(heard.result, labels, height, "x", terms=list(shares.index))
    alt = text("alt_themes", theme=names[shares.index[0]], share=text.percent(shares["estimate"].iloc[0]))
    display.figure(drawn, alt)


def _tables(page: ReportPage, found: Sequence[Heard], heard: Heard, level: str) -> None:
    """How often each theme, or each dimension of several themes, is mentioned, and by how satisfied customers."""
    shares = heard.rows("share", level).dropna(subset="estimate")
    if shares.empty:
        return
    names = names_of(page, heard.result)
    mentions = [[names[term], *_mentions(page, heard, share, level)] for term, share in shares.iterrows()]
    columns = [level, *(["dimension"] if level == "theme" else []), "comments_n", "comments_share", "interval_95"]
    columns += ["change_points"] if heard.changed else []
    _listing(page, mentions, columns, _caption(page, f"caption_{level}s", found, heard), 2 if level == "theme" else 1)
    if not heard.result.table["measure"].eq("satisfaction_difference").any():
        return
    groups = {name: of for name, of in shown_shares(page, heard.result, list(shares.index)).items() if of}
    rows = [
        [
            names[term],
            *_satisfaction(page, heard, term, level),
            *(page.text.percent(groups[g].get(term)) for g in groups),
        ]
        for term in shares.index
    ]
    columns = [level, "theme_with", "theme_without", "theme_difference", "interval_95", "p_holm"]
    columns += [f"theme_{name}" for name in groups]
    _listing(page, rows, columns, _caption(page, f"caption_{level}s_satisfaction", found, heard))


def _mentions(page: ReportPage, heard: Heard, share: pd.Series, level: str) -> list[str]:
    text, names = page.text, names_of(page, heard.result)
    dimension = [names.get(share["dimension"], "–")] if level == "theme" else []
    change = [_change(page, heard, share.name, level)] if heard.changed else []
    return [*dimension, text.count(share["n"]), text.percent(share["estimate"]), _percents(page, share), *change]


def _listing(page: ReportPage, rows: list[list[str]], columns: Sequence[str], caption: str, words: int = 1) -> None:
    display.table(pd.DataFrame(rows, columns=[page.text(key) for key in columns]), caption, words)


def _caption(page: ReportPage, key: str, found: Sequence[Heard], heard: Heard) -> str:
    """The table's caption; with several questions it names the one."""
    return page.text(key) + (f" · {name_of(page, heard)}" if len(found) > 1 else "")


def _percents(page: ReportPage, row: pd.Series) -> str:
    low, high = (page.text.percent(row[end]) for end in ("conf_low", "conf_high"))
    return f"{low} {page.text('to')} {high}"


def _change(page: ReportPage, heard: Heard, term: str, level: str) -> str:
    """The change in percentage points with its interval, where both periods may be shown."""
    rows = heard.rows("share_change", level)
    if term not in heard.changed or term not in rows.index:
        return "–"
    row, text = 100 * rows.loc[term, ["estimate", "conf_low", "conf_high"]].astype(float), page.text
    return f"{text.signed(row['estimate'], 0)} ({text.interval(row['conf_low'], row['conf_high'], 0)})"


def _satisfaction(page: ReportPage, heard: Heard, term: str, level: str) -> list[str]:
    """Means of both sides and their difference, where both sides are large enough."""
    text, minimum = page.text, page.study.spec.minimum_cell
    names = ("satisfaction_with", "satisfaction_without", "satisfaction_difference")
    inside, outside, difference = (heard.rows(name, level).loc[term] for name in names)
    if inside["n"] < minimum or outside["n"] < minimum:
        return ["–"] * 5
    means = [text.number(row["estimate"], 2) for row in (inside, outside)]
    interval = text.interval(difference["conf_low"], difference["conf_high"], 2)
    return [*means, text.signed(difference["estimate"], 2), interval, text.p_value(difference["p_adjusted"])]


def other_topics(page: ReportPage, found: Sequence[Heard]) -> None:
    """What comments without a theme speak of: topics by their words, hidden below the minimum cell."""
    text = page.text
    for heard in found:
        _titled(page, "comment_topics", found, heard)
        topics = heard.result.topics[heard.result.topics["n"] >= page.study.spec.minimum_cell]
        if topics.empty:
            display.paragraph(text("no_topics", minimum=page.study.spec.minimum_cell), "note")
            continue
        rated = topics["satisfaction"].notna().any()
        rows = [
            [text("list_comma").join(row["words"]), text.percent(row["estimate"]), _percents(page, row)]
            + ([text.number(row["satisfaction"], 2)] if rated else [])
            for _, row in topics.iterrows()
        ]
        columns = ["topic_words", "comments_share", "interval_95", *(["theme_with"] if rated else [])]
        _listing(page, rows, columns, _caption(page, "caption_topics", found, heard))
        display.paragraph(text("topics_note", minimum=page.study.spec.minimum_cell), "note")


def in_their_words(page: ReportPage, found: Sequence[Heard]) -> None:
    """A few quotes, where the study allows them; never of a group's page, whose cells are small."""
    if not page.study.spec.quotes or page.segment:
        return
    text = page.text
    for heard in found:
        said = page.data[heard.question.id]
        terms = list(heard.rows("share").dropna(subset="estimate").index)
        chosen = quotes(heard.result, said, terms, text.lang == "zh")
        if chosen.empty:
            continue
        _titled(page, "comment_quotes", found, heard)
        names = names_of(page, heard.result)
        words = chosen["quote"].map(lambda quote: text("quoted", quote=quote))
        frame = pd.DataFrame({text("theme"): chosen["term"].map(names), text("quote"): words})
        display.table(frame, _caption(page, "caption_quotes", found, heard), 2)
        display.paragraph(text("quotes_note", minimum=page.study.spec.minimum_cell), "note")
