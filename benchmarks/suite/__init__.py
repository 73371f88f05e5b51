"""The benchmark that `python -m benchmarks` runs: a device's ceilings, then what training makes
of them.

    default.py    the command: measures, prints, writes
    options.py    the options of the workloads

    figures.py    what is measured: a value, its raw times, its traffic, what is wrong with it
    timing.py     how it is timed: cold apart from warm, several runs, memory
    machine.py    device, versions, flags, clocks

    ceilings.py   which kernels, of which sizes
    kernels.py    one kernel: measured, and checked against a closed form
    dense.py      copies, products, sorts, random bits, launches
    rows.py       gathers and scatter-adds
    limits.py     which ceiling limits a workload, and how near it comes

    planted.py    a made-up text with a structure to find
    sizes.py      of the texts, and what is trained on them
    workloads.py  skip-gram and GloVe: speed, quality, time to a set quality
    counting.py   of co-occurrences
    scaling.py    skip-gram over blocks, vector size, vocabulary, devices
    traffic.py    what training and counting move and compute, from shapes
    quality.py    how much of the structure was found
    bands.py      what reference seeds find

    document.py   all of it as JSON
    table.py      all of it to read
    compare.py    two documents side by side
    roofline.py   documents as a picture

A workload is a figure with the traffic of a run, which `limits.limited` holds against the ceilings.
"""
