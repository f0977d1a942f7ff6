"""When and how a report came about: commit, and how long its stages took. The stage itself does not write them down.

Comes in: a report page, facts about the run. Goes out: the page with these facts in their place.
"""
