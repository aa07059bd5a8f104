"""Recognition of personal data in free text.

Invariants: a redacted text holds none that is recognised, and redacting it again changes nothing; a pseudonymous text
neither; time grows no faster than the text's length.
"""

from qa_lib.study.privacy import personal_kind, pseudonymous, redacted

KEY = b"a key of sixteen bytes"


def check(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    kind = personal_kind(text)
    once = redacted(text)
    assert (kind is None) == (once == text)
    assert personal_kind(once) is None, (text, once)
    assert redacted(once) == once
    hidden = pseudonymous(text, KEY)
    assert (kind is None) == (hidden == text)
    assert kind is None or hidden != once


def seeds() -> list[bytes]:
    texts = [
        "call 138 1234 5678 or +86 13812345678, 0571-87654321, (020) 555-1234", "ｌｉ＠example.com wrote 李@例子.中国",
        "11010519491231002X 10.0.0.1 fe80::1 2001:db8:0:0:0:0:0:1", "30.2741, 120.1551 at 5号楼3单元502室 12号 302室",
        "我叫王小明 姓名：李四 my name is Ann O'Neil", "2026-10-01 09:23:02 1\u200b38\u200b12345678",
        "@" + "1" * 300, "号" + "1" * 300,
    ]  # fmt: skip
    return [text.encode() for text in texts]
