"""How the client writes what a person types."""

import pytest

from bot.sandbox.workspace.shape import Channel, User, UserGroup
from bot.sandbox.workspace.typing_rules import as_typed

USERS = {"U1": User(id="U1", name="rita", real_name="Rita")}
CHANNELS = {"C1": Channel(id="C1", name="general")}
GROUPS = {"S1": UserGroup(id="S1", handle="security-team")}


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("a < b & c", "a &lt; b &amp; c"),
        ("hi @rita, @nobody", "hi <@U1>, @nobody"),
        ("@rita.", "<@U1>."),
        ("@security-team and @here", "<!subteam^S1> and <!here>"),
        ("#general #nowhere", "<#C1> #nowhere"),
        ("see https://x.example/a?b=1&c=2.", "see <https://x.example/a?b=1&amp;c=2>."),
        ("<https://x.example>", "&lt;<https://x.example>&gt;"),
        ("ana@example.com", "<mailto:ana@example.com|ana@example.com>"),
        ("postgres://u:pw@db.example.com/x", "postgres://u:pw@db.example.com/x"),
        ("`@rita https://x.example`", "`@rita https://x.example`"),
        ("```\n<@U1> & #general\n```", "```\n&lt;@U1&gt; &amp; #general\n```"),
    ],
)
def test_text_is_escaped_and_marked_up(typed: str, sent: str) -> None:
    assert as_typed(typed, USERS, CHANNELS, GROUPS) == sent
