"""Mutation testing of the protocol (`make mutants`): which small faults does no test notice?

The tests are collected and run once, to learn which of them run which line. Then a fork of this process for each fault
puts the faulty code into the function and runs the tests that run its line, until one fails: first those that are
quick and have noticed many faults.
"""

import argparse
import math
import mmap
import os
import random
import signal
import sys
import threading
import time
import tomllib
from collections import Counter, defaultdict
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import pytest

from tests.proof.mutants.faults import Fault, faults

MODULES = (
    "bot.domain.job", "bot.domain.limits", "bot.domain.health",
    "bot.jobs.runner", "bot.jobs.submission", "bot.jobs.following", "bot.jobs.planner", "bot.jobs.recovery",
    "bot.jobs.patience", "bot.jobs.warden", "bot.jobs.inputs",
    "storage.claims", "storage.job_store", "storage.rows", "storage.witness", "storage.spill", "storage.durable",
    "storage.database",
    "bot.delivery.channel", "bot.delivery.history", "bot.delivery.line",
)  # fmt: skip
TESTS = ("tests/domain", "tests/storage", "tests/jobs", "tests/delivery")
SURVIVORS = Path(__file__).with_name("survivors.toml")
_MOST_CALLS = 300  # within one test; what a function does later it has most likely done before
_SLOWER = 10.0  # a test that takes so many times as long, and as many seconds more, does not end


def functions_of(module: ModuleType) -> dict[str, FunctionType]:
    """The functions and methods that the module defines itself, by qualified name."""
    found: dict[str, FunctionType] = {}
    for thing in vars(module).values():
        for member in (thing, *(vars(thing).values() if isinstance(thing, type) else ())):
            member = getattr(member, "fget", None) or getattr(member, "__wrapped__", None) or member
            member = getattr(member, "__func__", member)
            if isinstance(member, FunctionType) and member.__module__ == module.__name__:
                found[member.__qualname__] = member
    return found


class Mutants:
    """A pytest plugin that takes the place of its loop."""

    def __init__(self, modules: list[ModuleType], asked: argparse.Namespace) -> None:
        self.asked, self.chance = asked, random.Random(asked.seed)
        self.files = {str(module.__file__): module for module in modules}
        self.functions = {f"{m.__name__}.{name}": f for m in modules for name, f in functions_of(m).items()}
        self.seconds: list[float] = []
        self.reached: dict[tuple[str, int], set[int]] = defaultdict(set)
        self.names: set[tuple[str, str]] = set()
        self.survivors: list[tuple[str, str]] = []
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._failed = False

    def pytest_configure(self, config: pytest.Config) -> None:
        self.config = config
        import hypothesis

        hypothesis.settings.register_profile(
            "mutants",
            suppress_health_check=list(hypothesis.HealthCheck),
            derandomize=True,
            deadline=None,
            database=None,
        )
        hypothesis.settings.load_profile("mutants")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = session.items
        self.kills = memoryview(mmap.mmap(-1, 8 * len(self.items))).cast("Q")
        for number in range(len(self.items)):
            self._learn(number)
        if self._failed:
            raise session.Failed("the tests fail without any fault")
        children: dict[int, tuple[str, Fault]] = {}
        for name, fault in self._faults():
            if len(children) >= self.asked.at_once:
                self._wait(children)
            if (child := os.fork()) == 0:
                self._live_with(name, fault)
            children[child] = (name, fault)
        while children:
            self._wait(children)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed = self._failed or report.failed

    def judge(self, known: dict[str, dict[str, str]]) -> int:
        """Prints the result; 0 when every survivor is justified and every justification is of a fault that there is."""
        news = [what for name, what in self.survivors if what not in known.get(name, {})]
        stale = [
            f"{name}: {what}"
            for name, reasons in known.items()
            if any(name.startswith(f"{module.__name__}.") for module in self.files.values())
            for what in reasons
            if (name, what) not in self.names
        ]
        for line in stale:
            print(f"justified, but there is no such fault: {line}")
        for module in self.files.values():
            counts = self.counts[module.__name__]
            found = ", ".join(f"{n} {what}" for what, n in counts.items())
            print(f"{module.__name__}: {counts.total()} faults: {found}")
        print(f"justified {len(self.survivors) - len(news)}, not justified {len(news)}")
        return 1 if news or stale else 0

    def _faults(self) -> list[tuple[str, Fault]]:
        """Those to try. The names of all are learnt, to find what the list of survivors need not say any more."""
        found = []
        for path, module in self.files.items():
            names = {f.__qualname__ for f in functions_of(module).values()}
            for fault in faults(Path(path).read_text("utf-8"), path, names):
                name = f"{module.__name__}.{fault.function}"
                if fault.code.co_freevars != self.functions[name].__code__.co_freevars:
                    # Without its `super()` it cannot take the function's place.
                    continue
                self.names.add((name, fault.what))
                if self.asked.only in f"{name}: {fault.what}" and self.chance.random() < self.asked.share:
                    found.append((name, fault))
        return found

    def _learn(self, number: int) -> None:
        calls: Counter[CodeType] = Counter()

        def ran(frame: FrameType, event: str, _argument: object) -> Any:
            if (file := frame.f_code.co_filename) not in self.files:
                return None
            if event == "line":
                self.reached[file, frame.f_lineno].add(number)
            elif event == "call":
                calls[frame.f_code] += 1
            return ran if calls[frame.f_code] <= _MOST_CALLS else None

        threading.settrace(ran)
        sys.settrace(ran)
        began = time.monotonic()
        try:
            self._run(number)
        finally:
            sys.settrace(None)
            threading.settrace(None)
        self.seconds.append(time.monotonic() - began)

    def _run(self, number: int) -> None:
        item = self.items[number]
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)

    def _reaching(self, fault: Fault) -> list[int]:
        found = set().union(*(self.reached[fault.code.co_filename, line] for line in fault.lines))
        ordered = sorted(found, key=lambda number: self.seconds[number] / (1 + self.kills[number]))
        spent = accumulate(self.seconds[number] for number in ordered)
        return [number for number, seconds in zip(ordered, spent, strict=True) if seconds <= self.asked.patience]

    def _live_with(self, name: str, fault: Fault) -> None:
        """In a process of its own, which does not return."""
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        self.functions[name].__code__ = fault.code
        self._failed = False
        self.config.pluginmanager.unregister(name="terminalreporter")
        for number in self._reaching(fault):
            signal.alarm(round(_SLOWER * (1 + self.seconds[number])))
            self._run(number)
            if self._failed:
                self.kills[number] += 1
                os._exit(1)
        os._exit(0)

    def _wait(self, children: dict[int, tuple[str, Fault]]) -> None:
        child, status = os.wait()
        name, fault = children.pop(child)
        if status == 0:
            outcome = "survived" if self._reaching(fault) else "unreached"
            self.survivors.append((name, fault.what))
            print(f"{outcome}: {name}: {fault.what}", flush=True)
        else:
            outcome = "killed" if os.WIFEXITED(status) else "killed by time"
        self.counts[self.files[fault.code.co_filename].__name__][outcome] += 1


def main() -> int:
    options = argparse.ArgumentParser(prog="make mutants")
    options.add_argument("modules", nargs="*", default=MODULES)
    options.add_argument("--tests", nargs="+", default=TESTS)
    options.add_argument("--at-once", type=int, default=os.cpu_count() or 1)
    options.add_argument("--share", type=float, default=1.0, help="how many of all faults to try, drawn by --seed")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--patience", type=float, default=math.inf, help="seconds of tests that a fault may survive")
    options.add_argument("--only", default="", help="try what has this in its name")
    asked = options.parse_args()
    modules = [import_module(name) for name in asked.modules]
    mutants = Mutants(modules, asked)
    # The time a test may take is measured here; pytest-timeout would take the same signal.
    code = pytest.main(["-q", "--no-cov", "-p", "no:cacheprovider", "-o", "timeout=0", *asked.tests], plugins=[mutants])
    if code != 0:
        print("the tests fail without any fault")
        return 1
    return mutants.judge(tomllib.loads(SURVIVORS.read_text("utf-8")))


if __name__ == "__main__":
    raise SystemExit(main())
