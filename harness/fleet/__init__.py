"""Builds and trials on other machines: the same requests, the same answers, wherever they are carried out.

    deciding code -> Fleet -> concurrent.futures.Executor -> worker
                                local processes, SSH hosts, Dask

A `Request` says everything by content, so that any worker can carry it out; what comes back is checked before it is
believed.  A host that fails is the fleet's business: the work goes elsewhere, and no commit is judged by it.
"""
