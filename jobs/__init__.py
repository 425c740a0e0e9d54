"""Jobs: thin RQ wrappers. Ids in, one service function called, the result logged.

The rules of a job:

* It may run twice, at the same time, or die anywhere; the service it calls is built for that.
* It takes the run's lease first and keeps it alive from a thread; without a lease it returns at once.
* Every commit of the service passes the fence (`running.advance`); a job that lost its lease stops without writing.
* It never swallows RQ's time limit.
"""
