"""The state machines of Mojaloop, a switch through which banks and wallets of a country pay each other.

transfer     a payment, from the payer's request to its settlement
window       the payments of some hours, which are settled together
settlement   what the participants owe each other after some windows, and how far they have settled it
account      one participant's part of a settlement

Mojaloop keeps these states in tables of a database and moves them in handlers of messages (central-ledger and
central-settlement). Here each is a flow: `fsm draw examples/mojaloop/transfer.py` draws one.
"""
