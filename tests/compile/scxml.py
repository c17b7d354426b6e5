"""SCXML's Appendix D on a chart of ours: from a set of active states and a cause to the next set, by walking the chart.

cause ──select_transitions──▶ transitions ──microstep: exit, content, enter──▶ states, words, timers, internal events
                                   ▲                                                 │
                                   └── eventless ones, internal events ◀─────────────┘ until there are none: a macrostep

Procedures bear the names of Appendix D (Recommendation of 2015) and do what it says in its order. What is added:
bounds, faults that undo a macrostep, and timers.
"""

from __future__ import annotations

from collections.abc import Callable

from fsm.define.chart import Action, Chart, Conditional, Raise, StateKind, Transition, Trigger
from fsm.layout import INT64_MAX, Outcome
from tests.compile.terms import Fault, Words
from tests.compile.tree import ROOT, Armed, Cause, Tree


class Statechart(Words):
    """The active states and the words of one instance, before its start: call `start` first."""

    def __init__(self, chart: Chart, now: int, words: dict[str, tuple[int, ...]] | None) -> None:
        super().__init__(chart, words)
        self.chart = chart
        self.tree = Tree(chart)
        self.now = now
        self.version = 0
        self.trace: list[str] = []
        self.configuration: set[str] = set()
        self.history_value: dict[str, list[str]] = {}
        self.internal_queue: list[Cause] = []
        self.armed: dict[int, Armed] = {}
        self.armings = 0
        self.running = True
        self.guard_said_no = False

    @property
    def active(self) -> tuple[str, ...]:
        """The active states in document order."""
        return tuple(self.tree.in_order(self.configuration))

    # --- the macrostep ---

    def start(self) -> None:
        """Enter the initial states; a `Fault` goes to the caller."""
        self.enter_states([((self.tree.get_initial(ROOT),), ROOT)])
        self.complete_macrostep()

    def run_to_completion(self, cause: Cause) -> Outcome | None:
        """A whole macrostep, or nothing of it; None: no transition is enabled."""
        kept = set(self.configuration), dict(self.history_value), dict(self.words), dict(self.armed), list(self.trace)
        self.internal_queue, self.running, self.guard_said_no = [], True, False
        try:
            enabled = self.select_transitions(cause)
            if not enabled:
                return None
            self.microstep(enabled)
            self.complete_macrostep()
        except Fault as fault:
            self.configuration, self.history_value, self.words, self.armed, self.trace = kept
            return Outcome[str(fault)]
        self.version += 1
        return Outcome.ACCEPTED

    def complete_macrostep(self) -> None:
        """Microsteps after the first: eventless ones, else the oldest internal event, until there is neither."""
        self.arguments = {}
        count = 0
        while self.running:
            enabled = self.select_eventless_transitions()
            if not enabled:
                if not self.internal_queue:
                    return
                enabled = self.select_transitions(self.internal_queue.pop(0))
            if enabled:
                self.microstep(enabled)
                count += 1
                if count > self.chart.microsteps_max:
                    raise Fault("BOUND")

    def enqueue(self, cause: Cause) -> None:
        """An internal event waits, if there is room."""
        self.internal_queue.append(cause)
        if len(self.internal_queue) > self.chart.raised_max:
            raise Fault("BOUND")

    def enqueue_done(self, name: str) -> None:
        """That a state is done is an event where some transition waits for it."""
        if any(each.trigger is Trigger.DONE for each in self.tree.transitions[name]):
            self.enqueue(Cause(Trigger.DONE, name))

    # --- which transitions ---

    def select_eventless_transitions(self) -> list[Transition]:
        return self.select(lambda transition: transition.trigger is Trigger.ALWAYS)

    def select_transitions(self, cause: Cause) -> list[Transition]:
        return self.select(cause.matches)

    def select(self, matches: Callable[[Transition], bool]) -> list[Transition]:
        """For each atomic state the first transition that holds, of its own, else of what it stands in."""
        enabled: list[Transition] = []
        for state in filter(self.tree.is_atomic_state, self.active):
            found = self.first_enabled(state, matches)
            if found is not None and found not in enabled:
                enabled.append(found)
        return self.remove_conflicting_transitions(enabled)

    def first_enabled(self, state: str, matches: Callable[[Transition], bool]) -> Transition | None:
        for name in (state, *self.tree.get_proper_ancestors(state, ROOT)):
            for transition in self.tree.transitions[name]:
                if matches(transition) and self.condition_match(transition):
                    return transition
        return None

    def condition_match(self, transition: Transition) -> bool:
        if transition.guard is None or self.holds(transition.guard):
            return True
        self.guard_said_no = True
        return False

    def remove_conflicting_transitions(self, enabled: list[Transition]) -> list[Transition]:
        filtered: list[Transition] = []
        for first in enabled:
            preempted = False
            to_remove = []
            for second in filtered:
                if self.compute_exit_set([first]) & self.compute_exit_set([second]):
                    if not self.tree.is_descendant(first.source, second.source):
                        preempted = True
                        break
                    to_remove.append(second)
            if not preempted:
                filtered = [*(each for each in filtered if each not in to_remove), first]
        return filtered

    # --- a microstep ---

    def microstep(self, enabled: list[Transition]) -> None:
        # A domain is that of the exit, and stays so though the exit changes what history states stand for.
        ways = [(each.targets, self.get_transition_domain(each)) for each in enabled if each.targets]
        self.exit_states(enabled)
        self.execute_transition_content(enabled)
        self.enter_states(ways)

    def exit_states(self, enabled: list[Transition]) -> None:
        leaving = self.tree.in_order(self.compute_exit_set(enabled))[::-1]
        for name in leaving:
            for history in self.tree.get_histories(name):
                self.history_value[history] = self.to_remember(history, name)
        for name in leaving:
            self.execute_content(self.tree.states[name].exit)
            self.trace.append(f"leave {name}")
            for timer in self.tree.timers(name):
                self.armed.pop(self.tree.slots[timer], None)
            self.configuration.remove(name)

    def to_remember(self, history: str, parent: str) -> list[str]:
        """Deep: the active atomic states inside the parent. Shallow: its active children."""
        if self.tree.states[history].kind is StateKind.HISTORY_DEEP:
            inside = [name for name in self.active if self.tree.is_descendant(name, parent)]
            return [name for name in inside if self.tree.is_atomic_state(name)]
        return [name for name in self.active if self.tree.parents[name] == parent]

    def compute_exit_set(self, transitions: list[Transition]) -> set[str]:
        domains = [self.get_transition_domain(each) for each in transitions if each.targets]
        return {name for name in self.configuration for domain in domains if self.tree.is_descendant(name, domain)}

    def execute_transition_content(self, enabled: list[Transition]) -> None:
        for transition in enabled:
            self.execute_content(transition.actions)

    def execute_content(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            if isinstance(action, Conditional):
                self.execute_content(action.then if self.holds(action.condition) else action.otherwise)
                continue
            self.trace.append(action.text)
            if isinstance(action, Raise):
                self.enqueue(Cause(Trigger.EVENT, action.event))
            else:
                self.write(action)

    def enter_states(self, ways: list[tuple[tuple[str, ...], str]]) -> None:
        """Enter what the targets ask for, each within its domain."""
        for name in self.tree.in_order(self.compute_entry_set(ways)):
            self.configuration.add(name)
            self.trace.append(f"enter {name}")
            self.execute_content(self.tree.states[name].entry)
            for timer in self.tree.timers(name):
                self.arm(timer)
            if self.tree.is_final_state(name):
                self.enter_final_state(self.tree.parents[name])

    def arm(self, timer: Cause) -> None:
        """AFTER counts from now, and never to the 0 that means unarmed; AT is what its field says, and 0 is never."""
        assert timer.moment is not None
        deadline = self.value(timer.moment)[0]
        if timer.trigger is Trigger.AFTER:
            deadline = max(1, self.now + deadline)
        if deadline > INT64_MAX:
            raise Fault("OVERFLOW")
        if deadline != 0:
            self.armings += 1
            self.armed[self.tree.slots[timer]] = Armed(deadline, self.armings)

    def enter_final_state(self, parent: str) -> None:
        """The flow ends; or the parent is done, and with it the parallel state whose last region it is."""
        if parent == ROOT:
            self.running = False
            return
        self.enqueue_done(parent)
        grandparent = self.tree.parents[parent]
        if self.tree.is_parallel_state(grandparent) and self.is_in_final_state(grandparent):
            self.enqueue_done(grandparent)

    def is_in_final_state(self, name: str) -> bool:
        children = self.tree.get_child_states(name)
        if self.tree.is_compound_state(name):
            return any(self.tree.is_final_state(child) and child in self.configuration for child in children)
        return self.tree.is_parallel_state(name) and all(self.is_in_final_state(child) for child in children)

    # --- what is entered ---

    def compute_entry_set(self, ways: list[tuple[tuple[str, ...], str]]) -> set[str]:
        to_enter: set[str] = set()
        for targets, domain in ways:
            for target in targets:
                self.add_descendant_states_to_enter(target, to_enter)
            for target in self.get_effective_target_states(targets):
                self.add_ancestor_states_to_enter(target, domain, to_enter)
        return to_enter

    def add_descendant_states_to_enter(self, name: str, to_enter: set[str]) -> None:
        if self.tree.is_history_state(name):
            stands_for = self.get_history_targets(name)
            for each in stands_for:
                self.add_descendant_states_to_enter(each, to_enter)
            for each in stands_for:
                self.add_ancestor_states_to_enter(each, self.tree.parents[name], to_enter)
            return
        to_enter.add(name)
        if self.tree.is_compound_state(name):
            # Its initial state is a child of its own, so there are no ancestors in between.
            self.add_descendant_states_to_enter(self.tree.get_initial(name), to_enter)
        elif self.tree.is_parallel_state(name):
            self.add_missing_regions(name, to_enter)

    def add_ancestor_states_to_enter(self, name: str, end: str, to_enter: set[str]) -> None:
        for ancestor in self.tree.get_proper_ancestors(name, end):
            to_enter.add(ancestor)
            if self.tree.is_parallel_state(ancestor):
                self.add_missing_regions(ancestor, to_enter)

    def add_missing_regions(self, parallel: str, to_enter: set[str]) -> None:
        """The children of a parallel state in which nothing is entered yet, as if they were targets."""
        for child in self.tree.get_child_states(parallel):
            if not any(self.tree.is_descendant(name, child) for name in to_enter):
                self.add_descendant_states_to_enter(child, to_enter)

    def get_history_targets(self, history: str) -> list[str]:
        """What a history state stands for: what it remembers, else its default, else what its parent enters."""
        if history in self.history_value:
            return self.history_value[history]
        default, parent = self.tree.states[history].default, self.tree.parents[history]
        if default is not None:
            return [default]
        if self.tree.is_parallel_state(parent):
            return self.tree.get_child_states(parent)
        assert self.tree.get_initial(parent) != history, f"{history} stands for itself"
        return [self.tree.get_initial(parent)]

    # --- where a transition happens ---

    def get_transition_domain(self, transition: Transition) -> str:
        """The state within which all is left and entered, which itself is neither.

        Appendix D asks here for what history states stand for. What is around that may be deeper than the parent of the
        history, whose inside is entered: something would be entered that was not left. So a history counts as itself.
        """
        targets, source = transition.targets, transition.source
        inside = all(self.tree.is_descendant(target, source) for target in targets)
        if transition.stay and self.tree.is_compound_state(source) and inside:
            return source
        return self.tree.find_lcca([source, *targets])

    def get_effective_target_states(self, targets: tuple[str, ...] | list[str]) -> list[str]:
        effective: list[str] = []
        for target in targets:
            if self.tree.is_history_state(target):
                target_states = self.get_effective_target_states(self.get_history_targets(target))
            else:
                target_states = [target]
            effective += [each for each in target_states if each not in effective]
        return effective
