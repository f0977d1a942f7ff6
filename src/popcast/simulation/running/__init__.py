"""Many simulations at a time, shard by shard, with journals to resume from.

Comes in: posts and a population. Goes out: the tables ``triggers``, ``reactions``, ``states`` and ``manifest``.
"""
