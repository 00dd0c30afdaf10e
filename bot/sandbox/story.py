"""
The story of the demo, played headless: every part asserted from the outside, one line each.

People act through the local Slack workspace as they would through Slack; what came of it is asked
of OpenBao, the cluster and the issuer themselves (`outside.py`), never of Locksmith's database.
"""

import base64
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

from bot.sandbox.outside import COPIES, Outside, files_below
from bot.sandbox.page_receiver import PageReceiver
from bot.sandbox.workspace.messages import Message
from bot.sandbox.workspace.server import Workspace
from bot.sandbox.world import CiToken, World
from bot.serving import Serving

RUN_SECONDS = 180.0  # most that a run may take before the check gives up

# Deployments and the StatefulSet that only a restart brings to the new value.
RESTARTED = {"payments": ("api-", "worker-", "webhook-"), "shop": ()}


class PartFailedError(AssertionError):
    """A part of the story is not true."""


def expect(condition: object, otherwise: str) -> None:
    if not condition:
        raise PartFailedError(otherwise)


@dataclass
class Story:
    """The parts in order; each returns a sentence of what was seen, or raises PartFailedError."""

    world: World
    outside: Outside
    workspace: Workspace
    receiver: PageReceiver
    serving: Serving
    folder: Path
    leaked: str = field(repr=False, default="")
    ci: CiToken | None = None
    card: Message | None = None
    second_card: Message | None = None
    incident: str = ""

    def parts(self) -> Iterator[tuple[str, Callable[[], str]]]:
        yield "the graph is read from OpenBao and the cluster", self.graph_is_read
        yield "a pasted token becomes an incident", self.leak_becomes_incident
        yield "the card names copies, consumers, readers, owners", self.card_tells
        yield "the author is asked to delete the message", self.author_is_asked
        yield "the owners are paged", self.owners_are_paged
        yield "/leak uses answers privately", self.uses_answers
        yield "the same value again joins the incident", self.again_joins
        yield "the reporter cannot approve", self.reporter_cannot_approve
        yield "somebody of security approves, the run begins", self.security_approves
        yield "a new version is in OpenBao", self.new_version
        yield "every copy in the cluster holds it", self.copies_hold_it
        yield "the consumers were restarted and are ready", self.consumers_restarted
        yield "the old token is refused by its issuer", self.old_is_dead
        yield "the incident closes with proof", self.incident_closes
        yield "a leaked OpenBao token: what it opens", self.second_leak
        yield "it is revoked, and OpenBao refuses it", self.second_revoked
        yield "the audit log is intact", self.audit_is_intact
        yield "no value is anywhere it should not be", self.nothing_leaked

    def graph_is_read(self) -> str:
        expect(self.serving.collected_once.wait(60), "no collection within 60 s")
        snapshot = self.serving.graph.repository.snapshot()
        count = sum(1 for _ in snapshot.nodes())
        expect(count > 40, f"only {count} nodes")  # noqa: PLR2004 - the company has more
        return f"{count} nodes, revision {snapshot.revision}"

    def leak_becomes_incident(self) -> str:
        self.leaked = self.world.leaked_token
        rita = self.workspace.as_user("rita")
        began = time.monotonic()
        message = rita.post("#general", f"checkout fails with {self.leaked}, can anyone look?")
        expect(rita.shortcut(message, "leak_report_message"), "the shortcut was not acknowledged")
        self.card = self.workspace.as_user("sam").wait_for_message(
            "#security", lambda m: "payments/gateway" in m.all_text and not m.is_reply, timeout=30
        )
        self.incident = incident_of(self.card)
        return f"{self.incident}, {time.monotonic() - began:.2f} s from the report to the card"

    def card_tells(self) -> str:
        sam = self.workspace.as_user("sam")
        wanted = (
            "vault://main/kv/payments/gateway#token",
            "reporting/Secret/payments-gateway",
            "Deployment/api",
            "CronJob/settlement",
            "refunds",
            "payments",
        )
        card = sam.wait_for_message(
            "#security",
            lambda m: not m.is_reply and all(word in m.all_text for word in wanted),
            timeout=10,
        )
        expect(self.leaked not in card.all_text, "the card repeats the value")
        return "8 consumers in 2 namespaces, 3 copies, one of them idle"

    def author_is_asked(self) -> str:
        rita = self.workspace.as_user("rita")
        asked = rita.wait_for_message("@locksmith", lambda m: "delete" in m.all_text, timeout=10)
        expect(self.leaked not in asked.all_text, "the request repeats the value")
        mine = next(m for m in rita.messages("#general") if self.leaked in m.text)
        rita.delete(mine)
        self.workspace.as_user("sam").wait_for_message(
            "#security", lambda m: "deleted" in m.all_text or "removed" in m.all_text, timeout=10
        )
        return "asked in private; the deletion was seen"

    def owners_are_paged(self) -> str:
        pages = self.receiver.wait_for(2, seconds=15)
        teams = sorted({page.path.rsplit("/", 1)[-1] for page in pages})
        expect({"payments", "shop"} <= set(teams), f"only {teams} were paged")
        expect(all(page.signature for page in pages), "a page is not signed")
        self.workspace.as_user("sam").wait_for_message(
            "#security", lambda m: not m.is_reply and "paged" in m.all_text, timeout=10
        )
        return f"{', '.join(teams)}; signed, and shown on the card"

    def uses_answers(self) -> str:
        ben = self.workspace.as_user("ben")
        expect(ben.command("#general", "/leak uses payments/gateway"), "not acknowledged")
        answer = ben.wait_for_message(
            "#general", lambda m: m.ephemeral_to == ben.id and "checkout" in m.all_text, timeout=10
        )
        expect("Deployment/api" in answer.all_text, "a consumer is missing")
        seen_by_others = self.workspace.as_user("rita").ephemerals("#general")
        expect(answer not in seen_by_others, "others see the answer")
        return "only the one who asked sees the consumers"

    def again_joins(self) -> str:
        sam = self.workspace.as_user("sam")
        cards = len([m for m in sam.messages("#security") if "payments/gateway" in m.all_text])
        ana = self.workspace.as_user("ana")
        expect(ana.command("#general", "/leak"), "/leak was not acknowledged")
        ana.modal(lambda view: view.callback_id == "leak_report_form")
        expect(ana.submit({"value": self.leaked, "where": "a wiki page"}) is None, "form refused")
        ana.modal(lambda view: self.incident in view.all_text, timeout=15)
        ana.close(everything=True)
        now = len([m for m in sam.messages("#security") if "payments/gateway" in m.all_text])
        expect(now == cards, "a second card appeared")
        return f"still one card; {self.incident} has another sighting"

    def reporter_cannot_approve(self) -> str:
        sue, rita = self.workspace.as_user("sue"), self.workspace.as_user("rita")
        sue.click(self._card(lambda m: "approval_ask" in m.buttons), "approval_ask")
        waiting = self._card(lambda m: "approval_review" in m.buttons)
        sue.click(waiting, "approval_review")
        refusal = sue.wait_for_message(
            "#security", lambda m: m.ephemeral_to == sue.id and "may not" in m.all_text, timeout=10
        )
        expect("sam" in refusal.all_text.lower(), "the refusal does not say who can")
        copies = [m for m in rita.messages("@locksmith") if "approval_review" in m.buttons]
        expect(not copies, "the reporter was offered the approval")
        return "nor who asked; the refusal says who can"

    def security_approves(self) -> str:
        sam = self.workspace.as_user("sam")
        card = self._card(lambda m: "approval_review" in m.buttons)
        sam.click(card, "approval_review")
        form = sam.modal(lambda view: view.callback_id == "approval_give", timeout=10)
        both = "Rotate first" in form.all_text and "Revoke first" in form.all_text
        expect(both, "the form does not show both orders")
        expect("confirmation" in form.inputs, "nothing has to be typed for what has no way back")
        wrong = sam.submit({"confirmation": "something else"})
        expect(wrong is not None, "a wrong confirmation was taken")
        expect(sam.submit({"confirmation": self.incident}) is None, "the approval was refused")
        self._card(lambda m: "running" in m.all_text or "closed" in m.all_text)
        sam.close(everything=True)
        return "after typing the incident's id; both orders and their consequences were shown"

    def new_version(self) -> str:
        value = self._wait(self.outside.token_in_store, lambda found: found != self.leaked)
        expect(self.outside.issuer_accepts(value), "the issuer does not accept the new token")
        return f"version {max(self.outside.versions())}, accepted by the issuer"

    def copies_hold_it(self) -> str:
        value = self.outside.token_in_store()
        for namespace in COPIES:
            self._wait(partial(self.outside.copy, namespace), lambda found: found == value)
        return f"in {', '.join(COPIES)}"

    def consumers_restarted(self) -> str:
        self._card(lambda m: "closed" in m.all_text or "STOPPED" in m.all_text, RUN_SECONDS)
        written = self.outside.versions()[max(self.outside.versions())]["created_time"][:19]
        late = []
        count = 0
        for namespace, prefixes in RESTARTED.items():
            for name, started, ready in self.outside.pods(namespace):
                if name.startswith(prefixes):
                    count += 1
                    if started[:19] < written or not ready:
                        late.append(name)
        expect(count, "no pod was found")
        expect(not late, f"not restarted or not ready: {', '.join(late)}")
        return f"{count} pods started after {written} UTC and are ready"

    def old_is_dead(self) -> str:
        expect(not self.outside.issuer_accepts(self.leaked), "the issuer still accepts the token")
        destroyed = self.outside.versions()[1]["destroyed"]
        expect(destroyed, "version 1 is still in OpenBao")
        return "401 from the issuer; version 1 destroyed in OpenBao"

    def incident_closes(self) -> str:
        card = self._card(lambda m: "closed" in m.all_text)
        thread = self.workspace.as_user("sam").thread("#security", card.ts)
        proof = [m for m in thread if "checkpoint" in m.all_text.lower()]
        expect(proof, "no proof with an audit checkpoint in the thread")
        return f"{len(thread) - 1} messages in the thread, the audit checkpoint among them"

    def second_leak(self) -> str:
        self.ci = self.world.issue_ci_token()
        expect(self.outside.token_works(self.ci.token), "the CI token does not work")
        rita = self.workspace.as_user("rita")
        expect(rita.global_shortcut("leak_report"), "the shortcut was not acknowledged")
        rita.modal(lambda view: view.callback_id == "leak_report_form")
        rita.submit({"value": self.ci.token, "where": "a build log"})
        sam = self.workspace.as_user("sam")
        self.second_card = sam.wait_for_message(
            "#security",
            lambda m: not m.is_reply and self.incident not in m.all_text and "ci" in m.all_text,
            timeout=15,
        )
        rita.close(everything=True)
        opened = ("payments/db", "shop/stripe")
        expect(
            all(word in self.second_card.all_text for word in opened),
            "the card does not say what the token opens",
        )
        return "policy ci, and through it secrets of payments and shop"

    def second_revoked(self) -> str:
        expect(self.second_card is not None and self.ci is not None, "no second incident")
        first, self.incident = self.incident, incident_of(self.second_card)  # type: ignore[arg-type]
        sue, sam = self.workspace.as_user("sue"), self.workspace.as_user("sam")
        sam.click(self._card(lambda m: "approval_ask" in m.buttons), "approval_ask")
        sue.click(self._card(lambda m: "approval_review" in m.buttons), "approval_review")
        sue.modal(lambda view: view.callback_id == "approval_give", timeout=10)
        expect(sue.submit({"confirmation": self.incident}) is None, "the approval was refused")
        self._card(lambda m: "closed" in m.all_text, RUN_SECONDS)
        sue.close(everything=True)
        self.incident = first
        expect(not self.outside.token_works(self.ci.token), "OpenBao still takes the token")  # type: ignore[union-attr]
        return "403 from OpenBao to the token itself"

    def audit_is_intact(self) -> str:
        verdict = self.serving.response.records.verify_audit()
        expect(verdict.finding == "intact", verdict.sentence)
        return verdict.sentence

    def nothing_leaked(self) -> str:
        values = [self.leaked, self.outside.token_in_store()]
        values += [self.ci.token] if self.ci else []
        needles = [form for value in values for form in forms(value)]
        searched = 0
        for path in files_below(self.folder):
            if path.is_relative_to(self.folder / "world"):
                continue  # the servers' own files: OpenBao's and the cluster's state
            content = path.read_bytes()
            searched += len(content)
            expect(not any(needle in content for needle in needles), f"a value is in {path.name}")
        for sent in self.workspace.received:
            searched += len(sent.body)
            expect(
                not any(needle in sent.body for needle in needles), f"a value went to {sent.method}"
            )
        for page in self.receiver.received:
            searched += len(page.raw)
            expect(not any(needle in page.raw for needle in needles), "a value was paged")
        expect(not self.workspace.complaints, f"Slack would complain: {self.workspace.complaints}")
        return f"{searched:,} bytes searched in database, logs, Slack calls and pages"

    def _card(self, where: Callable[[Message], object], timeout: float = 20) -> Message:
        return self.workspace.as_user("sam").wait_for_message(
            "#security",
            lambda m: not m.is_reply and self.incident in m.all_text and where(m),
            timeout=timeout,
        )

    def _wait(self, look: Callable[[], str], good: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + RUN_SECONDS
        while not good(found := look()):
            if time.monotonic() > deadline:
                raise PartFailedError("it did not come about in time")
            time.sleep(0.2)
        return found


def incident_of(card: Message) -> str:
    """Read the incident's id off its card."""
    return next(word.strip("`") for word in card.all_text.split() if word.startswith("`inc-"))


def forms(value: str) -> Iterator[bytes]:
    """Give the shapes in which a value could hide: plain, base64 (any offset), URL-encoded."""
    yield value.encode()
    yield quote(value, safe="").encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + value.encode())
        yield encoded[4 if offset else 0 : -4]
