"""Callbacks in RPC version 2020-11-09: SetEventCallback, GetEventCallback."""

from __future__ import annotations

from typing import Any

from domain.callback import CallbackStyle
from domain.errors import CallbackNotFoundError, InvalidRequestError
from rpc.call import Call

_TYPE = "HTTP"
_EVENT = "AIProduceComplete"
_SWITCHES = ("on", "off")


def set_event_callback(call: Call) -> dict[str, Any]:
    """SetEventCallback: tell a URL of every job's end; with AuthSwitch on, signed with AuthKey."""
    if call.text("CallbackType") != _TYPE:
        raise InvalidRequestError("only HTTP callbacks are sent", field="CallbackType", allowed=_TYPE)
    events = [event.strip() for event in call.text("EventTypeList").split(",")]
    if _EVENT not in events:
        raise InvalidRequestError(
            f"EventTypeList must hold {_EVENT}: no other event happens here", field="EventTypeList", allowed=_EVENT
        )
    switch = call.parameters.get("AuthSwitch") or "off"
    if switch not in _SWITCHES:
        raise InvalidRequestError("AuthSwitch must be on or off", field="AuthSwitch", allowed="on, off")
    auth_key = call.text("AuthKey") if switch == "on" else None
    call.service.callbacks.put_ice(call.text("CallbackURL"), auth_key, call.owner)
    return {"Success": True}


def get_event_callback(call: Call) -> dict[str, Any]:
    """GetEventCallback: what SetEventCallback set; the key is not shown."""
    shown = call.service.callbacks.get(call.owner)
    if shown.style is not CallbackStyle.ICE:
        raise CallbackNotFoundError("the callback was set with PUT /v1/callback; it has another form")
    return {
        "CallbackType": _TYPE,
        "CallbackURL": shown.url,
        "EventTypeList": _EVENT,
        "AuthSwitch": "on" if shown.is_signed else "off",
    }
