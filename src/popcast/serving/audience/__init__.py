"""The simulated audience of a bundle, shown drafts: whom a project's simulation asks, without the project.

Comes in: drafts, and the population and rules in the bundle. Goes out: who was asked, what they did, how the field
moved.
"""
