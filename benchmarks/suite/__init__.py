"""The benchmark that `python -m benchmarks` runs: a device's ceilings, then what training makes
of them.

    figures.py    what is measured: a value, its raw times, its traffic, what is wrong with it
    timing.py     how it is timed: cold apart from warm, several runs, memory
    limits.py     which ceiling limits a workload, and how near it comes
    ceilings.py   copies, products, gathers, scatter-adds, sorts, random bits, launches
    workloads.py  skip-gram, GloVe and counting on a text with a planted structure
    machine.py    device, versions, flags, clocks
    document.py   all of it as JSON
    table.py      all of it to read
    compare.py    two documents side by side
    roofline.py   documents as a picture

`workloads` has two functions: `add_options(parser)` adds its own options (the frame has --quick,
--runs and --json), and `run(options, ceilings, timer)` returns a list of `figures.Figure`; of each
it gives the traffic to `limits.limited`. ceilings is a dictionary of figures by name.
"""
