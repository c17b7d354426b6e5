"""The rules that a definition is checked by: what `fsm.check` finds, and what `fsm.compile` refuses.

    Chart ──sound, sizes──▶ worth a walk ──Walk──▶ reach ──ways, guards, refused, timing, loops──▶ Report ──▶ Findings

`check` calls them in their order, `report` gathers what they find, and `docs/check-rules.md` explains each. None of
them makes code, and the compiler needs none of them but to know that there is nothing to refuse.
"""
