"""Mutation testing of the protocol (`make mutants`): which small faults does no test notice?

The tests are collected and run once, to learn which of them reach which function. Then a fork of this process for each
fault puts the faulty code into the function and runs the tests that reach it, until one fails.
"""

import argparse
import os
import random
import signal
import sys
import threading
import time
import tomllib
from collections import Counter, defaultdict
from importlib import import_module
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

from tests.proof.mutants.faults import Fault, faults

MODULES = (
    "bot.domain.job", "bot.domain.limits", "bot.domain.health",
    "bot.jobs.runner", "bot.jobs.submission", "bot.jobs.following", "bot.jobs.planner", "bot.jobs.recovery",
    "bot.jobs.patience", "bot.jobs.warden",
    "storage.claims", "storage.job_store", "storage.rows", "storage.witness",
    "bot.delivery.channel", "bot.delivery.history", "bot.delivery.line",
)  # fmt: skip
TESTS = ("tests/domain", "tests/storage", "tests/jobs", "tests/delivery")
SURVIVORS = Path(__file__).with_name("survivors.toml")
_SECONDS = 60


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

    def __init__(self, modules: list[ModuleType], at_once: int, share: float, seed: int) -> None:
        self.functions = {name: (m, f) for m in modules for name, f in _named(m)}
        self.codes: dict[CodeType, str] = {f.__code__: name for name, (_, f) in self.functions.items()}
        self.reached: dict[str, list[tuple[float, pytest.Item]]] = defaultdict(list)
        self.at_once, self.share, self.chance = at_once, share, random.Random(seed)
        self.survivors: list[tuple[str, Fault]] = []
        self.counts: Counter[str] = Counter()
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
        for item in session.items:
            self._learn(item)
        if self._failed:
            raise session.Failed("the tests fail without any fault")
        children: dict[int, tuple[str, Fault]] = {}
        for name, fault in self._faults():
            if len(children) >= self.at_once:
                self._wait(children)
            if (child := os.fork()) == 0:
                self._live_with(name, fault)
            children[child] = (name, fault)
        while children:
            self._wait(children)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed = self._failed or report.failed

    def _faults(self) -> list[tuple[str, Fault]]:
        found = []
        for module in dict.fromkeys(module for module, _ in self.functions.values()):
            names = {f.__qualname__ for f in functions_of(module).values()}
            path = Path(str(module.__file__))
            found += [
                (f"{module.__name__}.{fault.function}", fault)
                for fault in faults(path.read_text("utf-8"), str(path), names)
                if self.chance.random() < self.share
            ]
        return found

    def _learn(self, item: pytest.Item) -> None:
        seen: set[str] = set()

        def called(frame: Any, event: str, _argument: object) -> None:
            if event == "call" and (name := self.codes.get(frame.f_code)) is not None:
                seen.add(name)

        threading.setprofile(called)
        sys.setprofile(called)
        began = time.monotonic()
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
        seconds = time.monotonic() - began
        for name in seen:
            self.reached[name].append((seconds, item))

    def _live_with(self, name: str, fault: Fault) -> None:
        """In a process of its own, which does not return."""
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_SECONDS)
        self.functions[name][1].__code__ = fault.code
        self._failed = False
        self.config.pluginmanager.unregister(name="terminalreporter")
        for _, item in sorted(self.reached[name], key=lambda reached: reached[0]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            if self._failed:
                os._exit(1)
        os._exit(0)

    def _wait(self, children: dict[int, tuple[str, Fault]]) -> None:
        child, status = os.wait()
        name, fault = children.pop(child)
        if not self.reached[name]:
            outcome = "unreached"
        elif status == 0:
            outcome = "survived"
        else:
            outcome = "killed" if os.WIFEXITED(status) else "killed by time"
        self.counts[outcome] += 1
        if status == 0:
            self.survivors.append((name, fault))
            print(f"{outcome}: {name}: {fault.what}", flush=True)


def _named(module: ModuleType) -> list[tuple[str, FunctionType]]:
    return [(f"{module.__name__}.{name}", function) for name, function in functions_of(module).items()]


def main() -> int:
    options = argparse.ArgumentParser(prog="make mutants")
    options.add_argument("modules", nargs="*", default=MODULES)
    options.add_argument("--tests", nargs="+", default=TESTS)
    options.add_argument("--at-once", type=int, default=os.cpu_count() or 1)
    options.add_argument("--share", type=float, default=1.0, help="how many of all faults to try, drawn by --seed")
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    mutants = Mutants([import_module(name) for name in asked.modules], asked.at_once, asked.share, asked.seed)
    code = pytest.main(["-q", "--no-cov", "-p", "no:cacheprovider", *asked.tests], plugins=[mutants])
    if code != 0:
        print("the tests fail without any fault")
        return 1
    known = tomllib.loads(SURVIVORS.read_text("utf-8"))
    news = [(n, f) for n, f in mutants.survivors if f.what not in known.get(n, {})]
    print(f"faults {sum(mutants.counts.values())}: " + ", ".join(f"{n} {what}" for what, n in mutants.counts.items()))
    print(f"justified {len(mutants.survivors) - len(news)}, not justified {len(news)}")
    return 1 if news else 0


if __name__ == "__main__":
    raise SystemExit(main())
