"""A page with everything in it that a pager must treat with care."""

from responders.pager import Page

PAGE = Page(
    key="locksmith:test:inc-1:team:payments",
    incident_id="inc-1",
    owner="team:payments",
    severity="critical",
    summary="payments/gateway leaked in <#general> & <!channel>",
    details=(("Consumers", "8"), ("Where", "<https://evil.example|click>")),
    link="https://locksmith.example/incidents/inc-1",
)
