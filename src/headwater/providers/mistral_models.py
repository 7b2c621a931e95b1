"""What Mistral's models do not take, by their names. Those that end in `latest` change, and little is refused of them.

Which can be told to reason is at https://docs.mistral.ai/capabilities/reasoning/, and that they are told so or not,
never how much, is what the API says. Which see images is on each model's page
(https://docs.mistral.ai/getting-started/models/).
"""

from __future__ import annotations

from typing import Final

from headwater.providers.model_limits import Limits, Models

_NO_REASONING: Final = Limits(lacks=frozenset({"reasoning"}))
_TEXT_ONLY: Final = Limits(lacks=frozenset({"reasoning", "images"}))

MODELS: Final = Models(
    # Reason always, and take no word on it.
    (r"magistral-\w+-250[67]", Limits(lacks=frozenset({"images"}), efforts=frozenset())),
    (r"magistral-\w+-2509", Limits(efforts=frozenset())),
    (r"mistral-small-(?:2603|latest)|mistral-medium-(?:3-5|2604)", Limits(efforts=frozenset({"none", "high"}))),
    (r"(?:open-|codestral|mistral-tiny|mistral-saba)", _TEXT_ONLY),
    (r"ministral-\d+b-2410|mistral-large-24\d\d|mistral-small-(?:24\d\d|2501)", _TEXT_ONLY),
    (r"pixtral|ministral-\d+b-2512|mistral-large-2512|mistral-medium-25\d\d|mistral-small-25\d\d", _NO_REASONING),
)
