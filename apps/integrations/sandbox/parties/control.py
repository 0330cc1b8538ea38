"""The sandbox's own switches: health, personas, faults, reset."""

from __future__ import annotations

from apps.integrations.sandbox.personas import PERSONAS
from apps.integrations.sandbox.wire import ROUTES, Refusal, Request, Response, route
from apps.integrations.sandbox.world import FAULTS, Fault, World


@route("GET", "/sandbox/health", party="sandbox", operation="health", public=True)
def health(world: World, request: Request) -> Response:
    """Alive."""
    return Response(200, {"status": "ok"})


@route("POST", "/sandbox/personas", party="sandbox", operation="personas")
def set_persona(world: World, request: Request) -> Response:
    """`{id_number, persona}`: from now on this person is that persona."""
    persona = request.text("persona")
    if persona not in PERSONAS:
        raise Refusal(422, "unknown_persona", f"persona is one of {', '.join(PERSONAS)}.")
    world.personas[request.text("id_number")] = persona
    return Response(200, {"persona": persona})


@route("POST", "/sandbox/faults", party="sandbox", operation="faults")
def add_fault(world: World, request: Request) -> Response:
    """`{party, operation, fault, times?, seconds?, reference?}`: the next `times` requests of the operation go wrong."""
    fields = request.fields
    party, operation, fault = request.text("party"), request.text("operation"), request.text("fault")
    if fault not in FAULTS:
        raise Refusal(422, "unknown_fault", f"fault is one of {', '.join(FAULTS)}.")
    if (party, operation) not in {(known.party, known.operation) for known in ROUTES}:
        raise Refusal(422, "unknown_operation", f"{party} has no operation {operation}.")
    times, seconds = fields.get("times", 1), fields.get("seconds", 15.0)
    if not isinstance(times, int) or not 0 < times <= 1000 or not isinstance(seconds, int | float) or not 0 <= seconds <= 60:
        raise Refusal(422, "bad_fault", "times is 1 to 1000, seconds 0 to 60.")
    world.faults.append(Fault(party, operation, fault, times, float(seconds), request.text("reference", "")))
    return Response(200, {"faults": len(world.faults)})


@route("POST", "/sandbox/reset", party="sandbox", operation="reset")
def reset(world: World, request: Request) -> Response:
    """Forget everything."""
    world.reset()
    return Response(200, {"status": "ok"})
