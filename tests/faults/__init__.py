"""Drills: mutated inputs, kills, full disks, hostile names, folders and servers."""
