"""The service: one process that owns all sweeps of a workspace and answers over HTTP.

    desk.py         what may be wanted of a sweep, checked and written down
    lock.py         one service at a time
    link.py         the cluster, lost and found again
    carrying.py     one sweep, carried to its end
    service.py      all sweeps of a workspace
    reporting.py    what is said of them in logs and notes
    routes.py       what can be asked over HTTP: one table, also the OpenAPI file
    guarding.py     who asks, before anything else
    handlers.py     answers over HTTP, made by answers.py to questions.py
    pages.py        for browsers
    security.py     who may ask
    limits.py       how much is taken and sent
    serving.py      the process

Everything that must last is in the workspace; nothing here is lost when the process is killed.
"""
