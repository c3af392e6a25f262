"""Notebooks executed headlessly.

parameters   what a notebook takes, and what it is given
execute      one notebook into one folder
pool         several at a time
signals      SIGTERM and Ctrl-C, passed on
html         an executed notebook as one page
"""
