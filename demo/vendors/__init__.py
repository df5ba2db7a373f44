"""Vendors of one's own: stateful servers that answer as the real ones do, over real HTTP on this machine.

They are there to try connectors by hand and to test them; what a vendor really does is what its documentation says, and
nothing here knows the project's own rooms.
"""
