"""The count of a program's steps, as the interpreter sees it: names, and what stands before and after the program."""

from __future__ import annotations

import secrets
from typing import Final

from pydantic_monty import MontyRuntimeError, MontySyntaxError

#: What a program must define.
FUNCTION: Final = "transform"
#: Bytes: a limit on memory refuses them before it looks for them.
_MORE_THAN_ALL: Final = 10**18


class Steps:
    """The count for one program. Its names are made by chance, and nothing in the sandbox tells a name.

    An iterator counts down to 0, which is false as nothing before it, and stays there: then a function is called that
    asks for more memory than any limit allows. That can not be caught: not by `except`, nor by a builtin that calls.
    (Where there is no room left for that call itself, its error can be; but the next step comes to the same end.)
    """

    def __init__(self, most: int) -> None:
        self._name = name = f"_{secrets.token_hex(8)}"
        fresh = f"{name}i = {name}t({name}r({most}, -1, -1))"
        #: the expression that is evaluated once a step
        self.tick = f"({name}n({name}i, 0) or {name}over())"
        #: Run before the program. What makes code of a text and what tells names is gone for it.
        self.begin = f"""\
{name}n, {name}t, {name}r = next, iter, range
def {name}over(): 'a' * {_MORE_THAN_ALL}
def eval(*_, **__): raise NameError("name 'eval' is not defined")
def exec(*_, **__): raise NameError("name 'exec' is not defined")
def locals(*_, **__): raise NameError("name 'locals' is not defined")
{fresh}
pass
"""
        #: Runs the program on `_grid`, counted anew. Its value is text, whatever the program has redefined: a literal's
        #: method makes it. `type` is there for a sentence.
        self.call = f"""\
{fresh}
_given = {FUNCTION}(_grid)
f'{{type(_given).__name__}}\\n' + '\\n'.join(
    [{self.tick} and ' '.join([{self.tick} and f'{{cell!r}}' for cell in row]) for row in _given]
)
"""

    def are_over(self, error: MontyRuntimeError | MontySyntaxError) -> bool:
        """Whether this is how a program ends that has taken too many."""
        frames = error.traceback()
        return bool(frames) and frames[-1].function_name == f"{self._name}over"

    def refused(self, source: str) -> str:
        """What has the interpreter read a program and say what is wrong with it, and run nothing of it."""
        return f"raise NotImplementedError('{self._name}')\n{source}"

    def is_refused(self, error: MontyRuntimeError | MontySyntaxError) -> bool:
        """Whether the interpreter found nothing wrong with it."""
        return error.display("msg") == self._name
