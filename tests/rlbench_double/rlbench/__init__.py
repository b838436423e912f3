"""A protocol double of RLBench 1.2: what its interface says, without a simulator.

Names of modules, classes, methods and arguments, shapes of what is returned, and exceptions are
those that RLBench documents and its users call; `double.py` holds the behaviour, which tests
script. RLBench's code is not in it, and it knows nothing of the adapter that is tested with it.
"""
