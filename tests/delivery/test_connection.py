"""Where delivery finds the connection of a request."""

import pytest

from headwater.delivery.connection import CONNECTION, connection_of


def test_it_is_in_the_scope() -> None:
    connection = object()
    assert connection_of({"extensions": {CONNECTION: connection}}) is connection


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {}}, {"extensions": {"tls": {}}}])
def test_another_server_has_none(scope: dict[str, object]) -> None:
    with pytest.raises(RuntimeError):
        connection_of(scope)
