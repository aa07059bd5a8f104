"""Free text without the persons in it: what people type beside their answers is redacted before anything keeps it.

A column that should hold no personal data is refused when it does (``privacy``). A comment may well hold some, and
hiding a word too many does no harm there, so that rules are wider here: any long number, any handle, any likely name.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qa_lib.study.coding import Place
from qa_lib.study.ledger import LedgerBook
from qa_lib.study.privacy import SURNAMES, named_personal, personal_column, redacted

if TYPE_CHECKING:
    import rjieba

LONGEST = 5000
"""Characters of a comment that are kept."""

MARK = re.compile(r"\[(?:[a-z]+_)?[a-z]+\]")
"""What stands in the place of something redacted: its kind in brackets."""

_GIVEN_NAMES = """
Aaron Abdul Adam Adrian Ahmed Alan Albert Alejandro Alex Alexander Alexandra Ali Alice Alison Amanda Amy Ana Andrea
Andrew Angela Anita Ann Anna Anne Annie Anthony Antonio Ashley Barbara Ben Benjamin Beth Betty Bob Brandon Brenda
Brian Bruce Carl Carlos Carol Caroline Catherine Charles Charlotte Cheryl Chris Christian Christina Christine
Christopher Claire Craig Cynthia Daniel Daniela David Deborah Dennis Diana Diane Donald Donna Dorothy Douglas Edward
Eleanor Elena Elizabeth Ella Emily Emma Eric Erik Ethan Eva Fatima Fiona Frances Francis Frank Fred Gary George Gloria
Gordon Graham Greg Gregory Hannah Harold Harry Heather Helen Henry Howard Ian Ibrahim Irene Isaac Isabella Jack Jacob
James Jamie Jane Janet Jason Jean Jeff Jeffrey Jennifer Jeremy Jerry Jessica Jim Joan Joanna Joe Joel Johannes John
Jonas Jonathan Jordan Jose Joseph Joshua Juan Judith Judy Julia Julian Julie Karen Kate Katherine Kathleen Katie Keith
Kelly Ken Kenneth Kevin Kim Kyle Larry Laura Lauren Laurence Leah Leo Leonard Leslie Liam Linda Lisa Louis Louise
Lucas Lucy Luis Luke Margaret Maria Marie Mario Martha Martin Mary Matthew Megan Melanie Melissa Michael Michelle
Miguel Mike Mohamed Mohammed Monica Muhammad Nancy Natalie Natasha Nathan Neil Nicholas Nick Nicole Nigel Noah Nora
Olga Oliver Olivia Omar Oscar Pamela Patricia Patrick Paul Paula Pedro Peter Philip Philippa Phillip Rachel Ralph
Raymond Rebecca Richard Rita Robert Roger Ronald Roy Russell Ryan Sally Sam Samantha Samuel Sandra Sara Sarah Scott
Sean Sharon Shirley Simon Sofia Sophia Sophie Stefan Stephanie Stephen Steve Steven Stuart Susan Suzanne Teresa Terry
Theresa Thomas Tim Timothy Tina Todd Tom Tony Tracy Ursula Vanessa Victoria Vincent Walter Wayne Wendy William Yvonne
Zachary
"""
_PINYIN = (
    "Wang Zhang Liu Chen Yang Zhao Huang Zhou Wu Xu Zhu Guo Gao Luo Zheng Liang Xie Feng Deng Cao Peng Zeng Xiao Tian"
)
_TITLES = "先生|女士|小姐|太太|经理|主任|主管|老师|师傅|医生|大夫|护士|律师|同志|客服|柜员|专员"
_WORD = r"[A-Z][\w'’-]+"
_NO_NAME = (
    r"(?!(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|January|February|March|April|June|July|August|\w+ember|October)"
)
_STREETS = "Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Square|Way|Close|Place|Terrace"
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_MESSENGERS = r"(?i:微信|wechat|weixin|\bvx|\bwx|\bqq|whatsapp|telegram|支付宝|alipay)"
_CUES = "(?i:my name is|i am called|i'm called|called|named|signed,?|regards,?|yours,?)"
_COMPOUND = "欧阳|上官|诸葛|司徒|尉迟|皇甫|令狐|慕容|夏侯|公孙"
_FAMILY = f"[{SURNAMES}安温欧]"
_HAN = "[\u4e00-\u9fff]"
_PATTERNS = (
    ("url", r"(?i:https?://|www\.)\S+|\b[\w-]+\.(?i:com|cn|net|org|io|co|info|xyz|top|me)\b(?:/\S*)?"),
    (
        "email",
        r"[\w.+-]{1,64} ?[\[(]?(?:@| ?\bat\b) ?[\])]? ?[\w-]{1,63} ?[\[(]? ?\bdot\b ?[\])]? ?[A-Za-z]{2,8}\b",
    ),
    ("account", _MESSENGERS + r"号?码?(?: ?(?i:id|no|number|is|是|为))?[\s.:：#]{0,3}[A-Za-z0-9][\w-]{4,}"),
    ("account", r"(?<!\w)@[\w-]{2,}"),
    (
        "address",
        rf"{_HAN}{{1,8}}(?:路|街|大道|巷|弄|胡同|小区|花园|大厦)\s?[\d一二三四五六七八九十]+\s?"
        r"(?:号|弄|栋|幢|楼|室|单元)[\d号弄栋幢楼层室单元]*",
    ),
    ("address", rf"\b\d{{1,5}}[A-Za-z]?,? (?:[A-Z][\w'.-]+ ){{1,4}}(?:{_STREETS})\b"),
    ("address", r"\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b"),
    ("identifier", rf"[{_PROVINCES}][A-Z][·• ]?[A-Z0-9]{{5,6}}"),
    (
        "identifier",
        r"(?<![A-Za-z0-9])(?=[A-Za-z0-9-]{0,60}[A-Za-z])(?=[A-Za-z0-9-]{0,60}\d{3})[A-Za-z0-9][A-Za-z0-9-]{5,60}",
    ),
    ("number", r"\d(?:[\s.·_/*–-]?\d){5,}|[〇零一二三四五六七八九幺]{7,}"),
    ("name", rf"\b(?i:mr|mrs|ms|miss|dr|prof|sir|madam)\.? {_WORD}(?: {_WORD})?"),
    ("name", rf"\b{_CUES} {_NO_NAME}{_WORD}(?: {_WORD})?"),
    ("name", rf"\b(?:{'|'.join(_GIVEN_NAMES.split())})\b(?: {_NO_NAME}{_WORD})?"),
    ("name", rf"\b(?:{'|'.join(_PINYIN.split())}) [A-Z][a-z]+(?:[ -][a-z]+)?\b"),
    ("name", rf"(?<=[a-z,] )(?<!\b[Tt]he ){_NO_NAME}[A-Z][a-z'’-]+(?: [A-Z]\.)? [A-Z][a-z'’-]+"),
    ("name", rf"{_FAMILY}{_HAN}{{0,2}}?(?:{_TITLES})|(?:{_COMPOUND}){_HAN}{{1,2}}"),
    ("name", rf"(?:我是|我叫|名叫|叫做|姓名[::是]?)\s?{_FAMILY}{_HAN}{{1,2}}(?!{_HAN})"),
)
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in _PATTERNS)
_NOT_NAMES = {"谢谢", "文明", "康复", "龙卡", "孟加拉", "高峰", "高明", "高兴", "方正", "金卡", "金牌", "万一", "江湖"}
_CHINESE = re.compile("[\u4e00-\u9fff]{2,}")


def redact_comment(text: str, known: Iterable[str] = ()) -> str:
    """The text without personal data, invisible characters and controls, its first ``LONGEST`` characters.

    Recognised are what ``privacy`` knows, web addresses, handles, postal addresses, licence plates, any run of six
    digits or more, names after a title or a cue, common given names with what follows, two capitalised words in a
    sentence, and Chinese names by jieba's part-of-speech tags. ``known`` are personal data of the same person, whatever
    they look like.

    >>> redact_comment("Ann Lee (card 6222 0202 0011 1122) waited; 请联系张伟女士，微信zhangwei88")
    '[name] (card [number]) waited; 请联系[name],[account]'
    """
    shown = _printable(text[: 4 * LONGEST])[:LONGEST]
    plain = unicodedata.normalize("NFKC", shown)
    hidden = _without_known(plain, known)
    hidden = redacted(hidden)
    for kind, pattern in _COMPILED:
        hidden = pattern.sub(f"[{kind}]", hidden)
    hidden = _without_chinese_names(hidden)
    return shown if hidden == plain else hidden[:LONGEST]


def redacted_comments(texts: pd.Series, personal: pd.DataFrame, name: str, place: Place, book: LedgerBook) -> pd.Series:
    """A column of comments, redacted; the ledger counts by kind what was hidden, and comments that were too long.

    ``personal`` holds the personal columns of the same rows: what they say of a person is hidden in what it wrote.
    """
    found, kinds = texts.copy(), Counter()
    for row in np.flatnonzero(texts.notna()):
        known = [str(value) for value in personal.iloc[row] if isinstance(value, str)]
        text = str(texts.iloc[row])
        found.iloc[row] = redact_comment(text, known)
        kinds.update((Counter(MARK.findall(found.iloc[row])) - Counter(MARK.findall(text))).keys())
    marks = sorted(kinds)
    book.rule(place.file, name, [""] * len(marks), marks, [kinds[mark] for mark in marks], "redacted")
    if shortened := int((texts.str.len() > LONGEST).sum()):
        book.rule(place.file, name, [""], [""], [shortened], "shortened")
    return found


def personal_columns(table: pd.DataFrame, wording: Mapping[str, str], respondent: Sequence[str]) -> pd.DataFrame:
    """The columns of an export that say who answered, by their name or wording, and the respondent's id."""
    names = {
        column: [column, str(wording.get(column, ""))]
        for column in table
        if named_personal(column) or named_personal(str(wording.get(column, "")))
    }
    chosen = [column for column, said in names.items() if personal_column(said, table[column].replace("", pd.NA))]
    return table[[*chosen, *(column for column in respondent if column in table and column not in chosen)]]


def _printable(text: str) -> str:
    """Controls and odd spaces as a space; without formats (zero width, direction), private and broken characters."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if unicodedata.category(character)[0] == "Z" or character in "\t\r\n" else ""


def _without_known(text: str, known: Iterable[str]) -> str:
    """Without the values themselves, and the words of names among them; too short a word is none."""
    values = [unicodedata.normalize("NFKC", value).strip() for value in known]
    parts = {part for value in values for part in [value, *re.findall(r"[^\W\d_]+", value)]}
    for part in sorted(parts, key=lambda part: (-len(part), part)):
        if len(part) >= (6 if part.isdigit() else 2 if _CHINESE.search(part) else 3):  # a row's number is no secret
            edge = r"(?<!\w){}(?!\w)" if part.isascii() else "{}"
            text = re.sub(edge.format(re.escape(part)), "[personal]", text, flags=re.IGNORECASE)
    return text


def _without_chinese_names(text: str) -> str:
    if not _CHINESE.search(text):
        return text
    parts = [
        "[name]" if tag.startswith("nr") and _is_name(word) else word for word, tag in _tagger().tag(text)
    ]  # a mark's brackets are words of their own, so that marks stay whole
    return "".join(parts)


def _is_name(word: str) -> bool:
    if word in _NOT_NAMES or not 2 <= len(word) <= 4 or not _CHINESE.fullmatch(word):
        return False
    first = word[1] if word[0] in "老小阿" else word[0]
    return first in SURNAMES


@cache
def _tagger() -> rjieba.Jieba:
    import rjieba

    return rjieba.Jieba()
