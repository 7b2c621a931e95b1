"""What `POST /v1/messages` does with each parameter. Pure. The table is read as that of Chat Completions is."""

from __future__ import annotations

from typing import Final

from headwater.api.openai_parameters import Parameter, Use

_TAKEN, _IGNORED, _REFUSED = Use.TAKEN, Use.IGNORED, Use.REFUSED

PARAMETERS: Final[dict[str, Parameter]] = {
    "model": Parameter(_TAKEN, "a name of `GET /api/v1/models`; another one is 404 `not_found_error`"),
    "max_tokens": Parameter(_TAKEN, ""),
    "messages": Parameter(
        _TAKEN,
        "roles `user`, `assistant`, `system`; content as text or as blocks `text`, `image` (`url` or `base64`),"
        " `tool_use`, `tool_result`, `thinking`, `redacted_thinking`. Thinking that is signed goes back to Anthropic,"
        " other thinking to nobody; a result with `is_error` begins with `Error: `. Documents, files, search results,"
        " images in results and blocks of server tools are refused",
    ),
    "system": Parameter(_TAKEN, "text, or text blocks: the first message of the run"),
    "stream": Parameter(_TAKEN, "the answer as events, else whole"),
    "stop_sequences": Parameter(
        _TAKEN, "an answer that one of them ended says `end_turn`, for not every provider tells which it was"
    ),
    "temperature": Parameter(_TAKEN, ""),
    "top_p": Parameter(_TAKEN, ""),
    "thinking": Parameter(
        _TAKEN,
        "`disabled`, `adaptive`, or `enabled`, whose budget becomes the least effort that has as much. `display:"
        " omitted` and `between_tools` are refused",
    ),
    "output_config": Parameter(
        _TAKEN,
        "`effort` `low`, `medium`, `high`, `xhigh` or `max`, unless thinking has a budget or is off; `format`"
        " `json_schema`",
    ),
    "tools": Parameter(
        _TAKEN, "`custom` ones: name, description, `input_schema`, `strict`. Anthropic's own tools are refused"
    ),
    "tool_choice": Parameter(_TAKEN, "`auto`, `any`, `tool`, `none`; `disable_parallel_tool_use`"),
    "cache_control": Parameter(_IGNORED, "also in blocks and tools: a hint about cost, not about the answer"),
    "metadata": Parameter(_IGNORED, "`user_id`: there are no accounts to set it against"),
    "service_tier": Parameter(_REFUSED, "no tiers", ("auto", "standard_only")),
    "speed": Parameter(_REFUSED, "no speeds", ("standard",)),
    "top_k": Parameter(_REFUSED, "few providers have it"),
    "container": Parameter(_REFUSED, "no server tools"),
    "diagnostics": Parameter(_REFUSED, "no prompt cache to diagnose"),
    "inference_geo": Parameter(_REFUSED, "the operator's choice"),
    "user_profile_id": Parameter(_REFUSED, "no profiles"),
    "workspace_id": Parameter(_REFUSED, "no workspaces"),
}
