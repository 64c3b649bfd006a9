"""`python -m tests.proof.model`: the whole search. With a control's name: the shortest way to harm without it."""

import sys
import time
from collections.abc import Iterator

from tests.proof.model.controls import CONTROLS, FULL, KINDS, Control, starts
from tests.proof.model.explore import Found, explore
from tests.proof.model.invariants import INVARIANTS, STUCK


def searches() -> Iterator[str]:
    for kind in KINDS:
        for bounds in FULL:
            found = explore(starts(kind, bounds))
            most = ", ".join(f"{number} {what}" for what, number in bounds._asdict().items() if number)
            broken = found.violations.total()
            yield f"{kind:7} {found.worlds:9,} {broken:10} {found.known_limit:11}   {most}"


def without(control: Control) -> dict[str, Found]:
    return {kind: explore(starts(kind, control.bounds), control.name) for kind in control.kinds}


def ablation(control: Control) -> str:
    found = without(control).values()
    hit = sum(one.violations[control.breaks] for one in found)
    others = sum(one.violations.total() for one in found) - hit
    worlds = sum(one.worlds for one in found)
    return f"{control.name:12} {control.breaks:29} {hit:6,} {others:6,} {worlds:8,}  {control.rule}"


def ways_to_harm(name: str) -> Iterator[str]:
    control = next((control for control in CONTROLS if control.name == name), None)
    if control is None:
        raise SystemExit(f"no such control; there are {', '.join(control.name for control in CONTROLS)}")
    for kind, found in without(control).items():
        yield f"without {name} ({control.rule}; {control.place}), {kind} provider: {control.breaks}"
        yield from (f"  {number:2} {step}" for number, step in enumerate(found.traces[control.breaks], start=1))


def report() -> Iterator[str]:
    begun = time.process_time()
    yield "Model of the job protocol"
    yield "kind       states violations known limit   at most"
    yield from searches()
    yield f"invariants: {', '.join(INVARIANTS)}, {STUCK}"
    yield "without      breaks                        states others explored  that"
    yield from map(ablation, CONTROLS)
    yield f"{time.process_time() - begun:.1f} s of CPU"


if __name__ == "__main__":
    for line in ways_to_harm(" ".join(sys.argv[1:])) if sys.argv[1:] else report():
        print(line, flush=True)
