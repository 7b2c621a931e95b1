"""The rooms below keep the contracts that the API calls them by."""

from headwater.api.services import Models, Readers, RunControl
from headwater.delivery.hub import Hub
from headwater.providers.catalog import Catalog
from headwater.runs.supervisor import Supervisor
from tests.api.composed import RunningApi


def as_run_control(supervisor: Supervisor) -> RunControl:
    return supervisor


def as_readers(hub: Hub) -> Readers:
    return hub


def as_models(catalog: Catalog) -> Models:
    return catalog


async def test_the_composed_services_are_the_real_ones(api: RunningApi) -> None:
    """mypy holds the three functions above to the contracts; here they are held to be what the tests run on."""
    services = api.services
    assert isinstance(services.supervisor, Supervisor)
    assert as_run_control(services.supervisor).draining is False
    assert isinstance(services.hub, Hub)
    assert as_readers(services.hub) is api.hub
    assert isinstance(services.catalog, Catalog)
    assert as_models(services.catalog).models()
