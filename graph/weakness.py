"""
Tell values that identify something from values that anybody may have. Pure, no I/O.

A weak value ("postgres", "true", a host name) is equal in many places by chance: it is
fingerprinted, but never matched alone. The limits are chosen so that eight random characters pass
and words do not; the tests show examples on either side.
"""

import math
import re
from collections import Counter

_MIN_LENGTH = 8
_MIN_BITS = 22.5  # Shannon, whole value: "postgres" 22.0, eight different characters 24.0
_MIN_DIGITS = 12  # shorter numbers are dates, ports and phone numbers
_MANY = 256  # characters
_BITS = (0.0, *(count * math.log2(count) for count in range(1, _MANY + 1)))
_MAX_WORDS = 24  # characters; longer runs of words may be passphrases
_MIN_URL_PATH = 16  # characters; webhook URLs carry their secret in the path

_COMMON_VALUES = """
    password passw0rd password1 password12 password123 password1234 p@ssw0rd p@ssword changeme
    changeit changeme1 changeme123 changethis administrator admin123 admin1234 admin12345 letmein1
    welcome1 welcome123 qwerty123 qwertyuiop 1q2w3e4r 1qaz2wsx iloveyou abcd1234 abc12345 secret123
    secret1234 mysecret mypassword mysecretpassword test1234 testtest example123 rootroot root1234
    postgres postgresql postgres123 mariadb123 mysql123 rabbitmq elastic123 minioadmin minio123
    guestguest redacted placeholder replaceme replace-me your-token-here yourpassword
    not-a-secret undefined localhost 127.0.0.1 0.0.0.0 default123 trustno1 sunshine princess
"""
_COMMON = frozenset(_COMMON_VALUES.split())
_NUMBER = re.compile(r"[\d\s.,:+\-/TZ]+")
_WORDS = re.compile(r"[A-Za-z]?[a-z]+(?:[-_. /][A-Za-z]?[a-z]+)*")
_HOST = re.compile(r"(?:[a-z][a-z0-9-]{0,30}\.)+[a-z]{2,10}(?::\d{1,5})?/?")
_EMAIL = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,100}")
_PUBLIC_PEM = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*(?:CERTIFICATE|PUBLIC KEY)-----")
_PLAIN_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^@/?#\s]+(?P<path>/[^@?#\s]*)?")


def is_weak(value: str) -> bool:
    """Tell whether `value` is too short, too common or too regular to identify anything."""
    text = value.strip()
    if _PUBLIC_PEM.match(text) and "PRIVATE KEY-----" not in text:
        return True
    if len(text) < _MIN_LENGTH or text.lower() in _COMMON or shannon_bits(text) < _MIN_BITS:
        return True
    if _NUMBER.fullmatch(text):
        return sum(character.isdigit() for character in text) < _MIN_DIGITS or ":" in text
    if len(text) < _MAX_WORDS and _WORDS.fullmatch(text):
        return True
    if _HOST.fullmatch(text) or _EMAIL.fullmatch(text):
        return True
    url = _PLAIN_URL.fullmatch(text)
    return url is not None and len(url["path"] or "") < _MIN_URL_PATH


def shannon_bits(text: str) -> float:
    """Return the Shannon information of the whole text in bits: entropy per character x length."""
    total = len(text)
    if total > _MANY:
        counts = Counter(text).values()
        return total * math.log2(total) - sum(count * math.log2(count) for count in counts)
    # Several times as fast as a Counter, and every value of an index comes by here.
    return _BITS[total] - sum([_BITS[text.count(character)] for character in set(text)])
