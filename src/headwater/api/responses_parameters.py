"""What `POST /v1/responses` does with each parameter. Pure. The table is read as that of Chat Completions is."""

from __future__ import annotations

from typing import Final

from headwater.api.openai_parameters import Parameter, Use

_TAKEN, _IGNORED, _REFUSED = Use.TAKEN, Use.IGNORED, Use.REFUSED

PARAMETERS: Final[dict[str, Parameter]] = {
    "model": Parameter(_TAKEN, "a name of `GET /v1/models`; another one is 404 `model_not_found`"),
    "input": Parameter(
        _TAKEN,
        "a string, or items: messages (`user`, `system`, `developer`, `assistant`) of `input_text`, `input_image`"
        " (`https:` or `data:`), `output_text`, `refusal`; `function_call`, `function_call_output`; `reasoning`, of"
        " which what the server had sealed goes back to the model. Other items, files and `file_id` are refused",
    ),
    "instructions": Parameter(_TAKEN, "the first message, with the role `developer`; not carried over to later turns"),
    "stream": Parameter(_TAKEN, "the answer as events, else whole"),
    "stream_options": Parameter(_IGNORED, "`include_obfuscation`: nothing is padded"),
    "background": Parameter(_TAKEN, "the answer goes on when nobody reads it; without `stream` it is told at once"),
    "previous_response_id": Parameter(
        _TAKEN,
        "the conversation is read from the stored runs. One that is not there, has not ended well or was not to be"
        " stored is 400 `previous_response_not_found`",
    ),
    "store": Parameter(
        _TAKEN,
        "`false`: the response can not be asked for again here, nor followed by another. The run is stored like any,"
        " and can be deleted under `/api/v1/runs/{id}`",
    ),
    "include": Parameter(
        _TAKEN,
        "`reasoning.encrypted_content`: what the provider sealed, to be sent back in a later turn;"
        " `message.output_text.logprobs`. The others are about tools that are not there",
    ),
    "max_output_tokens": Parameter(_TAKEN, ""),
    "temperature": Parameter(_TAKEN, ""),
    "top_p": Parameter(_TAKEN, ""),
    "top_logprobs": Parameter(_TAKEN, "passed by as the provider gives them"),
    "reasoning": Parameter(
        _TAKEN,
        "`effort`; `summary` (and `generate_summary`) where the model is called by the Responses API itself, else"
        " what the provider gives is shown. `context` and `mode` are refused",
    ),
    "text": Parameter(
        _TAKEN,
        "`format`: `text`, `json_object`, `json_schema`, sent as `strict` where it can be, whatever `strict` says;"
        " `verbosity`",
    ),
    "tools": Parameter(_TAKEN, "functions; OpenAI's own tools and `custom` ones are refused"),
    "tool_choice": Parameter(_TAKEN, "`auto`, `none`, `required` or one function"),
    "parallel_tool_calls": Parameter(_TAKEN, ""),
    "metadata": Parameter(_TAKEN, "kept with the run; at most 16 pairs"),
    "user": Parameter(_IGNORED, "there are no accounts to set it against"),
    "safety_identifier": Parameter(_IGNORED, "as `user`"),
    "prompt_cache_key": Parameter(_IGNORED, "a hint about cost, not about the answer"),
    "prompt_cache_options": Parameter(_IGNORED, "as `prompt_cache_key`"),
    "prompt_cache_retention": Parameter(_IGNORED, "as `prompt_cache_key`"),
    "access_programs": Parameter(_REFUSED, "no programs"),
    "context_management": Parameter(_REFUSED, "nothing is left out of a conversation"),
    "conversation": Parameter(_REFUSED, "`previous_response_id` says what an answer follows"),
    "image": Parameter(_REFUSED, "no image settings"),
    "max_tool_calls": Parameter(_REFUSED, "no tools of its own"),
    "moderation": Parameter(_REFUSED, "no moderation beside the model's own"),
    "prompt": Parameter(_REFUSED, "no stored prompts"),
    "service_tier": Parameter(_REFUSED, "no tiers", ("auto", "default")),
    "truncation": Parameter(_REFUSED, "nothing is left out of a conversation", ("disabled",)),
}
