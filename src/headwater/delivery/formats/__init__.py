"""The formats that other clients speak: each a pure function of a run, what was asked, and a prefix of its log.

openai_error       our error codes as OpenAI's clients know them
openai_chat        Chat Completions, streamed: a record becomes chunks
openai_completion  Chat Completions, whole: the same records, folded into one object
"""
