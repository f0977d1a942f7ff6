"""PopSim: a simulated audience on a social graph reacts to posts before anybody else does (sheet popsim.md).

Population -> requests -> a policy's answers -> reactions -> memories, text field, numeric field -> states. No label
enters a simulation. Mesa is imported by ``agents`` and ``model`` alone, since importing it changes how processes start.
"""
