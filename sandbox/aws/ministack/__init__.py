"""The one room that touches ministack: what is private there and used here, a module for each of its parts.

The names are those of the pinned version; `host` refuses any other, because a changed private name would show
up much later as a strange answer of a strange service. Nothing else of the project is imported here.
"""
