"""LaunchDarkly's contract for SSE clients: an adapter for each client of ours, and a harness that asks them.

https://github.com/launchdarkly/sse-contract-tests says what an adapter service answers (docs/service_spec.md and
docs/optional_features.md). Its own harness is a Go program, which the adapters serve as they are; `harness.py` speaks
the same interface, so that the contract is also held where that program can not be had. The adapter for Python is
`python_service.py`, the one for TypeScript `typescript_service.ts`, type-checked with that client's own tests.
"""
