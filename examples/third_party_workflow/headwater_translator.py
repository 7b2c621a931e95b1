"""A translator: one text into several languages, each streamed as a call of its own.

What a run of it keeps is a document: the text, its translations, and whether all of them are there.
"""

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from headwater.domain.document import Document
from headwater.domain.event import Chunk, Event, Status
from headwater.domain.message import GenerationRequest, Message
from headwater.workflows.contract import EndedRun, RunContext, Workflow


class Translator(Workflow):
    name = "translator"
    title = "Translator"
    description = "Translates a text into several languages, one after the other."
    input_schema: ClassVar = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "minLength": 1, "maxLength": 20_000},
            "languages": {
                "type": "array",
                "items": {"type": "string", "minLength": 1, "maxLength": 40},
                "minItems": 1,
                "maxItems": 8,
                "uniqueItems": True,
                "default": ["German", "French"],
            },
        },
        "required": ["text"],
        "additionalProperties": False,
    }

    async def run(self, context: RunContext) -> AsyncIterator[list[Event]]:
        asked = context.request
        translations: dict[str, str] = {}
        for language in asked.input.get("languages", ["German", "French"]):
            yield [Status("translating", f"Into {language}.")]
            order = f"Translate what follows into {language}. Say nothing else.\n\n{asked.input['text']}"
            said: list[str] = []
            async for events in context.generate(GenerationRequest(asked.model, [Message("user", order)])):
                said += [event.content for event in events if isinstance(event, Chunk)]
                yield events
            translations[language] = "".join(said)
        context.set_result({"translations": translations})

    def documents(self, ended: EndedRun) -> Sequence[Document]:
        body = {"text": ended.request.input["text"], **(ended.result or {"translations": {}})}
        return [Document("translations", ended.run, body, {"state": ended.state.value}, run=ended.run)]
