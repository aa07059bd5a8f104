"""Personal data: recognised in columns and texts, refused or replaced by keyed hashes.

The key lies outside the project: in the environment variable ``QA_HASH_KEY``, else in a file of the user's own.
Whoever holds it can link a person's records over months and tables; nobody else can go back to the person.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import tempfile
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from platformdirs import user_config_path

from qa_lib.errors import StudyError
from qa_lib.study.exports.files import read_table

KEY_VARIABLE = "QA_HASH_KEY"
KEY_LENGTH = 16
_DIGITS = 16  # hexadecimal: 64 bits, one chance in 300,000 of a single collision among 10 million ids

_PATTERNS = {
    "email": r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
    "identity_card": r"(?<!\d)[1-9]\d{5}(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?!\d)",
    "phone": r"(?<!\d)(?:\+?(?:00)?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\d)"  # Chinese mobile number
    r"|(?<!\d)0\d{2,3}[ -]\d{7,8}(?!\d)|(?<!\d)\(?\d{3}\)?[ -]\d{3}-\d{4}(?!\d)|\+\d[\d ()-]{7,16}\d",
    "ip": r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])"
    r"|(?<![\w:])(?:[\da-fA-F]{1,4}:){7}[\da-fA-F]{1,4}(?![\w:])"
    r"|(?<![\w:])(?:[\da-fA-F]{1,4}:){1,6}(?::[\da-fA-F]{1,4}){1,6}(?![\w:])",
    "location": r"-?\d{1,3}\.\d{4,}\s?[,;/ ]\s?-?\d{1,3}\.\d{4,}|\d{1,3}°\s?\d{1,2}['′]"
    r"|\d{1,12}(?:号楼|栋|幢|单元).{0,8}?\d{1,12}(?:室|号|单元)|\d{1,12}号.{0,12}?\d{2,4}室",
    "name": r"(?:我叫|名叫|姓名[::]\s?)[\u4e00-\u9fff]{2,4}|\b[Mm]y name is [A-Z][\w'-]+(?: [A-Z][\w'-]+)?",
}
_RECOGNISER = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _PATTERNS.items()))
# Signs without which a text holds none of these, looked for first: each pattern starts with one class of characters or
# with plain ones, which the regular expression engine finds fifty times as fast.
_SIGNS = (
    re.compile(r"\d(?:\d{6}|\d{3}[ -]\d{4}|\d\d\)?[ -]\d{3})"),
    re.compile(
        r"@|°|\+\d|\.\d{1,3}\.\d|\.\d{4}|::|:[\da-fA-F]{1,4}:[\da-fA-F]{1,4}:[\da-fA-F]{1,4}:"
        r"|栋|幢|室|元|叫|号|姓|name is"
    ),
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_COLUMN_NAMES = re.compile(
    r"^(ip.?address|来自?ip|recipient.*|.*e-?mail.*|.*phone.*|.*mobile.*|tel|telephone|手机.*|电话.*|.*姓名|联系人"
    r"|(your|full|first|last|given|family|customer|client|guest|user|contact).?name|surname|name|.*身份证.*|证件号.*|护照.*|passport.*"
    r"|id.?card.*|location(latitude|longitude)|latitude|longitude|lat|lng|gps.*|经度|纬度|微信.*|wechat.*|address|地址)$",
    re.IGNORECASE,
)
_STAFF = re.compile(
    r"(service_?)?agent(_?name)?|monitor|assurer|assignee|owner|handler|operator|employee(_?name)?|staff(_?name)?"
    r"|(team_?)?lead(er)?|supervisor|manager|((handled|resolved|closed|answered|served|monitored)_by|assigned_to)(_?name)?"
    r"|坐席|客服|员工|柜员|经办人?|处理人|负责人|质检员|班组长|主管",
    re.IGNORECASE,
)
SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏"
    "钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_CHINESE_NAME = re.compile(f"[{SURNAMES}][\u4e00-\u9fff]{{1,2}}")


def personal_kind(text: str) -> str | None:
    """What kind of personal data a text holds: email, identity_card, phone, ip, location, name; None where none.

    >>> personal_kind("call 138 1234 5678"), personal_kind("ｌｉ＠example.com"), personal_kind("2026-10-01 09:23:02")
    ('phone', 'email', None)
    """
    plain = _plain(text)
    found = _RECOGNISER.search(plain) if _has_sign(plain) else None
    return found.lastgroup if found else None


def redacted(text: str) -> str:
    """The text without the personal data it holds.

    >>> redacted("Write to li@example.com")
    'Write to [email]'
    """
    while personal_kind(text) is not None:  # what stood between two digits may have hidden a third datum
        text = _RECOGNISER.sub(lambda found: f"[{found.lastgroup}]", _plain(text))
    return text


def pseudonymous(text: str, key: bytes) -> str:
    """The text with a keyed hash in place of each personal datum: equal data stay equal, and are not shown."""
    if personal_kind(text) is None:
        return text
    return _RECOGNISER.sub(lambda found: f"{found.lastgroup}-{keyed_hash(found.group(), key)}", _plain(text))


def _has_sign(text: str) -> bool:
    return any(sign.search(text) for sign in _SIGNS)


def _plain(text: str) -> str:
    """Full-width digits and signs as ASCII, without invisible characters that could hide a number."""
    if text.isascii():
        return text
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))


def named_personal(name: str) -> bool:
    """Whether a column's name says that it holds personal data.

    >>> named_personal("Customer name"), named_personal("手机号码"), named_personal("branch")
    (True, True, False)
    """
    return _COLUMN_NAMES.match(name.strip()) is not None


def personal_column(names: Iterable[str], texts: pd.Series) -> tuple[str, object] | None:
    """(kind, index of the first such cell) of the personal data that a column of text likely holds, None where none.

    One recognisable datum is enough. People's names are recognised by the column's name, or by Chinese surnames, and
    only in columns of many values: a column ``mobile`` of yes and no is none.
    """
    where, distinct = _factorized(texts)
    if _has_sign(_plain("\n".join(distinct))):
        for position, text in enumerate(distinct):
            if (kind := personal_kind(text)) is not None:
                return kind, texts.index[np.flatnonzero(where == position)[0]]
    many = len(distinct) > 2 and 10 * len(distinct) > (where >= 0).sum()
    if many and (any(map(named_personal, names)) or _are_chinese_names(distinct)):
        return "name", texts.first_valid_index()
    return None


def personal_cells(texts: pd.Series) -> np.ndarray:
    """Which cells of a column hold recognisable personal data."""
    where, distinct = _factorized(texts)
    return np.array([*(personal_kind(text) is not None for text in distinct), False])[where]


def _are_chinese_names(distinct: Iterable[str]) -> bool:
    like = [_CHINESE_NAME.fullmatch(text) is not None for text in distinct]
    return len(like) >= 8 and sum(like) >= 0.9 * len(like)


def without_personal(
    table: pd.DataFrame,
    declared: Iterable[str],
    codes: Mapping[str, str] | None = None,
    staff_columns: Collection[str] = (),
) -> pd.DataFrame:
    """An operations record with keyed hashes in place of personal data, save in the columns ``declared``.

    A column whose name says that it is personal, or of people's names, is hashed whole; counts and links between
    tables stay what they were. Members of staff (columns such as ``agent`` and ``monitor``, and ``staff_columns``)
    become their code in ``codes``, else a keyed hash; without ``codes`` their names stay.
    """
    hidden = {}
    for name in table.columns.difference(declared):
        staff = name in staff_columns or _STAFF.fullmatch(name.strip()) is not None
        coded = staff and codes is not None
        if not coded and (not _may_be_personal(table[name]) or personal_column([name], table[name]) is None):
            continue
        where, texts = _factorized(table[name])
        key = hash_key()
        if coded:
            new = [staff_code(text, codes, key) for text in texts]
        elif not staff and (named_personal(name) or _are_chinese_names(texts)):
            new = [keyed_hash(text, key) if text else text for text in texts]
        else:
            new = [pseudonymous(text, key) for text in texts]
        hidden[name] = pd.Series(np.array([*new, None], dtype=object)[where], index=table.index)
    return table.assign(**hidden) if hidden else table


def staff_codes(roster: Path) -> dict[str, str]:
    """The codes that a roster's column ``code`` gives to its agents, by name.

    Raises ``StudyError`` when a code stands for two people, or a person has two.
    """
    table = read_table(roster) if roster.is_file() else pd.DataFrame()
    if not {"agent", "code"} <= set(table):
        return {}
    given = table[["agent", "code"]].apply(lambda texts: texts.str.strip()).query("code != ''").drop_duplicates()
    for column in given:
        if (twice := given.loc[given[column].duplicated(), "code"]).size:
            raise StudyError(
                f"{roster}: code {twice.iloc[0]!r}: give each person one code, and each code to one person."
            )
    return dict(given.to_numpy().tolist())


def columns_of_staff(table: pd.DataFrame, roster: Path) -> set[str]:
    """The columns of an operations record most of whose values are agents on the roster, whatever they are called."""
    people = read_table(roster) if roster.is_file() else pd.DataFrame()
    names = {name for name in people.get("agent", pd.Series(dtype=str)).str.strip() if name and not name.isdigit()}
    if not names:
        return set()
    found = set()
    for column in table:
        values = (
            {text.strip() for text in _factorized(table[column])[1]} - {""} if _may_be_personal(table[column]) else {}
        )
        if values and 2 * len(names.intersection(values)) > len(values):
            found.add(column)
    return found


def staff_code(name: str, codes: Mapping[str, str], key: bytes) -> str:
    """What stands for a member of staff: the code given, else ``staff-`` and 32 bits of a keyed hash.

    >>> staff_code("Ann", {"Ann": "A07"}, b"a key of 16 bytes"), staff_code(" ", {}, b"a key of 16 bytes")
    ('A07', '')
    """
    name = name.strip()
    return codes.get(name) or (f"staff-{keyed_hash(name, key)[:8]}" if name else "")


def _may_be_personal(column: pd.Series) -> bool:
    """Dates, truth values and decimals are none; whole numbers may be telephone numbers."""
    return not (pd.api.types.is_datetime64_any_dtype(column) or column.dtype.kind in "bfmM")


def hashed_ids(ids: pd.Series) -> pd.Series:
    """Keyed hashes of ids, missing where they are: the same id is the same hash for whoever holds the same key."""
    where, distinct = _factorized(ids)
    hashes = keyed_hashes(distinct, hash_key()) if distinct else []
    return pd.Series(np.array([*hashes, None], dtype=object)[where], index=ids.index)


def _factorized(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """For every cell the place of its text among the distinct ones (-1 where there is none), and these."""
    where, distinct = pd.factorize(column.to_numpy(dtype=object))
    return where, [str(value) for value in distinct]


def keyed_hash(text: str, key: bytes) -> str:
    """HMAC-SHA256 (RFC 2104), truncated to 64 bits, in hexadecimal.

    >>> import hmac
    >>> keyed_hash("R_1", b"a key of 16 bytes") == hmac.digest(b"a key of 16 bytes", b"R_1", "sha256").hex()[:16]
    True
    """
    return keyed_hashes([text], key)[0]


def keyed_hashes(texts: Iterable[str], key: bytes) -> list[str]:
    """``keyed_hash`` of each text. The padded key is digested once and copied: of ids there are millions."""
    padded = (key if len(key) <= 64 else hashlib.sha256(key).digest()).ljust(64, b"\0")
    inner, outer = (hashlib.sha256(bytes(byte ^ pad for byte in padded)) for pad in (0x36, 0x5C))
    hashes = []
    for text in texts:
        within, around = inner.copy(), outer.copy()
        within.update(text.encode())
        around.update(within.digest())
        hashes.append(around.hexdigest()[:_DIGITS])
    return hashes


def hash_key() -> bytes:
    """The key of respondents' hashes: of ``QA_HASH_KEY``, else of the user's key file, which is made when absent.

    Raises ``StudyError`` when the key is too short or its file cannot be read or made.
    """
    if (given := os.environ.get(KEY_VARIABLE)) is not None:
        return _long_enough(given.strip(), f"the environment variable {KEY_VARIABLE}")
    path = key_file()
    try:
        if not path.exists():
            _make_key(path)
        return _long_enough(path.read_text(encoding="ascii").strip(), str(path))
    except (OSError, UnicodeDecodeError) as problem:
        raise StudyError(
            f"the key of respondents' hashes cannot be read from {path}: {problem}. "
            f"Mend the file, or set the environment variable {KEY_VARIABLE} to {KEY_LENGTH} characters or more."
        ) from None


def key_file() -> Path:
    """``qa_lib/hash.key`` in the folder where this system keeps a user's settings."""
    return user_config_path("qa_lib", appauthor=False) / "hash.key"


def _long_enough(key: str, where: str) -> bytes:
    if len(key) < KEY_LENGTH:
        raise StudyError(f"{where} holds a key of {len(key)} characters; {KEY_LENGTH} or more are needed.")
    return key.encode()


def _make_key(path: Path) -> None:
    """Written beside its place, readable by the user alone; of two runs that make one at once the first one's stays."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, scratch = tempfile.mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")
        os.link(scratch, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(scratch)
