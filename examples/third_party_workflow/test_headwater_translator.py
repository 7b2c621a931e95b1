"""The translator keeps the laws of a workflow, and asks for each language once."""

import asyncio

from headwater_translator import Translator

from headwater.testing import check_workflow


def test_laws() -> None:
    played = asyncio.run(
        check_workflow(
            Translator(),
            input={"text": "Good morning, heron.", "languages": ["German", "French"]},
            answers=("Guten Morgen, Reiher.", "Bonjour, héron."),
        )
    )
    assert played.result == {"translations": {"German": "Guten Morgen, Reiher.", "French": "Bonjour, héron."}}
    assert played.snapshot.text == "Guten Morgen, Reiher.Bonjour, héron."
    (kept,) = played.documents
    assert kept.body == {"text": "Good morning, heron.", **played.result}
    assert kept.words == {"state": "completed"}


def test_without_a_word_there_are_two_languages() -> None:
    played = asyncio.run(check_workflow(Translator(), input={"text": "Hello"}, answers=("Hallo", "Bonjour")))
    assert [*played.result["translations"]] == ["German", "French"]
