"""What a definition is held to while its class is read; `fsm.compile` adds the rules that need the whole chart.

None of these can be waived: there is no chart to speak of before they hold.
"""

from __future__ import annotations

RULES = {
    "ambiguous-truth": "An expression has no truth before an event comes: `&`, `|` and `~` instead of and, or and not.",
    "choice-options": "A Choice names different, non-empty texts.",
    "decimal-places": "A Decimal has 0 to 18 places.",
    "defer-room": "A deferral says how many events may wait: at_most, from 1 to 1000.",
    "done-source": "on_done is declared for a state with something inside it.",
    "event-name": "An event class and the attribute that holds it have one name.",
    "flow-complete": "Transitions are declared in the class body, not after it.",
    "flow-limit": "microsteps_max is a number from 1 to 65535, and raised_max one from 1 to 1024.",
    "foreign-argument": "Guards and actions use the arguments of the event at hand, whose values alone are there.",
    "foreign-event": "Transitions name events of their own flow.",
    "foreign-field": "Guards and actions use fields of their own flow.",
    "foreign-state": "Transitions go to states of their own flow, and groups are made of states.",
    "history-default": "A history goes to a state inside its parent, and says which where it is initial.",
    "history-place": "A history stands in the state that it remembers.",
    "history-source": "A history is a target, and nothing is declared for it.",
    "inheritance": "A flow is derived from Flow alone.",
    "name-twice": "One name stands for one thing, and an argument has one name.",
    "nesting": "A state is a child where it is made, and its `with` block stands in no other state's.",
    "no-action": "What a transition does is an action.",
    "no-children": "Final, poison and history states have nothing inside them.",
    "no-event": "A class in the body of a flow is an event, and the body of an event holds none.",
    "no-operator": "An expression has only the operators that a step can do.",
    "no-value": "A declaration has a value; a type alone, or a class in place of its instance, declares nothing.",
    "parallel-regions": "A Parallel has regions, and none of them is final or poison.",
    "raised-arguments": "An event that is raised has no arguments.",
    "region-place": "A Region stands directly in a Parallel.",
    "reserved-name": "A name is an identifier, no keyword, begins with no _, and is none of id, signature, words.",
    "restless-final": "A final state has neither timers nor always() nor on_done().",
    "rounding": "What divides says how it rounds.",
    "scale-mix": "Numbers of different scales meet after a rescale only.",
    "several-targets": "Several targets stand each in another region of one Parallel.",
    "state-kind": "A state is final or poison, not both.",
    "stay-inside": "stay=True goes from a state with one active child to a state inside it.",
    "text-size": "A Text has 1 to 32 bytes.",
    "text-syntax": "Text is an expression or actions in the language of fsm.",
    "timer-moment": "after() takes a Duration from 0 on, and at() a Timestamp field.",
    "too-deep": "An expression stays small enough to be read.",
    "too-many-arguments": "The arguments of an event take at most six words.",
    "type-mix": "Operands and values have types that go together.",
    "unknown-name": "A name in text is that of a field, an event or an argument.",
    "unnamed-state": "A state is bound to a name in the class body.",
    "waiver": "A waiver names a rule and gives a reason.",
}
"""Name of each rule and what it demands; `docs/check-rules.md` lists them."""
