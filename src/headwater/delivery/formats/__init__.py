"""The formats that other clients speak: each a pure function of a run, what was asked, and a prefix of its log.

openai_error       our error codes as OpenAI's clients know them
openai_chat        Chat Completions, streamed: a record becomes chunks
openai_completion  Chat Completions, whole: the same records, folded into one object
responses_stream   Responses, streamed: numbered events, from after any of them on
responses_whole    Responses, whole
responses_object   the response itself: who it is, what was asked, how it stands
responses_output   its output, put together from the records
responses_items    the items of the output, and what is said as they begin, grow and end
responses_annotations  citations and probabilities in its words
anthropic_error    our error codes as Anthropic's clients know them
anthropic_stream   Messages, streamed: a record becomes events
anthropic_message  Messages, whole
content_blocks     a log as the content blocks of a message
whole_answer       what the encodings of whole answers share
standing_records   what of an answer stands, for formats that show it whole
refusal_headers    what tells those clients whether to try again
ai_sdk             the AI SDK's UI message stream
ai_sdk_steps       the steps that a message had before the run that goes on with it
ag_ui              AG-UI's events
tokens             a chat's answer, a token a frame
conversation       an assistant's answer, with its context and suggestions
plain_answer       what those two share
segments           where text of one kind begins and ends, for formats that say so
shown              which records a reader of an answer is shown
tool_inputs        tool calls put together from their pieces
"""
