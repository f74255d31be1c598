"""The third loop: the same scenarios every night on a tree that is made anew each day, and what is new.

    tag of the day -> trials of each cell -> what they say beside earlier nights -> trials again -> bisection

`classify` decides and does no I/O; `night` tries; `day` asks git; `history` reads the journal.
"""
