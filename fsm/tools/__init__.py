"""What people look at: the parts of the command line, each usable from Python too.

    load: a FLOW of the command line ──▶ the class       replay: a module and a file ──▶ an account of every row
    info: what is installed, what a flow takes           report: that account ──▶ a table on the terminal
                                                         rehearsal: the same with a process that is killed, and compared

`load` and `info` need the standard library only; `replay` and `rehearsal` need numpy, `report` the extra `cli`.
"""
