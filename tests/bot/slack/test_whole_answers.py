"""Long answers: ten are named; all of it goes as a file to who asks for it, and to nobody else."""

import csv
import io
from datetime import UTC, datetime

import pytest

from bot.sandbox.workspace.messages import Message
from bot.sandbox.workspace.people import Person
from graph.model import Edge, EdgeKind, Node, NodeKind, Observation
from graph.refs import Ref
from tests.bot.slack.conftest import RunningBot, eventually

COUNT = 300
HUB = Ref("vault://main/kv/shop/hub")


def fill(bot: RunningBot) -> None:
    """Let 300 workloads use one secret."""
    used_by = [Ref(f"k8s://demo/ns{n % 17}/Deployment/app-{n}") for n in range(COUNT)]
    bot.graph.merge(
        Observation(
            source="many",
            nodes=(
                Node(HUB, NodeKind.SECRET, {"keys": ("token",)}),
                *(Node(ref, NodeKind.WORKLOAD, {"replicas": 1}) for ref in used_by),
            ),
            edges=tuple(Edge(ref, HUB, EdgeKind.CONSUMES, {"how": "env"}) for ref in used_by),
        ),
        now=datetime.now(UTC),
    )


def answered(person: Person, words: str, channel: str = "general") -> Message:
    return person.wait_for_message(channel, lambda each: words in each.all_text)


def sent_to(bot: RunningBot, name: str) -> list[Message]:
    return [each for each in bot.workspace.as_user(name).messages("@locksmith") if each.files]


def content_of(bot: RunningBot, message: Message) -> str:
    kept = bot.workspace.state.files[message.files[0]["id"]].content
    assert kept is not None
    return kept.decode()


def test_all_of_a_long_answer_goes_to_the_one_who_asks_for_it(bot: RunningBot) -> None:
    fill(bot)
    rita, sue = bot.workspace.as_user("rita"), bot.workspace.as_user("sue")
    rita.command("general", "/leak uses shop/hub")
    answer = answered(rita, "300 consumers")
    assert answer.all_text.count("Deployment/app-") == 10
    bot.workspace.fail_next("files.completeUploadExternal", drop=True, after_processing=True)
    assert rita.click(answer, "question_all")
    answered(rita, "all of it is in a direct message to you")
    eventually(lambda: bool(sent_to(bot, "rita")))
    bot.wait_until_idle()
    (file,) = sent_to(bot, "rita")
    head, *rows = csv.reader(io.StringIO(content_of(bot, file)))
    assert head[:3] == ["owner", "cluster/namespace", "workload"]
    assert len({(row[1], row[2]) for row in rows}) == COUNT
    assert file.files[0]["name"] == "uses-main-kv-shop-hub.csv"
    note = answered(rita, "in the file below", "@locksmith")
    assert note.ts < file.ts

    assert sent_to(bot, "sue") == []
    assert sue.ephemerals("general") == []
    assert not [each for each in sue.messages("general") if "shop/hub" in each.all_text]


def test_of_a_shared_answer_each_one_gets_the_rest_alone(bot: RunningBot) -> None:
    fill(bot)
    rita, sue, gus = (bot.workspace.as_user(name) for name in ("rita", "sue", "gus"))
    rita.command("general", "/leak blast shop/hub")
    assert rita.click(answered(rita, "If `vault"), "question_share")
    shared = answered(sue, "Shared by rita")
    assert not shared.ephemeral_to
    assert sue.click(shared, "question_all")
    eventually(lambda: bool(sent_to(bot, "sue")))
    text = content_of(bot, sent_to(bot, "sue")[0])
    assert text.count("\nconsumer,k8s://demo/") == COUNT
    assert f"place,{HUB}" in text
    assert gus.click(shared, "question_all")
    answered(gus, "guest account")
    bot.wait_until_idle()
    assert sent_to(bot, "rita") == sent_to(bot, "gus") == []


def test_in_app_home_the_answer_stays_where_it_is_read(bot: RunningBot) -> None:
    fill(bot)
    rita = bot.workspace.as_user("rita")
    rita.open_home()
    home = rita.home(lambda each: "Look up a secret" in each.all_text)
    rita.click(home, "home_search", value="shop/hub")
    view = rita.modal(lambda each: "300 consumers" in each.all_text)
    rita.click(view, "question_all")
    shown = rita.modal(lambda each: "in a direct message to you" in each.all_text)
    assert "300 consumers" in shown.all_text
    eventually(lambda: bool(sent_to(bot, "rita")))


@pytest.mark.parametrize("bot", [("files:write",)], indirect=True)
def test_without_the_scope_the_command_for_all_of_it_is_named(bot: RunningBot) -> None:
    fill(bot)
    rita = bot.workspace.as_user("rita")
    for question, command in (
        ("uses", "locksmith uses"),
        ("blast", "locksmith blast-radius"),
        ("readers", "locksmith readers"),
    ):
        rita.command("general", f"/leak {question} shop/hub")
        answer = answered(rita, f"{command} {HUB}")
        assert "question_all" not in answer.buttons


def test_where_the_bot_is_no_member_the_buttons_under_an_answer_answer_too(
    bot: RunningBot,
) -> None:
    rita, sue = bot.workspace.as_user("rita"), bot.workspace.as_user("sue")
    rita.command("random", "/leak uses payments/gateway")
    answer = answered(rita, "1 consumer", "random")
    assert rita.click(answer, "question_readers")
    readers = answered(rita, "Who can read `vault", "random")
    assert readers.ephemeral_to == rita.id
    assert rita.click(readers, "question_share")
    refused = answered(rita, "is not in that channel", "random")
    assert refused.ephemeral_to == rita.id
    bot.wait_until_idle()
    assert sue.ephemerals("random") == []
    assert not [each for each in sue.messages("random") if "gateway" in each.all_text]


def test_an_answer_in_a_thread_is_asked_on_in_that_thread(bot: RunningBot) -> None:
    rita, sue = bot.workspace.as_user("rita"), bot.workspace.as_user("sue")
    root = rita.post("general", "about the gateway")
    rita.post("general", "@locksmith uses payments/gateway", thread_ts=root.ts)
    assert rita.click(answered(rita, "1 consumer"), "question_readers")
    readers = answered(rita, "Who can read `vault")
    assert readers.thread_ts == root.ts
    assert readers.ephemeral_to == rita.id
    assert sue.ephemerals("general") == []
