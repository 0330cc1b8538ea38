"""Decision flows and their versions, requests and decisions, bureau reports, lists, and the links between persons that risk keeps."""

from apps.risk.models.bureau import BureauQuery, BureauReport
from apps.risk.models.decisions import REQUEST_EDGES, Decision, DecisionRequest
from apps.risk.models.flows import VERSION_EDGES, DecisionFlowVersion
from apps.risk.models.links import Link
from apps.risk.models.lists import IdentifierKind, ListEntry, ListHit

__all__ = [
    "REQUEST_EDGES",
    "VERSION_EDGES",
    "BureauQuery",
    "BureauReport",
    "Decision",
    "DecisionFlowVersion",
    "DecisionRequest",
    "IdentifierKind",
    "Link",
    "ListEntry",
    "ListHit",
]
