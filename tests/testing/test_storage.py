"""The kit catches an engine that loses its last words, and holds every test of the four contracts."""

import pytest

from headwater.storage.memory import MemoryStorage
from headwater.testing.document_contract import DocumentContract
from headwater.testing.log_contract import LogContract
from headwater.testing.run_contract import RunContract
from headwater.testing.storage import StorageContract
from headwater.testing.stream_contract import StreamContract
from tests.testing.mutants import is_caught


def test_the_kit_has_the_tests_of_all_contracts() -> None:
    tests = {name for name in dir(StorageContract) if name.startswith("test_")}
    for part in (LogContract, RunContract, StreamContract, DocumentContract):
        own = {name for name in vars(part) if name.startswith("test_")}
        assert own
        assert own <= tests


def closes_without_a_word(storage: MemoryStorage) -> None:
    async def wrong() -> None:
        group = storage._group
        storage.crash()
        if group is not None:
            group.receipt.resolve(RuntimeError("lost"))

    storage.close = wrong  # type: ignore[method-assign]


@pytest.mark.parametrize("test", ["test_closing_sees_through_what_was_appended", "test_many_runs_at_once_stay_apart"])
async def test_an_engine_that_loses_its_last_words_is_caught(test: str) -> None:
    assert await is_caught(test, closes_without_a_word)
