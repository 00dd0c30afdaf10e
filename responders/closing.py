"""
Closes an incident by its exit gate: by itself when all is proven, else not.

With a waiver a named person closes it instead (`desk.py`), and the reason is kept.
"""

from graph.words import counted
from responders.evidence import gate
from responders.incident import IncidentState
from responders.records import IncidentRecords


def close_if_proven(records: IncidentRecords, incident_id: str) -> bool:
    """Close a verified incident whose gate is open; False where something is missing."""
    case = records.case(incident_id)
    if case.state is not IncidentState.VERIFIED or not gate(case).open:
        return False
    radius = case.blast_radius
    copies = counted(len(radius.copies) + len(radius.secrets), "copy")
    return records.close(
        incident_id,
        f"Closed with proof: {copies} replaced, "
        f"{counted(len(radius.consumers), 'consumer')} on the new value, the old value refused.",
        only_from=frozenset({IncidentState.VERIFIED}),
        facts={"plan_hash": case.plan.hash if case.plan else ""},
    )
