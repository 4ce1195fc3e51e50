"""Clients of a service: over HTTP with the token, nothing else.

connection.py   requests, and answers in the same errors as at home
finding.py      which service: an option, the environment, a configuration file, a workspace
verbs.py        everything that can be asked, by the name of a sweep
tables.py       answers to queries as tables
handles.py      `sweep.connect`
"""
