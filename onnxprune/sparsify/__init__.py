"""Zeros in place: single elements, N:M patterns and blocks of weights, which leave every shape as it is."""
