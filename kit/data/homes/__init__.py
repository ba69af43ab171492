"""Public homes of sets that the kit reads in another form: one converter a home, and the table of them (``catalogue``).

A converter is a function ``convert(folder)``: it takes the files as their home lays them out and yields the rows of the file
that the kit's source reads. Nothing here downloads anything.
"""
