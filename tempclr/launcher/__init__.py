"""Notebooks and other jobs, executed headlessly.

parameters   the parameters of a notebook: reading, checking, presets
folder       folders that are complete as soon as they have their name
execute      one notebook into one new folder
pool         several jobs at a time, in worker processes
signals      SIGTERM and Ctrl-C, passed on to kernels and processes
html         an executed notebook as one HTML page
"""
