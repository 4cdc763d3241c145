"""Fault injection while chunks are recorded and sent; afterwards recorded and stored are compared.

Tests run them short, `bench/faults.py` at full length.
"""
