"""Whether timers do what is expected of them: fire at some time, run on, follow their field.

timer ──▶ is its state left before, always, by something that needs no event?     timer-never-fires
transition that leaves and enters a state ──▶ timers that start anew              timer-restarts
action that writes a moment ──▶ timers that took it before                        stale-moment
"""

from __future__ import annotations

from collections.abc import Iterator

from fsm.compile.columns import Timer
from fsm.compile.rules.guards import eventless
from fsm.compile.rules.parts import read, written
from fsm.compile.rules.reach import Group, Reach
from fsm.compile.rules.report import Report, lines_of
from fsm.compile.titles import titled, triggered
from fsm.compile.tree import bits
from fsm.define.chart import Trigger
from fsm.layout import StateKind


def check_timers(report: Report, reach: Reach) -> None:
    """Every timer can fire, starts anew only where that is meant, and has the moment that its field has."""
    for timer in reach.columns.timers:
        if reach.active >> timer.state & 1:
            _check_fires(report, reach, timer)
    for number in sorted(reach.taken) if reach.columns.timers else ():
        _check_restarts(report, reach, number)
    _check_moments(report, reach)


# --- timers that never fire ---


def _check_fires(report: Report, reach: Reach, timer: Timer) -> None:
    transition, state = reach.tree.transitions[timer.transitions[0]], reach.tree.states[timer.state].name
    if not reach.rested >> timer.state & 1:
        message = (
            f"The timer {triggered(transition)} of {state} never fires: {state} is left at once by an eventless "
            f"transition ({eventless(reach, timer.state)})."
        )
        report.add(
            "timer-never-fires", transition, message, "Give the eventless transition a guard, or remove the timer."
        )
        return
    shorter = next(_shorter(reach, timer), None)
    if shorter is None:
        return
    first = reach.tree.transitions[shorter.transitions[0]]
    of = "" if shorter.state == timer.state else f" of {reach.tree.states[shorter.state].name}"
    message = (
        f"The timer {triggered(transition)} of {state} never fires: the one {triggered(first)}{of} in line "
        f"{first.place.line} runs out before it and leaves {state}."
    )
    report.add("timer-never-fires", transition, message, "Make it the shorter one, guard the other, or remove it.")


def _shorter(reach: Reach, timer: Timer) -> Iterator[Timer]:
    """Timers that run out before another one, and then leave its state, whatever the fields."""
    length = _length(timer)
    if length is None:
        return
    # A state around it was entered no later, so its timer began no later.
    for state in (timer.state, *reach.tree.ancestors(timer.state)):
        for other in reach.columns.timers_of.get(state, ()):
            known = _length(other)
            # A timer takes 1 ns at the least; of two with one deadline, what fires first is the slot's matter.
            if known is not None and max(known, 1) < length and _leaves(reach, other):
                yield other


def _length(timer: Timer) -> int | None:
    constant = timer.trigger is Trigger.AFTER and timer.moment.operation == "constant"
    return int(timer.moment.value) if constant else None


def _leaves(reach: Reach, timer: Timer) -> bool:
    """Whether a timer that fires leaves its state, whatever the fields."""
    for group in reach.groups(reach.columns.timer_column + timer.slot):
        if timer.transitions[0] not in {number for each in group.lists for number in each}:
            continue
        for chosen in reach.selection(group).sets():
            if not any(reach.scope(number) >> timer.state & 1 for number in chosen):
                return False
    return True


# --- timers that start anew ---


def _check_restarts(report: Report, reach: Reach, number: int) -> None:
    """The timers of the source, and of the states around it, that a transition starts anew."""
    transition, tree = reach.tree.transitions[number], reach.tree
    if not transition.targets:
        return
    changed = written(transition.actions)
    source = tree.sources[number]
    for state in (source, *tree.ancestors(source)):
        timers = [
            timer for timer in reach.columns.timers_of.get(state, ())
            # The one that fired has run out, and one whose moment is set here is meant to take it.
            if number not in timer.transitions and changed.isdisjoint(read(timer.moment))
        ]  # fmt: skip
        if timers and _enters_again(reach, number, state):
            name = tree.states[state].name
            firsts = [tree.transitions[timer.transitions[0]] for timer in timers]
            what = f"timer {triggered(firsts[0])}" if len(firsts) == 1 else "timers"
            start = "starts" if len(firsts) == 1 else "start"
            message = (
                f"The {titled(transition)} of {transition.source} leaves and enters {name}, so that its {what} "
                f"({lines_of(firsts)}) {start} anew."
            )
            report.add("timer-restarts", transition, message, _remedy(reach, number, state))


def _enters_again(reach: Reach, number: int, state: int) -> bool:
    """Whether a transition leaves a state that is active and enters it, whatever histories remember."""
    if not reach.is_historic(number):
        return bool(_again(reach, number, next(reach.where(number))[1]) >> state & 1)
    return all(_again(reach, number, group) >> state & 1 for _, group in reach.where(number))


def _again(reach: Reach, number: int, group: Group) -> int:
    return reach.scope(number) & reach.enters(number, group.memory)


def _remedy(reach: Reach, number: int, state: int) -> str:
    tree, transition = reach.tree, reach.tree.transitions[number]
    name, end = tree.states[state].name, "or waive the rule where they are to start anew."
    if tree.targets[number] == (tree.sources[number],):
        return f"Leave to= out, which keeps {name}, {end}"
    inside = all(tree.is_inside(target, state) for target in tree.targets[number])
    if inside and tree.states[state].kind is StateKind.COMPOUND:
        where = "Say stay=True" if transition.source == name else f"Declare it for {name} with stay=True"
        return f"{where}, which keeps {name}, {end}"
    return f"Go to a state inside {name} that keeps it, {end}"


# --- timers that have an old moment ---


def _check_moments(report: Report, reach: Reach) -> None:
    """The timers whose field is written when they have taken it already."""
    timers = [timer for timer in reach.columns.timers if timer.trigger is Trigger.AT]
    for number in sorted(reach.taken) if timers else ():
        for timer in _kept(reach, number, timers):
            _report_kept(report, reach, number, timer)
    for timer in timers:
        _check_entry(report, reach, timer)


def _kept(reach: Reach, number: int, timers: list[Timer]) -> list[Timer]:
    """The timers of states that a transition does not leave, though it writes their field."""
    tree = reach.tree
    acting = {state for state, each in enumerate(tree.states) if each.entry or each.exit}
    late: dict[Timer, None] = {}
    for _, group in reach.where(number) if acting or tree.transitions[number].actions else ():
        left = reach.scope(number) & group.active
        entered = reach.enters(number, group.memory)
        fields = written(tree.transitions[number].actions)
        for state in acting:
            fields |= written(tree.states[state].exit) if left >> state & 1 else set()
            fields |= written(tree.states[state].entry) if entered >> state & 1 else set()
        kept = group.active & ~left
        for timer in timers:
            if (
                kept >> timer.state & 1
                and timer.moment.value in fields
                and not _leaves_too(reach, number, group, timer)
            ):
                late[timer] = None
    return list(late)


def _leaves_too(reach: Reach, number: int, group: Group, timer: Timer) -> bool:
    """Whether another transition, taken in the same microstep, leaves the state of a timer, as far as can be told."""
    selection = reach.selection(group)
    leaving = {
        other for other in reach.live(group) - {number} if reach.scope(other) >> timer.state & 1
    }  # fmt: skip
    if selection.marker is not None:
        return bool(leaving)
    return all(leaving & {*chosen} for chosen in selection.sets() if number in chosen)


def _report_kept(report: Report, reach: Reach, number: int, timer: Timer) -> None:
    transition, name = reach.tree.transitions[number], reach.tree.states[timer.state].name
    field = timer.moment.value
    what = "has fired, and is not armed again" if number in timer.transitions else "keeps the moment that it had"
    message = (
        f"The {titled(transition)} of {transition.source} writes {field}, and the timer at {field} of {name} {what}."
    )
    remedy = f"Enter {name} anew, so that it takes the moment, or waive the rule where that is meant."
    report.add("stale-moment", transition, message, remedy)


def _check_entry(report: Report, reach: Reach, timer: Timer) -> None:
    """The states inside that write the field of a timer when they are entered with its state, which is after it."""
    tree, field = reach.tree, timer.moment.value
    around = tree.states[timer.state].name
    for state in bits(tree.inside[timer.state] & reach.active):
        both = 1 << state | 1 << timer.state
        if field in written(tree.states[state].entry) and _together(reach, both):
            message = (
                f"Entering {tree.states[state].name} writes {field}, and the timer at {field} of {around}, which is "
                "entered before it, has taken the moment already."
            )
            report.add("stale-moment", tree.states[state], message, f"Write it on entry to {around}, or before.")


def _together(reach: Reach, states: int) -> bool:
    """Whether one microstep enters some states together."""
    entering = (reach.enters(number, reach.walk.initial.memory) for number in reach.taken)
    return any(entered & states == states for entered in (reach.walk.initial.active, *entering))
