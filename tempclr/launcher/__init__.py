"""Notebooks executed headlessly.

parameters   the parameters of a notebook: reading, checking, presets
execute      one notebook into one new folder
pool         several notebooks at a time, each in its own process
signals      SIGTERM and Ctrl-C, passed on to kernels and processes
html         an executed notebook as one HTML page
"""
