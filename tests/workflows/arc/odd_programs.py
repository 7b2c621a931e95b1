"""Programs that are odd in one way each: a line is the body of `transform`, with `\\n` between its own lines.

What each comes to is not said here. Whatever it is, it must be a grid or a sentence.
"""

from __future__ import annotations

from typing import Final

BODIES: Final = [
    line.replace("\\n", "\n")
    for line in r"""
raise Exception(1,2)
raise Exception([1]*1000)
raise KeyError((1,2))
class E(Exception): pass
raise E
class E(BaseException): pass\nraise E("x"*1000)
raise StopIteration
raise GeneratorExit
raise KeyboardInterrupt
raise MemoryError
raise SystemExit
raise ExceptionGroup("a",[ValueError(1)])
try:\n    1/0\nexcept Exception as e:\n    raise ValueError from e
yield 1
return (x for x in grid)
return lambda: 1
return transform
return type
return [transform]
return [[transform]]
return [[type]]
class A:\n    def __iter__(self): return iter([[1]])\nreturn A()
class A:\n    def __repr__(self): return 5\nreturn [[A()]]
class A:\n    def __repr__(self): return repr(self)\nreturn [[A()]]
class A:\n    def __getattr__(self, n): return self\nreturn A()
class L(list): pass\nreturn L([[1]])
async def f(): return 1\nreturn f()
import asyncio\nreturn asyncio.sleep(5)
import asyncio\nasyncio.run(asyncio.sleep(1))
global transform\ntransform = 5
global _given\n_given = 5
global _grid\n_grid = 5\nreturn [[_grid]]
exec("x=1")
compile("1","a","eval")
eval("1+")
globals()["transform"]=1\nreturn grid
locals()
vars()
dir()
help()
input()
breakpoint()
quit()
open(5)
print(grid, file=5)
import sys\nsys.stdout.write("x")
import sys\nsys.setrecursionlimit(10**9)\nreturn grid
import sys\nsys.modules.clear()
from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int = 1\nreturn [[A().x]]
from typing import List, Optional\nx: List[int] = []\nreturn grid
from enum import Enum\nclass C(Enum):\n    A = 1\nreturn grid
from collections import *\nreturn grid
import collections.abc
match grid:\n    case [[a, *_], *_]: return [[a]]
with open("x") as f: pass
assert grid == 5
assert False, "x"*10000
del grid
x = "\\ud800"\nreturn [[x]]
raise ValueError("\\ud800")
print("\\ud800")
return [["\\ud800"]]
print(chr(0)*10)
raise ValueError(chr(0))
import re\nreturn re.sub("(a*)*b","",("a"*5000))
return [[1e400, float("nan")]]
return [[complex(1,2)]]
return [[10**4000]]
return [[10**5000]]
return [b"abc"]
return [[b"a"]]
return [[...]]
return [[NotImplemented]]
return {1}
return frozenset([1])
return range(5)
return [range(3)]
return map(list, grid)
return reversed(grid)
return zip(*grid)
return memoryview(b"x")
return bytearray(5)
import decimal\nreturn [[decimal.Decimal(1)]]
import datetime\nreturn [[datetime.datetime.now()]]
import random\nreturn [[random.random()]]
import numpy as np\nreturn np.array(grid)
import json\nreturn json.loads("["*100000)
import json\nreturn json.loads("[[1]]")
x = {}\nx[0] = x\nreturn [[x]]
x = []\nx.append(x)\nreturn x
x = []\nx.append(x)\nreturn [x]
g = grid\nfor i in range(100000): g = [g]\nreturn g
g = grid\nfor i in range(100000): g = [g]\nreturn repr(g)
g = grid\nfor i in range(100000): g = [g]\nreturn g == [g]
return hash(grid)
f = transform\nfor i in range(100000): f = (lambda f: lambda g: f(g))(f)\nreturn f(grid)
import functools\nreturn functools.reduce(lambda a, b: (a, b), range(200000))
import itertools\nreturn list(itertools.permutations(range(12)))
import itertools\nreturn list(itertools.product(range(1000), repeat=5))
return "%s" % ("x" * 10**9)
return "{:1000000000}".format(1)
return f"{1:1000000000}"
return "a".ljust(10**10)
return "a".center(10**9)
return ("a" * 10**6).replace("a", "b" * 10**6)
return "".join(["a" * 10**6] * 10**6)
return bytes(10**11)
return [0] * (1 << 62)
return 2 ** (1 << 40)
return 1 << (1 << 62)
return pow(7, 10**8)
return pow(7, 10**8, 10**9)
import math\nreturn math.factorial(10**6)
import math\nreturn math.comb(10**7, 10**6)
return int("9" * 10**6)
return str(7 ** 300000)
return round(1.5, -10**10)
return sum([[1]] * 10**5, [])
return sorted(range(10**7))
return max(range(10**9))
return list(map(str, range(10**8)))
return set(range(10**8))
return dict.fromkeys(range(10**8))
return 5 in range(10**20)
return (10**20 + 0.5) in range(10**30)
return range(10**30).index(10**29)
return len(range(10**30))
return list(reversed(range(10**10)))
return any(False for _ in range(10**12))
return [x for x in iter(int, 1)]
return str.__mro__
return object.__subclasses__()
return grid.__class__.__mro__[1].__subclasses__()
return (lambda: 0).__code__
return transform.__closure__
""".strip().splitlines()
]
