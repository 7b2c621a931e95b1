"""The formats that other clients speak: each a pure function of a run, what was asked, and a prefix of its log.

openai_error       our error codes as OpenAI's clients know them
openai_chat        Chat Completions, streamed: a record becomes chunks
openai_completion  Chat Completions, whole: the same records, folded into one object
ai_sdk             the AI SDK's UI message stream
segments           where text of one kind begins and ends, for formats that say so
tool_inputs        tool calls put together from their pieces
"""
